"""Which settings of a model decide what it is made of, beside its sizes.

A program holds sizes in terms of the model's settings, so that a constant can be edited. Which side
of an `if` was taken, and how many turns a loop that is written out has, it holds as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bmc.ir.model import BlockSpec, Instance, Test
from bmc.ops.base import Layer
from bmc.types.symbolic import Const, Expression, Num, Real, Var, expression_of

FIXED = ("axis", "axes", "start", "end", "layers")
WINDOW = ("kernel", "stride", "padding", "dilation")
Environment = Mapping[str, Expression]
COMPARED = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def settled(model: BlockSpec, more: Mapping[BlockSpec, list[Any]]) -> set[str]:
    """The settings whose halves, doubles or neighbours would make another model.

    `more` are numbers that a program holds as they are, by the block that they belong to.
    """
    numbers = {
        name: value
        for name, value in model.settings.items()
        if isinstance(value, Num | Real) and not isinstance(value, bool)
    }
    found: set[str] = set()
    for decided, environment in set(_decided(model, {name: Var(name) for name in numbers}, more)):
        around = dict(environment)
        if not isinstance(decided, Test):
            found |= decided.substitute(around).names() & set(numbers)
            continue
        values = {name: Const(_plain(value)) for name, value in numbers.items()}
        taken = _outcome(decided, around, values)
        for name, value in numbers.items():
            tried = (values | {name: Const(other)} for other in _others(_plain(value)))
            if any(_outcome(decided, around, other) != taken for other in tried):
                found.add(name)
    return found


def _plain(value: Any) -> int | float:
    return float(value) if isinstance(value, Real) else int(value)


def _others(value: int | float) -> list[int | float]:
    if isinstance(value, int):
        return [value // 2, value * 2, value - 1, value + 1]
    return [value / 2, value * 2]


def _decided(
    spec: BlockSpec, environment: Environment, more: Mapping[BlockSpec, list[Any]]
) -> Iterator[tuple[Test | Expression, tuple[tuple[str, Expression], ...]]]:
    """What was decided in a block and below it, and what its words mean in the model's terms."""
    around = tuple(sorted(environment.items(), key=lambda item: item[0]))
    for decided in (*spec.decided, *more.get(spec, ())):
        yield (decided if isinstance(decided, Test) else expression_of(decided)), around
    waiting: list[Instance] = list(spec.instances)
    seen: set[tuple[BlockSpec, tuple[tuple[str, Expression], ...]]] = set()
    while waiting:
        instance = waiting.pop()
        inner = instance.target
        if isinstance(inner, Layer):
            for value in _fixed_in(inner, instance):
                yield value, around
        if not isinstance(inner, BlockSpec):
            waiting += [one for _, one in instance.inside()]
            continue
        given = dict(environment) if inner.kind == "chain" else {}
        for name, value in instance.arguments.items():
            if isinstance(value, Num | Real):
                given[name] = value.expression.substitute(environment)
        key = (inner, tuple(sorted(given.items(), key=lambda item: item[0])))
        if key not in seen:
            seen.add(key)
            yield from _decided(inner, given, more)


def _fixed_in(layer: Layer, instance: Instance) -> Iterator[Expression]:
    """How the settings of a layer were computed that programs hold as numbers.

    Which axes it works along and how many layers it is; of padded values, what makes them shorter.
    """
    names = FIXED + (WINDOW if any(kind.ragged for kind in instance.inputs) else ())
    for name in names:
        value = getattr(layer, name, None)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, Num):
                yield number.expression


def _outcome(test: Any, environment: Environment, values: Environment) -> Any:
    """What a condition comes to; None where it can't be worked out."""
    if not isinstance(test, Test):
        return _number(test, environment, values)
    left = _outcome(test.left, environment, values)
    if test.operator == "not":
        return not left
    if test.operator == "is":
        return left
    right = _outcome(test.right, environment, values)
    if test.operator in ("and", "or"):
        return (left and right) if test.operator == "and" else (left or right)
    return None if None in (left, right) else COMPARED[test.operator](left, right)


def _number(value: Any, environment: Environment, values: Environment) -> Any:
    """A side of a comparison with the model's settings put in; a word stays one."""
    if isinstance(value, bool | str) or value is None:
        return value
    expression = value if isinstance(value, Expression) else expression_of(value)
    try:
        found = expression.substitute(environment).substitute(values)
        return found.value if isinstance(found, Const) else str(found)
    except ArithmeticError:
        return None
