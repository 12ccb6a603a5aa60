"""The table of PyTorch lowerings: one rule for each declared layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bmc.emit.backend import Lowerings, Rule
from bmc.emit.parts import Stock
from bmc.ops.base import Declaration
from bmc.types.tensor import TensorType
from bmc_programs.shared import SHARED

R = TypeVar("R", bound=Rule)
Fresh = Callable[[Any, tuple[TensorType, ...]], bool]

LOWERINGS = Lowerings("torch", "bmc_torch.lower")
part = Stock(Path(__file__).parents[1] / "parts", "bmc_torch.parts", SHARED)
OVERWRITING: set[type[Declaration]] = set()
FRESH: dict[type[Declaration], Fresh] = {}


def lower(
    op: type[Declaration], *, overwriting: bool = False, fresh: Fresh | None = None
) -> Callable[[R], R]:
    """Registers the rule of a layer.

    `overwriting`: its function takes `inplace=True`. `fresh`: whether the layer makes a tensor of
    its own that its gradient does not need, so that what follows may write into it. These are
    noted where they are worth it: large maps between convolutions.
    """
    if overwriting:
        OVERWRITING.add(op)
    if fresh is not None:
        FRESH[op] = fresh
    return LOWERINGS.rule(op)
