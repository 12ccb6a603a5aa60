"""What every data program has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]
Columns = dict[str, Any]


class DataError(SystemExit):
    """Data that can't be used: the program ends with where, and what was expected."""


def known_values(
    fitted: dict[str, Any], needed: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """A copy of what an earlier run learned, checked to have all that is needed."""
    for step, keys in needed.items():
        found = fitted.get(step)
        if not isinstance(found, dict) or not set(keys) <= set(found):
            raise DataError(
                f"what was learned has no {step!r} with {', '.join(keys)}: it was "
                "written by another program"
            )
    return {step: dict(fitted[step]) for step in needed}


def without_lone_row(rows: Array, batch_size: int) -> Array:
    """Leave out a last batch of one row: a norm over the batch learns nothing of it."""
    if len(rows) < 2 or batch_size < 2:
        raise DataError(
            "training needs two rows in a batch: a norm over one learns nothing"
        )
    return rows[:-1] if len(rows) % batch_size == 1 else rows


def shuffled(count: int, seed: int, epoch: int) -> Array:
    """The numbers below `count` in an order that (seed, epoch) fixes everywhere."""
    bits = np.random.Philox(key=[seed, epoch]).random_raw(count)
    return np.argsort(bits, kind="stable")


def drawn_rows(weights: Array, seed: int, epoch: int) -> Array:
    """As many places as there are weights, each drawn with its weight, also repeatedly.

    (seed, epoch) fixes them everywhere.
    """
    total = np.cumsum(weights, dtype=np.float64)
    if not (weights >= 0).all() or not 0 < total[-1] < np.inf:
        raise DataError(
            "the sampler's weights: expected numbers from 0, one of them more"
        )
    bits = np.random.Philox(key=[seed, epoch]).random_raw(len(weights))
    drawn = (bits >> np.uint64(11)) * 2.0**-53 * total[-1]
    places: Array = np.searchsorted(total, drawn, side="right")
    return places.clip(max=len(total) - 1)
