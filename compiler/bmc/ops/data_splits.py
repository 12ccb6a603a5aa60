"""How rows are divided into what is learned from, what is watched and what is kept for the end."""

from __future__ import annotations

from typing import Any

from bmc.ops.base import param
from bmc.ops.data import Fraction, Parts, Split
from bmc.ops.kinds import Int, Kind, Refusal, Str, Word, show


class EntryName(Kind):
    """The name of an entry of the data section, or a column in quotes. The value is a `str`."""

    description = "an entry of the data section, or a column in quotes"

    def convert(self, value: Any) -> Any:
        """A `Word` stays one (an entry), a text is a column."""
        if isinstance(value, Word | str):
            return value
        raise Refusal(f"expected {self.description}, found {show(value)}")


class Random(Parts, name="random", aliases=("shuffle", "train_test_split", "shuffled")):
    """Rows at random, the same for the same seed.

    With `stratify` every split has each class in the same proportion, to within one row. With
    `group` rows that have the same value stay together in one split (persons, recordings):
    shares are then met as closely as whole groups allow.
    Rows that no share takes are left out.
    """

    train: Any = param(Fraction(), "share of the rows, or number of rows, to learn from")
    validation: Any = param(Fraction(), "share or number of rows to watch while training", None)
    test: Any = param(Fraction(), "share or number of rows kept for the end", None)

    stratify: Any = param(EntryName(), "entry or column whose classes all splits share alike", None)
    group: Any = param(EntryName(), "column whose values are kept together", None)
    seed: int = param(Int(min=0), "what the draw depends on", 0)

    def check(self) -> None:
        """Not both."""
        super().check()
        if self.stratify is not None and self.group is not None:
            raise Refusal("can't stratify and keep groups together at once", setting="group")


class Contiguous(
    Parts, name="contiguous", aliases=("time", "sequential", "chronological", "ordered")
):
    """The first rows for training, those after for validation, the last for the test.

    What a series or a long text needs. Rows that no share takes, at the end, are left out.
    """

    contiguous = True

    train: Any = param(Fraction(), "share of the rows, or number of rows, to learn from")
    validation: Any = param(Fraction(), "share or number of rows to watch while training", None)
    test: Any = param(Fraction(), "share or number of rows kept for the end", None)


class Column(Split, name="column"):
    """A column says where its row belongs: `train`, `validation` (or `val`, `dev`) or `test`."""

    by_column = True

    column: str = param(Str(), "the column")
