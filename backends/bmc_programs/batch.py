"""The functions that turn rows into batches, and the steps that run for each of them."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import IfStmt, Un
from bmc.ir.data import Choice, DataProgram, Entry, Use
from bmc.ops import data_steps as steps
from bmc_programs.lower.table import BATCHING, rule_of
from bmc_programs.nodes import (
    Expr,
    Function,
    Statement,
    assign,
    binary,
    call,
    comprehension,
    expr,
    index,
    method,
    ref,
    returns,
)
from bmc_programs.prepare import stored_kind


class Batch:
    """One entry on its way into a batch. `form`: `rows`, `list` (of pictures) or `array`."""

    def __init__(self, program: DataProgram, entry: Entry, variable: str) -> None:
        self.program = program
        self.entry = entry
        self.variable = variable
        self.body: list[Statement] = []
        self.value: Expr = ref(variable)
        self.form = "array"
        self.files: Expr | None = None  # where the pictures come from, if from files
        self.dtype = ""
        self.use: Use | None = None  # the step that is printed

    def let(self, value: Expr) -> None:
        """A line that gives the entry's variable a value."""
        self.body.append(assign(self.variable, value))
        self.value = ref(self.variable)

    def apply(self, function: str, *arguments: Any) -> None:
        """`image = function(image, …)`"""
        self.let(call(function, self.value, *arguments))

    def run(self, use: Use) -> None:
        """The lines of one step."""
        self.use = use
        rule_of(BATCHING, use.step)(use.step, self)

    def array(self) -> None:
        """Pictures in a list become one array."""
        if self.form == "list":
            if self.files is None:
                self.apply("stack")
            else:
                self.apply("stack_files", self.files, ref("rows"))
            self.form, self.dtype = "array", "raw"

    def pictures(self) -> None:
        """An array of pictures becomes a list."""
        if self.form != "list":
            self.apply("as_list")
            self.form = "list"


def storing(program: DataProgram, entry: Entry) -> Entry:
    """The entry whose stored column this one reads."""
    while entry.columns is None and not entry.load and entry.base is not None:
        entry = program.entry(entry.base)
    return entry


def into_batch(program: DataProgram, entry: Entry, variable: str) -> tuple[list[Statement], Expr]:
    """The lines that make an entry's part of a batch, and the expression for it."""
    stored = storing(program, entry)
    site = Batch(program, entry, variable)
    column = index("columns", stored.name)
    site.dtype = stored_kind(stored)
    shift = sum(int(use.step.n) for use in _uses(entry) if isinstance(use.step, steps.Lead))
    window = next((u.step for u in _uses(entry) if isinstance(u.step, steps.Windows)), None)
    if window is not None:
        _window(site, column, window, shift)
    elif stored.ragged:
        given = (_picked(column), int(entry.pad or 0))
        if entry.shortest > 1:
            return [], call("pad_at_least", *given, entry.shortest)
        return [], call("pad", *given)
    else:
        site.value = index(column, ref("rows"))
        site.form = "list" if of_pictures(stored) else "array"
        site.files = column if of_pictures(stored) else None
    for step in entry.batch:
        if isinstance(step, Choice):
            _choose(site, step)
        else:
            site.run(step)
    site.array()
    if entry.carrying.kind in ("images", "paths") and entry.shape is not None:
        files = () if site.files is None else (site.files, ref("rows"))
        site.apply("check_files" if files else "check_pictures", entry.shape, *files)
    return site.body, _typed(site)


def _uses(entry: Entry) -> list[Use]:
    return [use for use in entry.batch if isinstance(use, Use)]


def _picked(column: Expr) -> Expr:
    return comprehension(index(column, ref("row")), "row", "rows")


def of_pictures(stored: Entry) -> bool:
    """Whether a column names picture files."""
    return stored.head == "paths" or any(u.step.name == "read_image" for u in stored.uses())


def _window(site: Batch, column: Expr, window: Any, shift: int) -> None:
    length, offset = int(window.n), shift
    if site.entry.part:
        length, offset = int(window.then), shift + int(window.n)
    starts: Expr = binary("rows", "+", offset) if offset else ref("rows")
    if site.entry.single:
        site.value = index(column, starts)
        return
    site.value = call("windows", column, starts, length)


def _choose(site: Batch, choice: Choice) -> None:
    """`if draw.training:` around the steps of the first branch, the others under its opposite."""
    training = ref("draw.training")
    if site.form != "list":
        site.pictures()
    elif site.value != ref(site.variable):
        site.let(site.value)
    for condition, uses in (
        (training, choice.training),
        (Un("not", training), choice.otherwise),
    ):
        body, site.body = site.body, []
        for use in uses:
            site.run(use)
        lines, site.body = site.body, body
        if lines:
            site.body.append(IfStmt(condition, tuple(lines)))
    site.value = ref(site.variable)


def _typed(site: Batch) -> Expr:
    wanted = "np.float32" if site.entry.dtype == "float" else "np.int64"
    have = {"float": "np.float32", "ids": "np.int64"}.get(site.dtype)
    if have == wanted:
        return site.value
    return method(site.value, "astype", ref(wanted))


# --- functions ------------------------------------------------------------------------------------


def batch_functions(
    program: DataProgram, inputs: tuple[Entry, ...], drawn: bool, variables: dict[str, str]
) -> list[Function]:
    """`make_inputs`, and `make_batch` that adds all other entries."""
    parameters = [("columns", "Columns"), ("rows", "Array")]
    if drawn:
        parameters.append(("draw", "Draw"))
    body, items = _entries(program, inputs, variables)
    doc = "What the model takes, for the given rows."
    first = Function("make_inputs", tuple(parameters), "Arrays", doc, (*body, returns(expr(items))))
    others = tuple(
        entry for entry in program.wanted() if entry not in inputs and entry.role != "sampler"
    )
    more, added = _entries(program, others, variables)
    passed = [ref(name) for name, _ in parameters]
    lines: list[Statement] = [assign("batch", call("make_inputs", *passed)), *more]
    lines += [assign(index("batch", name), value) for name, value in added.items()]
    doc = "What the model and the losses take, for the given rows."
    second = Function(
        "make_batch", tuple(parameters), "Arrays", doc, (*lines, returns(ref("batch")))
    )
    return [first, second]


def _entries(
    program: DataProgram, entries: tuple[Entry, ...], variables: dict[str, str]
) -> tuple[list[Statement], dict[str, Expr]]:
    body: list[Statement] = []
    items: dict[str, Expr] = {}
    for entry in entries:
        lines, value = into_batch(program, entry, variables[entry.name])
        body += lines
        items[entry.name] = value
    return body, items
