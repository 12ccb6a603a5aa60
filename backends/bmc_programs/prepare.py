"""One `prepare` function for each entry: its columns, and the steps that run once, a line each."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Assign, Return, SliceExpr
from bmc.ir.data import Columns, DataProgram, Entry, Use
from bmc.ops import data_steps as steps
from bmc_programs.document import document_variable
from bmc_programs.lower.data_sources import reader
from bmc_programs.lower.table import PREPARING, rule_of
from bmc_programs.nodes import (
    Expr,
    Function,
    Statement,
    assign,
    call,
    comprehension,
    expr,
    index,
    names_of,
    ref,
    returns,
    run,
    starred,
)

PARAMETERS = {
    "arrays": "dict[str, Array]",
    "table": "Table",
    "folder": "Folder",
    "points": "Array",
    "words": "list[str]",
    "root": "Path",
    "train": "Array",
    "known": "dict[str, Any]",
}


class Preparing:
    """The body of one `prepare` function in the making; `value` is the variable that flows."""

    def __init__(self, program: DataProgram, entry: Entry, base: str | None) -> None:
        self.program = program
        self.entry = entry
        self.body: list[Statement] = []
        self.value = base or "values"
        self.base = base
        self.text = ""  # the variable that holds texts
        self.tabled = False  # whether the values come from several columns of a table
        self.places = False  # whether the variable `text` knows where the rows stand
        self.start: Expr | None = None  # what flows before the first line
        self.result = "Array"
        self.key = ""  # of the step that is printed
        self.names: Expr | None = None  # of the columns, where a step may say which it means

    def let(self, target: str, value: Expr) -> None:
        """A line that makes `target` what flows."""
        self.body.append(assign(target, value))
        self.value = target

    def apply(self, function: str, *arguments: Any, **named: Any) -> None:
        """`values = function(values, …)`"""
        target = "values" if self.value == self.base else self.value
        value, self.start = self.flowing(), None
        self.let(target, call(function, value, *arguments, **named))

    def flowing(self) -> Expr:
        """What flows now."""
        return self.start or ref(self.value)

    def learned(self, key: str = "") -> Expr:
        """Where a step keeps what it learns."""
        return call("known.setdefault", key or self.key, {})

    def source(self) -> Any:
        """What knows where the rows stand: the column's text, the table, or the entry's name."""
        if self.tabled:
            return call("table.rows")
        return ref("text") if self.places else self.entry.name

    @property
    def several(self) -> bool:
        """Whether the entry has several columns."""
        return self.entry.columns is not None and not self.entry.columns.single


def prepare(program: DataProgram, entry: Entry) -> Function:
    """The function that prepares the stored column of an entry."""
    base = base_variable(program, entry)
    site = Preparing(program, entry, base)
    if entry.columns is not None:
        _head(site, entry.columns)
    for use in entry.load:
        site.key = use.key
        rule_of(PREPARING, use.step)(use.step, site)
    _finish(site)
    _return_last(site.body)
    names = set().union(*map(names_of, site.body))
    if entry.head != "document":
        names -= {"words"}  # a variable of its own there
    used = [(name, kind) for name, kind in PARAMETERS.items() if name in names]
    if base is not None and base in names:
        used.insert(0, (base, _stored_type(program.entry(entry.base or ""))))
    doc = f"The entry `{entry.name}` for all rows: {_content(entry, site.result)}."
    if entry.doc:
        doc += f"\n\n{entry.doc}"
    return Function(f"prepare_{entry.name}", tuple(used), site.result, doc, tuple(site.body))


def _content(entry: Entry, result: str) -> str:
    """What a stored column holds, in words."""
    if result == "PictureFiles":
        return "pictures"
    if entry.ragged:
        return "a list of ids each"
    shape = _row_shape(entry) if entry.role else entry.carrying.shape
    if entry.head == "document":
        return "int32 (tokens,)"
    kind = {"float": "float32", "ids": "int64"}.get(stored_kind(entry), "the file's numbers")
    if shape is None:
        return kind
    sizes = ", ".join(str(size or "any") for size in shape)
    return f"{kind} (rows, {sizes})" if sizes else f"{kind} (rows,)"


def _return_last(body: list[Statement]) -> None:
    """`values = f(…)` and `return values` become `return f(…)`."""
    if len(body) < 2 or not isinstance(body[-1], Return) or not isinstance(body[-2], Assign):
        return
    if body[-2].targets == body[-1].value:
        body[-2:] = [returns(body[-2].value)]


def base_variable(program: DataProgram, entry: Entry) -> str | None:
    """The parameter that stands for the entry that this one continues."""
    if entry.base is None:
        return None
    return "tokens" if program.entry(entry.base).ragged else "values"


def _stored_type(entry: Entry) -> str:
    return "Tokens" if entry.ragged else "Array"


# --- columns ------------------------------------------------------------------------------------


def _head(site: Preparing, columns: Columns) -> None:
    {
        "array": _arrays,
        "text": _texts,
        "numbers": _numbers,
        "ids": _ids,
        "document": _document,
        "paths": _paths,
    }[site.entry.head](site, columns)


def _arrays(site: Preparing, columns: Columns) -> None:
    name = str(columns.names[0])
    site.start = index("arrays", name)
    entry = site.entry
    if entry.carrying.kind == "images" and not _numeric_first(entry):
        return
    shape = _row_shape(entry)
    if shape is not None and len(shape) == 3 and shape[0] != 1 and entry.dtype == "float":
        site.apply("as_pictures", shape[0], shape[1], shape[2], name)
    elif shape is not None:
        site.apply("as_rows" if None in shape else "shaped", shape, name)
    if entry.dtype == "int" or (entry.role == "target" and entry.count is not None):
        below = {} if entry.count is None else {"below": int(entry.count)}
        site.apply("whole", name, **below)
    elif not (entry.load and isinstance(entry.load[0].step, steps.Impute)):
        site.apply("single" if stored_kind(entry) == "raw" else "finite", name)


def _numeric_first(entry: Entry) -> bool:
    """Whether the batch steps begin with one that takes an array of pictures as it is."""
    first = entry.batch[0] if entry.batch else None
    return isinstance(first, Use) and first.step.name in ("normalize", "scale")


def _row_shape(entry: Entry) -> tuple[int | None, ...] | None:
    """The wanted shape of a stored row: without what `one_hot` and `windows` add."""
    shape = entry.shape
    if shape is None or not entry.role:
        return None
    for use in entry.batch:
        name = use.step.name if isinstance(use, Use) else ""
        if name == "windows" and not entry.single:
            shape = shape[1:]
        if name == "one_hot":
            shape = shape[:-1]
    return shape


def text_of(columns: Columns) -> Expr:
    """The text of one column, or the list of several columns' texts."""
    if columns.single:
        return call("table.text", str(columns.names[0]))
    if len(columns.names) == 1 and isinstance(columns.names[0], tuple):
        return call("table.between", *columns.names[0])
    if all(isinstance(name, str) for name in columns.names):
        return call("table.texts", *columns.names)
    parts: list[Any] = []
    for name in columns.names:
        one = call("table.between", *name) if isinstance(name, tuple) else call("table.texts", name)
        parts.append(starred(one))
    return expr(parts)


