"""What the data section of a program means: a source, entries made by steps, a split.

Every entry's steps are sorted into those that run once, when the data is loaded, and those that
run for each batch. Nothing here reads data or knows numpy.
"""

from __future__ import annotations

from typing import Any, Literal

from bmc.ops.data import Carried, Carrying, Source, Split, Step
from bmc.ops.data_steps import Windows
from bmc.records import field, record
from bmc.source import Span
from bmc.types.tensor import DType, TensorType

Role = Literal["input", "target", "sampler"]
Size = int | None  # None: known when the data is read, or different from batch to batch


@record
class Wanted:
    """What the models and losses know of an entry.

    `type` is None or has free dimensions where they do not say. `pad` is the padding value of a
    ragged entry, `longest` the upper limit of its length, `shortest` what it is filled up to at
    least, so that every window finds a place; `count` is the number of classes or ids. A target of
    padded predictions is as long as the input `beside` it.
    """

    type: TensorType | None = None
    role: Role = "target"
    pad: int | None = None
    longest: int | None = None
    shortest: int = 1
    count: int | None = None
    beside: str | None = None  # the input that its rows are as long as
    model: str = ""
    dtype: DType | None = None  # when only that is known


@record
class Columns:
    """What a pipeline starts with: names of columns; a pair is a range of them.

    `single` is false for a list: then a row has an axis, even with one name in it.
    """

    names: tuple[str | tuple[str, str], ...]
    single: bool


@record
class Use:
    """One step. `number` tells random draws apart; `key` is where it keeps what it learns."""

    step: Step
    key: str
    number: int
    span: Span = field(compare=False, repr=False)


@record
class Choice:
    """`if training then … else …`"""

    training: tuple[Use, ...]
    otherwise: tuple[Use, ...]


@record
class Entry:
    """A prepared entry.

    `base` is the earlier entry that it continues, if any: its stored column when `load` is empty.
    `head` is what its columns hold, after parsing; `carrying` what comes out in the end.
    `shape` has None for sizes that are not known. `part` tells the two entries of `windows(…,
    then=…)` apart; `single` says that the second is one row, without an axis for it. `dtype` is
    None for an entry that only others use.
    """

    name: str
    columns: Columns | None
    base: str | None
    head: Carried
    load: tuple[Use, ...]
    batch: tuple[Use | Choice, ...]
    carrying: Carrying
    role: Role | None
    dtype: DType | None
    shape: tuple[Size, ...] | None
    pad: int | None = None
    longest: int | None = None
    shortest: int = 1
    count: int | None = None
    beside: str | None = None
    part: int = 0
    single: bool = False
    doc: str | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def ragged(self) -> bool:
        """Whether its rows differ in length."""
        return self.carrying.kind == "tokens"

    def uses(self) -> tuple[Use, ...]:
        """All steps, those of both branches of a choice included."""
        found: list[Use] = [*self.load]
        for use in self.batch:
            found += [*use.training, *use.otherwise] if isinstance(use, Choice) else [use]
        return tuple(found)


@record
class DataProgram:
    """The data section: entries in written order, each after those that it continues."""

    source: Source
    entries: tuple[Entry, ...]
    split: Split | None
    stratify: Columns | None = None  # the column behind `stratify=` or `group=`
    doc: str | None = None

    def entry(self, name: str) -> Entry:
        """The entry of that name."""
        return next(entry for entry in self.entries if entry.name == name)

    def wanted(self, role: Role | None = None) -> tuple[Entry, ...]:
        """The entries that batches hold: all, or those of one role."""
        return tuple(e for e in self.entries if e.role and role in (None, e.role))

    def line(self, entry: Entry) -> tuple[Entry, ...]:
        """The entries that one continues, first to last, and itself."""
        before = self.line(self.entry(entry.base)) if entry.base else ()
        return (*before, entry)

    def splits(self) -> tuple[str, ...]:
        """The names of the splits that are known before the data is read."""
        named = dict.fromkeys(self.source.parts() or ("train",))
        shares: dict[str, Any] = getattr(self.split, "shares", dict)()
        return tuple({**dict.fromkeys(shares), **named})

    def window(self) -> Any:
        """The `windows` step with the longest reach, if samples are windows."""
        uses = [use.step for entry in self.wanted() for use in entry.uses()]
        found = [step for step in uses if isinstance(step, Windows)]
        return found[0] if found else None
