"""What numbers can be asked while compiling: functions and comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bmc.types.symbolic import Num, Real

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sum": lambda *a: sum(flattened(a)),
    "min": lambda *a: min(flattened(a)),
    "max": lambda *a: max(flattened(a)),
    "len": lambda a: Num(len(a)),
    "abs": abs,
    "round": lambda a: Num(round(a)),
    "floor": lambda a: Num(math.floor(a)),
    "ceil": lambda a: Num(math.ceil(a)),
    "sqrt": lambda a: Real(math.sqrt(a)),
    "log": lambda a: Real(math.log(a)),
    "exp": lambda a: Real(math.exp(a)),
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
