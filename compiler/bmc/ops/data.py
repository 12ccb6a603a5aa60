"""What data pipelines are made of: the bases of sources, steps and splits, and what flows.

A step says what it takes and gives (`infer`), whether it learns from the training rows
(`learns`), whether it draws random numbers, and when it runs: once at `load`, for every
`batch`, or `either`. It knows no backend and reads no data.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from bmc.ops.base import Declaration
from bmc.ops.kinds import Kind, Measure, Refusal, show
from bmc.records import field, record, replace
from bmc.types.symbolic import Real

Carried = Literal["text", "document", "array", "numbers", "ids", "tokens", "paths", "images"]
When = Literal["load", "batch", "either"]
NOUNS: dict[str, str] = {
    "text": "texts",
    "document": "one long text",
    "array": "arrays",
    "numbers": "numbers",
    "ids": "whole numbers",
    "tokens": "lists of token ids",
    "paths": "picture files",
    "images": "pictures",
}


@record
class Carrying:
    """What an arrow of the data section carries.

    `shape` is that of one row, None where it is not known; an axis of unknown size is None.
    `windowed` is set by `windows`, `shift` by `lead` before it, `scaled` once pictures
    are numbers; `document` says that the rows are the tokens of one long text.
    """

    kind: Carried
    shape: tuple[Any, ...] | None = ()
    windowed: bool = False
    shift: int = 0
    scaled: bool = False
    document: bool = False

    def as_kind(self, kind: Carried) -> Carrying:
        """The same rows with other content."""
        return replace(self, kind=kind)

    @property
    def noun(self) -> str:
        """How messages call it."""
        return NOUNS[self.kind]


@record
class Fraction(Kind):
    """`80%` (a share of the rows) or a whole number of rows."""

    description: str = "a share, as in `80%`, or a number of rows"

    def convert(self, value: Any) -> Any:
        """A `Real` below or equal to 1, or an `int` of at least 1."""
        if isinstance(value, Measure) and value.unit == "%":
            value = Real(value.value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal(f"expected {self.description}, found {show(value)}")
        if isinstance(value, float) and not 0 < value <= 1:
            raise Refusal("a share of the rows goes from 0% to 100%")
        if isinstance(value, int) and value < 1:
            raise Refusal(f"expected {self.description}, found {show(value)}")
        return value


class Source(Declaration, family="source"):
    """Base of sources."""

    columns: ClassVar[Carried] = "text"  # what a column holds
    rowed: ClassVar[bool] = True  # whether it has rows before a step makes them
    tabular: ClassVar[bool] = False  # whether it is a table, whose columns may be listed
    known: ClassVar[tuple[str, ...]] = ()  # its columns, where they are always the same
    paths: ClassVar[bool] = True  # whether its parts are files or folders

    @property
    def document(self) -> bool:
        """Whether it is one long text, whose rows a step makes."""
        return False

    def holds(self, column: str) -> Carrying | None:
        """What a column holds; None where the steps behind it say that."""
        return None

    def parts(self) -> dict[str, str]:
        """Split name to file, sub-folder or suffix, for sources that come in parts."""
        named = {name: getattr(self, name, "") for name in ("train", "validation", "test")}
        return {name: str(part) for name, part in named.items() if part}


class Step(Declaration, family="step"):
    """Base of steps."""

    when: ClassVar[When] = "load"
    learns: ClassVar[tuple[str, ...]] = ()  # keys of what it learns
    random: ClassVar[bool] = False
    accepts: ClassVar[tuple[Carried, ...]] = ()
    as_text: ClassVar[bool] = False  # wants a csv column as text, not as numbers

    def infer(self, value: Carrying) -> Carrying:
        """What comes out. Raises `Refusal` on what it can't take."""
        self.require(value)
        return value

    def require(self, value: Carrying) -> None:
        """Refuses what the step does not accept."""
        if value.kind not in self.accepts:
            nouns = [NOUNS[kind] for kind in self.accepts]
            wanted = nouns[0] if len(nouns) == 1 else f"{', '.join(nouns[:-1])} or {nouns[-1]}"
            raise Refusal(f"takes {wanted}, and gets {value.noun} here")

    def results(self) -> int:
        """How many entries it makes."""
        return 1


class Split(Declaration, family="split"):
    """Base of splits."""

    contiguous: ClassVar[bool] = False  # rows of a split follow each other
    by_column: ClassVar[bool] = False  # a column of a table says where a row belongs


class Parts(Split):
    """Base of splits that cut rows into shares; each declares the three settings itself."""

    train: Any
    validation: Any
    test: Any

    def shares(self) -> dict[str, Any]:
        """The splits that are asked for, in order."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: share for name, share in named.items() if share is not None}

    def check(self) -> None:
        """Shares are all fractions or all row counts, and fractions add up to at most 1."""
        shares = list(self.shares().values())
        if len({isinstance(share, float) for share in shares}) > 1:
            raise Refusal("give shares (`80%`) or numbers of rows for all splits, not both")
        if isinstance(shares[0], float) and sum(shares) > 1 + 1e-9:
            raise Refusal(f"the shares add up to {sum(shares):.0%}, more than the data has")


@record
class Later:
    """Names that are known and not built yet, with what they are."""

    names: dict[str, str] = field(default_factory=dict)


LATER: dict[str, Later] = {
    "source": Later({
        "parquet": "Parquet files", "jsonl": "JSON lines", "graphs": "sets of graphs",
        "sounds": "folders of sounds", "idx": "IDX files", "arff": "ARFF files",
        "hdf5": "HDF5 files", "sqlite": "SQLite databases",
    }),
    "step": Later({
        "mel": "mel spectrograms", "read_sound": "decoding of sounds", "mfcc": "cepstra",
        "graph": "graphs", "normalize_rows": "rows of graphs", "k_hop": "graph sampling",
        "mask_tokens": "masked language modelling", "cross": "crossed columns",
        "bucket": "buckets", "mixup": "mixing of samples", "cutmix": "mixing of samples",
        "one_of": "a choice among steps", "triplets": "triplets", "pairs": "pairs",
        "rand_augment": "random augmentation policies",
        "color_jitter": "changes of colour", "random_erasing": "random erasing",
        "random_rotation": "rotations", "elastic": "elastic deformation",
        "add_noise": "noise schedules", "difference": "differences of a series",
        "whole": "a whole series as one sample", "hash": "hashed categories",
    }),
    "split": Later({
        "k_fold": "cross-validation", "stratified": "the same as `random(…, stratify=…)`",
        "leave_one_out": "cross-validation",
    }),
}  # fmt: skip
