"""Element-by-element functions in Keras."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Module, Site, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.lowering import plain
from bmc.emit.pyexpr import Attr, Call, Compare, call, lit, name
from bmc.emit.values import number, unless
from bmc.ops import activation as ops
from bmc.ops.axes import axis_of
from bmc.ops.base import Layer
from bmc.types.tensor import TensorType
from bmc_keras.lower.common import axis
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import Layout, lower, part
from bmc_keras.weights import At

KEEP_TOP = part("keep_top")
PLAIN: dict[type[Layer], str] = {
    ops.Abs: "ops.abs",
    ops.Cos: "ops.cos",
    ops.Exp: "ops.exp",
    ops.HardSigmoid: "ops.hard_sigmoid",
    ops.HardSwish: "ops.hard_swish",
    ops.LogSigmoid: "ops.log_sigmoid",
    ops.Relu: "ops.relu",
    ops.Relu6: "ops.relu6",
    ops.Selu: "ops.selu",
    ops.Sigmoid: "ops.sigmoid",
    ops.Sign: "ops.sign",
    ops.Silu: "ops.silu",
    ops.Sin: "ops.sin",
    ops.Softplus: "ops.softplus",
    ops.Softsign: "ops.softsign",
    ops.Sqrt: "ops.sqrt",
    ops.Square: "ops.square",
    ops.Tanh: "ops.tanh",
}


for _op, _function in PLAIN.items():
    lower(_op, "any")(plain(_function))


@lower(ops.Mish, "any")
def mish(op: ops.Mish, site: Site) -> Lowered:
    """`layers.Activation`: `keras.ops` has no function for it."""
    return Function(lambda args: Call(call("layers.Activation", "mish"), tuple(args)))


@lower(ops.Identity, "any")
def identity(op: ops.Identity, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(ops.Step, "any")
def step(op: ops.Step, site: Site) -> Lowered:
    """A comparison as a number."""
    return Function(
        lambda args: call("ops.cast", Compare(">=", args[0], lit(0)), Attr(args[0], "dtype"))
    )


@lower(ops.LeakyRelu, "any")
def leaky_relu(op: ops.LeakyRelu, site: Site) -> Lowered:
    """`ops.leaky_relu`, the slope written out."""
    return Function(lambda args: call("ops.leaky_relu", args[0], negative_slope=op.slope))


@lower(ops.Elu, "any")
def elu(op: ops.Elu, site: Site) -> Lowered:
    """`ops.elu`."""
    return Function(lambda args: call("ops.elu", args[0], alpha=op.alpha))


@lower(ops.Gelu, "any")
def gelu(op: ops.Gelu, site: Site) -> Lowered:
    """`ops.gelu`, the form written out: its default is the approximate one."""
    approximate = op.approximate == "tanh"
    return Function(lambda args: call("ops.gelu", args[0], approximate=approximate))


@lower(ops.Log, "any")
def log(op: ops.Log, site: Site) -> Lowered:
    """`ops.log`, of the clipped value if there is a floor."""
    if op.floor == 0:
        return Function(lambda args: call("ops.log", args[0]))
    return Function(lambda args: call("ops.log", call("ops.maximum", args[0], op.floor)))


@lower(ops.Clip, "any")
def clip(op: ops.Clip, site: Site) -> Lowered:
    """`ops.clip`, `ops.maximum` or `ops.minimum`."""
    if op.min is not None and op.max is not None:
        ends = (number(op.min), number(op.max))
        return Function(lambda args: call("ops.clip", args[0], *ends))
    word, end = ("maximum", op.min) if op.max is None else ("minimum", op.max)
    return Function(lambda args: call(f"ops.{word}", args[0], number(end)))


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`ops.softmax`, which takes up to five axes in TensorFlow, the batch among them."""
    place = axis(site.inputs[0], op.axis)
    if site.inputs[0].rank > 4:
        logs = {"axis": place}
        return Function(lambda args: call("ops.exp", call("ops.log_softmax", args[0], **logs)))
    return Function(lambda args: call("ops.softmax", args[0], axis=place))


@lower(ops.LogSoftmax)
def log_softmax(op: ops.LogSoftmax, site: Site) -> Lowered:
    """`ops.log_softmax`."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.log_softmax", args[0], axis=place))


def _channels(op: ops.PRelu, types: tuple[TensorType, ...]) -> Layout:
    return "last" if axis_of(types[0], op.axis) == 0 and types[0].rank > 1 else "own"


@lower(ops.PRelu, _channels)
def prelu(op: ops.PRelu, site: Site) -> Lowered:
    """`layers.PReLU`, whose slopes are shared by all axes but the channels."""
    (x,) = site.inputs
    place = axis_of(x, op.axis)
    start = initializer(op.init)
    if start is None or place not in (0, x.rank - 1):
        return Unsupported("channels in the middle, or this start, is not lowered yet")
    shared = list(range(1, x.rank))
    settings = {"alpha_initializer": start, **unless([], shared_axes=shared)}
    weight = At("alpha", tuple(range(x.rank)), shape="(-1,)" if shared else "")
    return Module(Call(name("layers.PReLU"), (), keywords(settings)), weights={"weight": weight})


@lower(ops.KeepTop)
def keep_top(op: ops.KeepTop, site: Site) -> Lowered:
    """A helper that sorts the axis."""
    place = axis(site.inputs[0], op.axis)
    return Function(
        lambda args: call("keep_top", args[0], op.count, axis=place, fill=number(op.fill)),
        (KEEP_TOP,),
    )


@lower(ops.Glu)
def glu(op: ops.Glu, site: Site) -> Lowered:
    """A helper for each gate."""
    place = axis(site.inputs[0], op.axis)
    helper = part(f"{op.gate}_glu")
    return Function(lambda args: call(helper.name, args[0], axis=place), (helper,))
