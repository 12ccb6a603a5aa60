"""The `undo` functions: from what a model gives back to what the data had."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Assign
from bmc.ir.data import DataProgram, Entry, Use
from bmc.ops import data_steps as steps
from bmc_programs.categories import class_names
from bmc_programs.lower.data_sources import reader
from bmc_programs.lower.table import UNDOING
from bmc_programs.nodes import (
    Expr,
    Function,
    assign,
    call,
    index,
    names_of,
    ref,
    returns,
)

VALUES, FITTED = ("values", "Array"), ("fitted", "dict[str, Any]")


class Undoing:
    """Where a step is undone: its entry, and what it learned."""

    def __init__(self, entry: Entry, key: str) -> None:
        self.entry = entry
        self.learned = index("fitted", key)
        self.result = "Array"  # what the function returns


def undo(program: DataProgram, name: str) -> Function:
    """The function that undoes the steps of an entry, last first."""
    body: list[Assign] = []
    result = "Array"
    for entry in reversed(program.line(program.entry(name))):
        if entry.head == "ids" and entry.columns and reader(program).classes:
            classes = index("fitted", f"{entry.name}.class")
            body.append(_let(call("class_names", ref("values"), index(classes, "classes"))))
        for use in reversed(_uses(entry)):
            rule = UNDOING.find(use.step)
            if rule is not None:
                site = Undoing(entry, use.key)
                body.append(_let(rule(use.step, site)))
                result = site.result if site.result != "Array" else result
    last = body.pop() if body else None
    value: Any = last.value if last is not None else ref("values")
    statements = (*body, returns(value))
    reads = any("fitted" in names_of(statement) for statement in statements)
    parameters = (VALUES, FITTED) if reads else (VALUES,)
    doc = f"Undo the steps of the entry `{name}`: its values as the data has them."
    return Function(f"undo_{name}", parameters, result, doc, statements)


def undo_arguments(program: DataProgram, name: str) -> tuple[str, ...] | None:
    """What the `undo` function of an entry takes; None where there is nothing to undo."""
    function = undo(program, name)
    if len(function.body) == 1 and function.body[0] == returns(ref("values")):
        return None
    return tuple(parameter[0] for parameter in function.parameters)


def _uses(entry: Entry) -> list[Use]:
    return [*entry.load, *(use for use in entry.batch if isinstance(use, Use))]


def _let(value: Expr) -> Assign:
    return assign("values", value)


def classes(program: DataProgram, name: str) -> Function | None:
    """The function that gives the names of an entry's classes; None where they have none."""
    entry = program.entry(name)
    uses, columns = _uses(entry), entry.columns
    if entry.base is not None or columns is None or not columns.single:
        return None
    names: Expr | None = None
    if entry.head == "ids" and reader(program).classes and not uses:
        names = index(index("fitted", f"{name}.class"), "classes")
    for use in uses:
        if isinstance(use.step, steps.Category):
            learned = index(index("fitted", use.key), "classes")
            names = class_names(use.step, index(learned, str(columns.names[0])))
    if names is None:
        return None
    doc = f"The names of the classes of the entry `{name}`, by their numbers."
    return Function(f"classes_{name}", (FITTED,), "list[str]", doc, (returns(names),))
