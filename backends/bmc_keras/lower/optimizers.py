"""Optimisers in Keras: the class of optimizer.py, and the settings given as constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.ops import optimizers as ops
from bmc.ops.base import Declaration

# constant of the program -> (keyword, value)
Settings = dict[str, tuple[str, Any]]


def _sgd(op: ops.Sgd) -> tuple[str, Settings]:
    settings: Settings = {"MOMENTUM": ("momentum", op.momentum)}
    if op.nesterov:
        settings["NESTEROV"] = ("nesterov", True)
    return "SGD", settings


def _adam(kind: str) -> Callable[[Any], tuple[str, Settings]]:
    return lambda op: (kind, {"BETAS": ("betas", op.betas), "EPSILON": ("epsilon", op.epsilon)})


OPTIMIZERS: dict[type[Declaration], Callable[[Any], tuple[str, Settings]]] = {
    ops.Sgd: _sgd,
    ops.Adam: _adam("Adam"),
    ops.AdamW: _adam("AdamW"),
}
