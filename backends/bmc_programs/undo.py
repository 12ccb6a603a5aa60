"""The `undo` functions: from what a model gives back to what the data had."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Assign
from bmc.ir.data import DataProgram, Entry, Use
from bmc.ops import data_steps as steps
from bmc_programs.nodes import (
    Expr,
    Function,
    assign,
    binary,
    call,
    comprehension,
    expr,
    index,
    method,
    names_of,
    ref,
    returns,
    starred,
)

VALUES, FITTED = ("values", "Array"), ("fitted", "dict[str, Any]")


def undo(program: DataProgram, name: str) -> Function:
    """The function that undoes the steps of an entry, last first."""
    body: list[Assign] = []
    result = "Array"
    for entry in reversed(program.line(program.entry(name))):
        if entry.head == "ids" and entry.columns and program.source.name == "folder":
            classes = index("fitted", f"{entry.name}.class")
            body.append(_let(call("class_names", ref("values"), index(classes, "classes"))))
        for use in reversed(_uses(entry)):
            made = _undone(use.step, use.key, entry)
            if made is not None:
                body.append(_let(made))
            if isinstance(use.step, steps.Tokenize):
                result = "list[str]"
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


def _undone(step: Any, key: str, entry: Entry) -> Expr | None:
    values, learned = ref("values"), index("fitted", key)
    if isinstance(step, steps.Standardize):
        return call("natural_scale", values, learned)
    if isinstance(step, steps.MinMax):
        return call("natural_range", values, learned)
    if isinstance(step, steps.Log):
        return call("np.exp", values)
    if isinstance(step, steps.Scale):
        shifted = binary(values, "-", float(step.offset)) if step.offset else values
        return binary(shifted, "/", float(step.factor))
    if isinstance(step, steps.Category):
        return _category(step, index(learned, "classes"), entry)
    if isinstance(step, steps.Equals):
        return call("np.where", values, step.text, f"not {step.text}")
    if isinstance(step, steps.Tokenize):
        glue = " " if step.unit == "words" else ""
        return call("tokens_to_texts", values, index(learned, "tokens"), int(step.start()), glue)
    return None


def _category(step: Any, classes: Expr, entry: Entry) -> Expr:
    unknown = step.unknown if isinstance(step.unknown, str) else "unknown"
    if entry.columns is not None and entry.columns.single:
        names: Expr = index(classes, str(entry.columns.names[0]))
        if step.unknown is not None:
            names = expr([unknown, starred(names)])
        return call("class_names", ref("values"), names)
    every = call("list", method(classes, "values"))
    if step.unknown is not None:
        names = expr([unknown, starred(ref("names"))])
        every = comprehension(names, "names", method(classes, "values"))
    return call("class_names_each", ref("values"), every)
