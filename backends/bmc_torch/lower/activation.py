"""Element-by-element functions in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Module, Site
from bmc.emit.lowering import plain
from bmc.emit.pyexpr import Attr, Call, Compare, Expr, call, lit, method
from bmc.emit.rows import dim
from bmc.emit.values import number
from bmc.ops import activation as ops
from bmc.ops.axes import axis_of
from bmc.ops.base import Layer
from bmc_torch.lower.table import lower, part

KEEP_TOP = part("keep_top")
PLAIN: dict[type[Layer], str] = {
    ops.Abs: "torch.abs",
    ops.Cos: "torch.cos",
    ops.Exp: "torch.exp",
    ops.HardSigmoid: "F.hardsigmoid",
    ops.HardSwish: "F.hardswish",
    ops.LogSigmoid: "F.logsigmoid",
    ops.Mish: "F.mish",
    ops.Relu: "F.relu",
    ops.Relu6: "F.relu6",
    ops.Selu: "F.selu",
    ops.Sigmoid: "torch.sigmoid",
    ops.Sign: "torch.sign",
    ops.Silu: "F.silu",
    ops.Sin: "torch.sin",
    ops.Softplus: "F.softplus",
    ops.Softsign: "F.softsign",
    ops.Sqrt: "torch.sqrt",
    ops.Square: "torch.square",
    ops.Tanh: "torch.tanh",
}


for _op, _function in PLAIN.items():
    lower(_op, overwriting=_op in (ops.Relu, ops.Relu6))(plain(_function))


@lower(ops.Identity)
def identity(op: ops.Identity, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(ops.Step)
def step(op: ops.Step, site: Site) -> Lowered:
    """A comparison as a number."""
    return Function(
        lambda args: method(Compare(">=", args[0], lit(0)), "to", Attr(args[0], "dtype"))
    )


@lower(ops.LeakyRelu, overwriting=True)
def leaky_relu(op: ops.LeakyRelu, site: Site) -> Lowered:
    """`F.leaky_relu`, the slope written out."""
    return Function(lambda args: call("F.leaky_relu", args[0], negative_slope=op.slope))


@lower(ops.Elu)
def elu(op: ops.Elu, site: Site) -> Lowered:
    """`F.elu`."""
    return Function(lambda args: call("F.elu", args[0], alpha=op.alpha))


@lower(ops.Gelu)
def gelu(op: ops.Gelu, site: Site) -> Lowered:
    """`F.gelu`, the form written out."""
    return Function(lambda args: call("F.gelu", args[0], approximate=op.approximate))


@lower(ops.Log)
def log(op: ops.Log, site: Site) -> Lowered:
    """`torch.log`, of the clamped value if there is a floor."""
    if op.floor == 0:
        return Function(lambda args: call("torch.log", args[0]))
    return Function(lambda args: call("torch.log", method(args[0], "clamp", min=op.floor)))


@lower(ops.Clip)
def clip(op: ops.Clip, site: Site) -> Lowered:
    """`x.clamp`."""
    ends = {key: number(value) for key, value in op.values().items() if value is not None}
    return Function(lambda args: method(args[0], "clamp", **ends))


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`F.softmax`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: call("F.softmax", args[0], dim=axis))


@lower(ops.LogSoftmax)
def log_softmax(op: ops.LogSoftmax, site: Site) -> Lowered:
    """`F.log_softmax`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: call("F.log_softmax", args[0], dim=axis))


@lower(ops.PRelu)
def prelu(op: ops.PRelu, site: Site) -> Lowered:
    """`nn.PReLU`, with the channels first."""
    (x,) = site.inputs
    axis = axis_of(x, op.axis)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if axis == 0:
            return Call(layer, tuple(args))
        first = method(args[0], "movedim", axis + 1, 1)
        return method(Call(layer, (first,)), "movedim", 1, axis + 1)

    return Module(call("nn.PReLU", x.shape[axis]), use)


@lower(ops.KeepTop)
def keep_top(op: ops.KeepTop, site: Site) -> Lowered:
    """A helper around `topk`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(
        lambda args: call("keep_top", args[0], op.count, dim=axis, fill=number(op.fill)),
        (KEEP_TOP,),
    )


@lower(ops.Glu)
def glu(op: ops.Glu, site: Site) -> Lowered:
    """`F.glu`, or a helper for another gate."""
    axis = dim(site.inputs[0], op.axis)
    if op.gate == "sigmoid":
        return Function(lambda args: call("F.glu", args[0], dim=axis))
    helper = part(f"{op.gate}_glu")
    return Function(lambda args: call(helper.name, args[0], dim=axis), (helper,))
