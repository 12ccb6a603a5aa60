"""What comes out of an entry, checked against what the models and losses want of it."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.params import BadExpression
from bmc.diagnostics.problems.training import DataType
from bmc.ir.data import Choice, Columns, Entry, Use, Wanted
from bmc.ops.data import Carried, Carrying
from bmc.ops.data_steps import Equals, Windows
from bmc.records import record, replace
from bmc.source import Span
from bmc.types.tensor import DType, TensorType


@record(frozen=False)
class Draft:
    """An entry in the making. `carrying` is None once something about it failed."""

    name: str
    span: Span
    doc: str | None
    columns: Columns | None = None
    base: str | None = None
    head: Carried = "text"
    load: tuple[Use, ...] = ()
    batch: tuple[Use | Choice, ...] = ()
    carrying: Carrying | None = None
    want: Wanted | None = None
    part: int = 0


def finish(draft: Draft, problems: Problems) -> Entry | None:
    """The entry, with what comes out checked against what is wanted."""
    carrying, want = draft.carrying, draft.want
    if carrying is None:
        return None
    entry = Entry(
        draft.name, draft.columns, draft.base, draft.head, draft.load, draft.batch, carrying,
        None, None, carrying.shape, part=draft.part, doc=draft.doc, span=draft.span,
    )  # fmt: skip
    if carrying.windowed:
        entry = replace(entry, shape=_window_shape(entry))
    if want is None:
        return entry
    if carrying.document and not carrying.windowed:
        help_text = "end the line with `-> windows(…)`"
        problems.add(BadExpression(draft.span, "one long text has no rows of its own", help_text))
        return None
    dtype = wanted_dtype(want) or _natural(carrying)
    shape = sizes_of(want.type)
    if shape is not None and entry.shape is not None and len(shape) < len(entry.shape):
        entry = _single(entry)
    found = _found(entry)
    if dtype is None:
        help_text = f"give it a type, as in `{draft.name}: int[] = …`"
        message = f"nothing says whether `{draft.name}` is numbers or classes"
        problems.add(BadExpression(draft.span, message, help_text))
        return None
    if not _fits(entry, dtype, shape, want):
        expected = str(want.type) if want.type is not None else dtype
        problems.add(DataType(draft.span, draft.name, expected, found))
        return None
    pad = want.pad
    if carrying.kind == "tokens" and pad is None:
        if want.role == "input":
            expected = f"{want.type}"
            problems.add(DataType(draft.span, draft.name, expected, f"{found} with `pad=`"))
            return None
        pad = 0
    return replace(
        entry, role=want.role, dtype=dtype, shape=shape if shape is not None else entry.shape,
        pad=pad, longest=want.longest, shortest=want.shortest, count=want.count,
        beside=want.beside,
    )  # fmt: skip


def _window_shape(entry: Entry) -> tuple[Any, ...] | None:
    """The shape of a window; the second entry of `then=` has its own length."""
    step: Any = next(use.step for use in entry.uses() if isinstance(use.step, Windows))
    length = int(step.then if entry.part else step.n)
    shape = entry.carrying.shape
    return None if shape is None else (length, *shape[1:])


def _single(entry: Entry) -> Entry:
    """The one row that follows a window as such, where nothing is done to the window."""
    last = entry.uses()[-1].step if entry.uses() else None
    if not entry.part or not isinstance(last, Windows) or last.then != 1 or entry.shape is None:
        return entry
    return replace(entry, shape=entry.shape[1:], single=True)


def _fits(entry: Entry, dtype: str, shape: tuple[Any, ...] | None, want: Wanted) -> bool:
    kind = entry.carrying.kind
    if kind in ("text", "document"):
        return False
    if kind in ("ids", "tokens") and dtype != "int":
        exact = entry.uses() and isinstance(entry.uses()[-1].step, Equals)
        if kind == "tokens" or not (exact or want.role == "target"):
            return False
    if kind in ("numbers", "images", "paths") and dtype == "int":
        return False
    if shape is None or kind in ("images", "paths"):
        return shape is None or len(shape) == 3
    if kind == "array" or entry.shape is None:
        return True
    if entry.shape == () and shape == (1,):
        return True
    return len(shape) == len(entry.shape) and all(
        a is None or b is None or a == b for a, b in zip(shape, entry.shape, strict=True)
    )


def _found(entry: Entry) -> str:
    kind = entry.carrying.kind
    if kind in ("text", "document"):
        return "text" if kind == "text" else "one long text"
    if kind in ("images", "paths"):
        return "float[C, H, W]"
    dtype = "int" if kind in ("ids", "tokens") else "float"
    if entry.shape is None:
        return dtype
    letters = iter("TUVWXYZ")
    sizes = [next(letters) if size is None else str(size) for size in entry.shape]
    return f"{dtype}[{', '.join(sizes)}]"


def wanted_dtype(want: Wanted | None) -> DType | None:
    """The element type that is wanted, as far as anything says."""
    if want is None:
        return None
    return want.type.dtype if want.type is not None else want.dtype


def _natural(carrying: Carrying) -> DType | None:
    if carrying.kind in ("ids", "tokens"):
        return "int"
    return None if carrying.kind in ("array", "text", "document") else "float"


def sizes_of(tensor: TensorType | None) -> tuple[int | None, ...] | None:
    """A type's shape, None standing for free dimensions."""
    if tensor is None:
        return None
    return tuple(int(size) if isinstance(size, int) else None for size in tensor.shape)


def agree(one: TensorType, other: TensorType) -> bool:
    """Whether two types can be the same one."""
    sizes = list(zip(sizes_of(one) or (), sizes_of(other) or (), strict=False))
    same = all(a is None or b is None or a == b for a, b in sizes)
    return one.dtype == other.dtype and one.rank == other.rank and same