def _texts(site: Preparing, columns: Columns) -> None:
    site.text, site.places = ("text", True) if columns.single else ("texts", False)
    site.let(site.text, text_of(columns))


def _numbers(site: Preparing, columns: Columns) -> None:
    text = text_of(columns)
    site.tabled = not columns.single
    parse = "parse_numbers" if columns.single else "parse_columns"
    first = site.entry.load[0].step if site.entry.load else None
    imputed = any(isinstance(use.step, steps.Impute) for use in site.entry.load)
    if columns.single:
        site.places = True
        site.body.append(assign("text", text))
        text = ref("text")
        site.names = expr([ref("text.name")])
    elif imputed:
        site.body.append(assign("texts", text))
        text = ref("texts")
        site.names = comprehension(ref("text.name"), "text", "texts")
    if isinstance(first, steps.Impute):
        site.let("values", call(f"{parse}_or_missing", text, ref("MISSING")))
    else:
        site.let("values", call(parse, text))


def _ids(site: Preparing, columns: Columns) -> None:
    entry = site.entry
    if reader(site.program).classes:
        learned = site.learned(f"{entry.name}.class")
        site.let("values", call("class_numbers", ref("folder"), ref("train"), learned))
        if entry.count is not None:
            names = index(site.learned(f"{entry.name}.class"), "classes")
            site.body.append(run(call("at_most", names, int(entry.count), "class")))
        return
    if site.several:
        site.let("values", call("parse_whole_columns", text_of(columns)))
        return
    if entry.count is None:
        site.let("values", call("parse_whole_numbers", text_of(columns)))
        return
    site.let("text", text_of(columns))
    site.let("values", call("parse_whole_numbers", ref("text")))
    site.apply("numbers_below", int(entry.count), ref("text"))


