"""What numbers can be asked while compiling: functions and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bmc.types.symbolic import Num, asked

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sum": lambda *a: sum(flattened(a)),
    "min": lambda *a: asked("min", *flattened(a)),
    "max": lambda *a: asked("max", *flattened(a)),
    "len": lambda a: Num(len(a)),
    **{name: partial(asked, name) for name in ("abs", "round", "floor", "ceil")},
    **{name: partial(asked, name) for name in ("sqrt", "log", "exp")},
}
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def flattened(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The numbers that a function is given: its arguments, or those of the list that is its only one."""
    if len(arguments) == 1 and isinstance(arguments[0], tuple):
        return arguments[0]
    return arguments
