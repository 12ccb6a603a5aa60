"""Batches of data in which nothing is drawn at random but the order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bmc_programs.parts.core import Array, Arrays, Columns, shuffled, without_lone_row


class Data:
    """Prepared columns, the rows of each split, and what was learned from `train`."""

    def __init__(
        self,
        columns: Columns,
        rows: dict[str, Array],
        fitted: dict[str, Any],
        make: Callable[[Columns, Array], Arrays],
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.fitted = fitted
        self.make = make
        self.sizes = {split: len(chosen) for split, chosen in rows.items()}

    def order(self, split: str, seed: int, epoch: int) -> Array:
        """The rows of a split as (seed, epoch) shuffles them."""
        rows = self.rows[split]
        return rows[shuffled(len(rows), seed, epoch)]

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        seed: int | None = None,
        epoch: int = 0,
        skip: int = 0,
    ) -> Iterator[Arrays]:
        """Batches in order, or shuffled by (seed, epoch) if there is a seed.

        The first `skip` are left out: where a run goes on, they are done.
        """
        rows = self.rows[split]
        if seed is not None:
            rows = self.order(split, seed, epoch)
            rows = without_lone_row(rows, batch_size)
        for first in range(skip * batch_size, len(rows), batch_size):
            yield self.make(self.columns, rows[first : first + batch_size])