def _document(site: Preparing, columns: Columns) -> None:
    site.value = document_variable(site.program)


def _paths(site: Preparing, columns: Columns) -> None:
    site.result = "PictureFiles"
    shape = site.entry.shape
    mode = "L" if shape is not None and shape[0] == 1 else "RGB"
    site.body.append(returns(call("PictureFiles", ref("folder.paths"), mode)))


# --- the end ------------------------------------------------------------------------------------


def _finish(site: Preparing) -> None:
    """The last checks, and the type that the column is stored in."""
    entry = site.entry
    if site.result == "PictureFiles":
        return
    if _reads_pictures(entry):
        paths = call("picture_paths", ref("text"), ref("root"))
        use = next(use for use in entry.uses() if use.step.name == "read_image")
        mode = "L" if use.step.mode == "gray" else "RGB"  # type: ignore[attr-defined]
        site.result = "PictureFiles"
        site.body.append(returns(call("PictureFiles", paths, mode)))
        return
    if entry.ragged:
        _finish_tokens(site)
        return
    shape = _row_shape(entry)
    if _ranged(site.program, entry) and shape and shape[0] is not None:
        site.apply("exactly", shape[0], entry.name)
    if stored_kind(entry) == "float":
        site.apply("as_float32", site.source())
    value = site.flowing()
    if entry.role and entry.shape == (1,) and entry.carrying.shape == ():
        value = index(value, SliceExpr(), None)
    site.body.append(returns(value))


def _finish_tokens(site: Preparing) -> None:
    entry = site.entry
    site.result = "Tokens"
    source = site.source()
    if entry.longest is not None:
        site.apply("check_lengths", int(entry.longest), source)
    elif entry.role:
        site.apply("check_not_empty", source)
    if entry.count is not None:
        site.apply("check_ids", int(entry.count), source)
    site.body.append(returns(ref(site.value)))


def _ranged(program: DataProgram, entry: Entry) -> bool:
    """Whether the number of columns is known only when the data is read."""
    first = program.line(entry)[0].columns
    return first is not None and any(isinstance(name, tuple) for name in first.names)


def _reads_pictures(entry: Entry) -> bool:
    return any(use.step.name == "read_image" for use in entry.uses()) and entry.head == "text"


def stored_kind(entry: Entry) -> str:
    """How a column is stored: `float` (float32), `ids` (int64), `raw` (as the file has it)."""
    if entry.head == "array" and not any(use.step.name != "identity" for use in entry.load):
        return "raw"
    if entry.ragged:
        return "tokens"
    if entry.head == "document":
        return "raw"
    if entry.carrying.kind in ("numbers", "array") and entry.carrying.kind == "numbers":
        return "float" if not _hot(entry) else "ids"
    if entry.dtype == "float" and not entry.batch:
        return "float"
    return "ids"


def _hot(entry: Entry) -> bool:
    return any(use.step.name == "one_hot" for use in entry.uses())
