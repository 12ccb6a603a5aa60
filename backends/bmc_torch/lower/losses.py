"""Losses in PyTorch: expressions of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.pyexpr import Expr, call
from bmc.emit.values import unless
from bmc.ops import losses as ops
from bmc.ops.base import Declaration

LOSSES: dict[type[Declaration], Callable[[Any, list[Expr]], Expr]] = {
    ops.CrossEntropy: lambda op, args: call(
        "F.cross_entropy", *args, **unless(0.0, label_smoothing=op.label_smoothing)
    ),
}
