"""The table of Keras lowerings: one rule for each declared layer, and the layout that it wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from bmc.emit.backend import Lowerings, Rule
from bmc.emit.parts import Stock
from bmc.ops.base import Declaration
from bmc.types.tensor import TensorType
from bmc_programs.shared import SHARED

# `last`: channels last, as Keras computes. `any`: each element by itself. `own`: the language's.
Layout = Literal["last", "any", "own"]
R = TypeVar("R", bound=Rule)

LOWERINGS = Lowerings("keras", "bmc_keras.lower")
part = Stock(Path(__file__).parents[1] / "parts", "bmc_keras.parts", SHARED)
LAYOUTS: dict[type[Declaration], Callable[[Any, tuple[TensorType, ...]], Layout]] = {}
# Whether a layer that turns values makes them channels last, from ones that are or are not.
Result = Callable[[Any, tuple[TensorType, ...], bool], bool]
RESULTS: dict[type[Declaration], Result] = {}


def lower(
    op: type[Declaration],
    layout: Layout | Callable[[Any, tuple[TensorType, ...]], Layout] = "own",
    result: Result | None = None,
) -> Callable[[R], R]:
    """Registers the rule of a layer. `result` is how it leaves values that it turns."""
    LAYOUTS[op] = layout if callable(layout) else lambda op, types: layout
    if result is not None:
        RESULTS[op] = result
    return LOWERINGS.rule(op)
