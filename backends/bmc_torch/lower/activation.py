"""Element-by-element functions in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import call
from bmc.ops import activation as ops
from bmc.ops.base import Layer
from bmc_torch.lower.common import dim
from bmc_torch.lower.table import lower

PLAIN: dict[type[Layer], str] = {
    ops.Mish: "F.mish",
    ops.Relu: "F.relu",
    ops.Sigmoid: "torch.sigmoid",
    ops.Tanh: "torch.tanh",
}


def _plain(function: str) -> Callable[[Any, Site], Lowered]:
    def rule(op: Any, site: Site) -> Lowered:
        """The function of the same meaning."""
        return Function(lambda args: call(function, args[0]))

    return rule


for _op, _function in PLAIN.items():
    lower(_op)(_plain(_function))


@lower(ops.Identity)
def identity(op: ops.Identity, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`F.softmax`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: call("F.softmax", args[0], dim=axis))
