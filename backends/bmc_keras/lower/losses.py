"""Losses in Keras: expressions of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.pyexpr import Attr, Expr, Index, call, lit
from bmc.ops import losses as ops
from bmc.ops.base import Declaration


def _cross_entropy(op: ops.CrossEntropy, args: list[Expr]) -> Expr:
    logits, target = args
    if not op.label_smoothing:
        function = "keras.losses.sparse_categorical_crossentropy"
        return call("ops.mean", call(function, target, logits, from_logits=True))
    classes = Index(Attr(logits, "shape"), (lit(-1),))
    hot = call("ops.one_hot", target, classes, dtype=Attr(logits, "dtype"))
    function = "keras.losses.categorical_crossentropy"
    losses = call(function, hot, logits, from_logits=True, label_smoothing=op.label_smoothing)
    return call("ops.mean", losses)


LOSSES: dict[type[Declaration], Callable[[Any, list[Expr]], Expr]] = {
    ops.CrossEntropy: _cross_entropy,
}
