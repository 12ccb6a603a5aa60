"""Which rows are learned from, which are watched and which are kept for the end."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np

from bmc_programs.parts.core import Array, DataError, shuffled
from bmc_programs.parts.tables import Text

SPLIT_WORDS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def shuffle(rows: Array, *, seed: int) -> Array:
    """The rows in an order that the seed fixes."""
    return rows[shuffled(len(rows), seed, 0)]


def spread(rows: Array, labels: Sequence[Any] | Array) -> Array:
    """The rows in an order in which any stretch has each class in proportion."""
    _, classes = np.unique(np.asarray(labels)[rows], return_inverse=True)
    position = np.empty(len(rows))
    for number in range(int(classes.max()) + 1):
        members = np.flatnonzero(classes == number)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return rows[np.argsort(position, kind="stable")]


def cut_shares(rows: Array, shares: dict[str, float]) -> dict[str, Array]:
    """The rows cut, in their order, into shares of the whole."""
    ends = np.rint(np.cumsum(list(shares.values())) * len(rows)).astype(np.int64)
    return nonempty(dict(zip(shares, np.split(rows, ends), strict=False)), len(rows))


def cut_counts(rows: Array, counts: dict[str, int]) -> dict[str, Array]:
    """The rows cut, in their order, into pieces of so many rows."""
    ends = np.cumsum(list(counts.values()))
    if ends[-1] > len(rows):
        raise DataError(f"the splits take {ends[-1]} rows, and there are {len(rows)}")
    return dict(zip(counts, np.split(rows, ends), strict=False))


def cut_groups(
    rows: Array, groups: Sequence[Any] | Array, shares: dict[str, float], *, seed: int
) -> dict[str, Array]:
    """The rows cut into shares, rows of one group together, groups in random order."""
    _, numbers = np.unique(np.asarray(groups)[rows], return_inverse=True)
    place = np.argsort(shuffled(int(numbers.max()) + 1, seed, 0), kind="stable")
    order = np.argsort(place[numbers], kind="stable")
    changes = np.flatnonzero(np.diff(place[numbers][order])) + 1
    borders = np.concatenate([[0], changes, [len(rows)]])
    wanted = np.cumsum(list(shares.values())) * len(rows)
    ends = [int(borders[np.abs(borders - end).argmin()]) for end in wanted]
    pieces = np.split(rows[order], ends)
    return nonempty(dict(zip(shares, pieces, strict=False)), len(rows))


def cut_column(rows: Array, text: Text) -> dict[str, Array]:
    """The rows by the split that the column names."""
    splits: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        word = SPLIT_WORDS.get(text.values[row].strip().lower())
        if word is None:
            raise DataError(
                f"{text.place(row)}: expected train, validation or test, "
                f"found {text.values[row][:40]!r}"
            )
        splits[word].append(int(row))
    if not splits["train"]:
        raise DataError(f"{text.places[0]}: no row says train in {text.name!r}")
    return {split: np.array(chosen) for split, chosen in splits.items() if chosen}


def part_rows(parts: dict[str, Sized]) -> dict[str, Array]:
    """The rows of parts that stand one after the other."""
    ends = np.cumsum([len(part) for part in parts.values()])
    pieces = np.split(np.arange(ends[-1]), ends[:-1])
    return dict(zip(parts, pieces, strict=True))


def nonempty(pieces: dict[str, Array], count: int) -> dict[str, Array]:
    """The pieces, checked to have a row each."""
    for split, piece in pieces.items():
        if not len(piece):
            raise DataError(f"the split {split!r} gets none of the {count} rows")
    return pieces


def window_starts(rows: dict[str, Array], length: int, stride: int) -> dict[str, Array]:
    """The first rows of the samples, each of which lies within its split."""
    starts = {}
    for split, chosen in rows.items():
        if len(chosen) < length:
            raise DataError(
                f"the split {split!r} has {len(chosen)} rows, and a sample takes "
                f"{length}"
            )
        starts[split] = chosen[: len(chosen) - length + 1 : stride]
    return starts


def forecast_starts(
    rows: dict[str, Array], past: int, future: int, stride: int
) -> dict[str, Array]:
    """The first rows of samples of which the last `future` rows lie within the split.

    The `past` rows before may belong to an earlier split: they are known by then.
    """
    starts = {}
    for split, chosen in rows.items():
        first = max(0, int(chosen[0]) - past)
        last = int(chosen[-1]) + 1 - past - future
        if last < first:
            raise DataError(
                f"the split {split!r} ends at row {int(chosen[-1])}, too early for a "
                f"sample of {past} + {future} rows"
            )
        starts[split] = np.arange(first, last + 1, stride)
    return starts


def windows(values: Array, starts: Array, length: int) -> Array:
    """Stretches of `length` rows: (len(starts), length, ...)."""
    return values[starts[:, None] + np.arange(length)]
