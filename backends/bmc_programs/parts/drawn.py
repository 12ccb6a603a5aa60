"""Batches of data with steps that draw random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bmc_programs.parts.core import Array, Arrays, Columns, shuffled, without_lone_row


@dataclass(frozen=True)
class Draw:
    """Random numbers that depend on seed, epoch, step and row, and on nothing else."""

    seed: int
    epoch: int
    training: bool

    def uniform(self, step: int, rows: Array, count: int) -> Array:
        """Numbers from 0 up to 1: (len(rows), count)."""
        numbers = np.empty((len(rows), count))
        for place, row in enumerate(rows):
            counter = [0, 0, step, int(row)]
            bits = np.random.Philox(key=[self.seed, self.epoch], counter=counter)
            numbers[place] = (bits.random_raw(count) >> 11) * 2.0**-53
        return numbers


class Data:
    """Prepared columns, the rows of each split, and what was learned from `train`."""

    def __init__(
        self,
        columns: Columns,
        rows: dict[str, Array],
        fitted: dict[str, Any],
        make: Callable[[Columns, Array, Draw], Arrays],
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
        """Batches of a split.

        Without a seed they come in order and unchanged; with one they are shuffled and
        augmented for training, always alike for the same (seed, epoch). The first
        `skip` are left out: where a run goes on, they are done.
        """
        rows = self.rows[split]
        draw = Draw(0, 0, training=False)
        if seed is not None:
            rows = self.order(split, seed, epoch)
            rows = without_lone_row(rows, batch_size)
            draw = Draw(seed, epoch, training=True)
        for first in range(skip * batch_size, len(rows), batch_size):
            yield self.make(self.columns, rows[first : first + batch_size], draw)
