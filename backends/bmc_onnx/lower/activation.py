"""Element-by-element functions in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.ops import activation as ops
from bmc.ops.base import Layer
from bmc_onnx.lower.common import axis, node
from bmc_onnx.lower.table import lower

PLAIN: dict[type[Layer], str] = {
    ops.Mish: "Mish",
    ops.Relu: "Relu",
    ops.Sigmoid: "Sigmoid",
    ops.Tanh: "Tanh",
}


def _plain(word: str) -> Callable[[Any, Site], Lowered]:
    def rule(op: Any, site: Site) -> Lowered:
        """The operator of the same meaning."""
        return node(word)

    return rule


for _op, _word in PLAIN.items():
    lower(_op)(_plain(_word))


@lower(ops.Identity)
def identity(op: ops.Identity, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`Softmax`."""
    return node("Softmax", axis=axis(site.inputs[0], op.axis))
