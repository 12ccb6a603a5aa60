"""Element-by-element functions in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Call, call
from bmc.ops import activation as ops
from bmc.ops.base import Layer
from bmc_keras.lower.common import axis
from bmc_keras.lower.table import lower

PLAIN: dict[type[Layer], str] = {
    ops.Relu: "ops.relu",
    ops.Sigmoid: "ops.sigmoid",
    ops.Tanh: "ops.tanh",
}


def _plain(function: str) -> Callable[[Any, Site], Lowered]:
    def rule(op: Any, site: Site) -> Lowered:
        """The function of the same meaning."""
        return Function(lambda args: call(function, args[0]))

    return rule


for _op, _function in PLAIN.items():
    lower(_op, "any")(_plain(_function))


@lower(ops.Mish, "any")
def mish(op: ops.Mish, site: Site) -> Lowered:
    """`layers.Activation`: `keras.ops` has no function for it."""
    return Function(lambda args: Call(call("layers.Activation", "mish"), tuple(args)))


@lower(ops.Identity, "any")
def identity(op: ops.Identity, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`ops.softmax`."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.softmax", args[0], axis=place))
