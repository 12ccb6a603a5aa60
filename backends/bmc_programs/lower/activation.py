"""Element-by-element functions in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.lowering import plain
from bmc.emit.pyexpr import Bin, Compare, Expr, call, lit, method
from bmc.emit.values import number
from bmc.ops import activation as ops
from bmc.ops.axes import axis_of
from bmc.ops.base import Layer
from bmc_programs.lower.table import lower

PLAIN: dict[type[Layer], str] = {
    ops.Abs: "np.abs",
    ops.Cos: "np.cos",
    ops.Exp: "np.exp",
    ops.HardSigmoid: "hard_sigmoid",
    ops.LogSigmoid: "log_sigmoid",
    ops.Mish: "mish",
    ops.Selu: "selu",
    ops.Sigmoid: "sigmoid",
    ops.Sign: "np.sign",
    ops.Silu: "silu",
    ops.Sin: "np.sin",
    ops.Softplus: "softplus",
    ops.Softsign: "softsign",
    ops.Sqrt: "np.sqrt",
    ops.Square: "np.square",
    ops.Tanh: "np.tanh",
}


for _op, _function in PLAIN.items():
    lower(_op)(plain(_function))


@lower(ops.Identity)
def identity(op: ops.Identity, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(ops.Step)
def step(op: ops.Step, site: Site) -> Lowered:
    """A comparison as a number."""
    return Function(lambda args: method(Compare(">=", args[0], lit(0)), "astype", "float32"))


@lower(ops.Relu)
def relu(op: ops.Relu, site: Site) -> Lowered:
    """`np.maximum`"""
    return Function(lambda args: call("np.maximum", args[0], 0))


@lower(ops.Relu6)
def relu6(op: ops.Relu6, site: Site) -> Lowered:
    """`np.clip`"""
    return Function(lambda args: call("np.clip", args[0], 0, 6))


@lower(ops.LeakyRelu)
def leaky_relu(op: ops.LeakyRelu, site: Site) -> Lowered:
    """`leaky_relu`"""
    return Function(lambda args: call("leaky_relu", args[0], op.slope))


@lower(ops.Elu)
def elu(op: ops.Elu, site: Site) -> Lowered:
    """`elu`"""
    return Function(lambda args: call("elu", args[0], op.alpha))


@lower(ops.HardSwish)
def hard_swish(op: ops.HardSwish, site: Site) -> Lowered:
    """x times its hard sigmoid."""
    return Function(lambda args: Bin("*", args[0], call("hard_sigmoid", args[0])))


@lower(ops.Gelu)
def gelu(op: ops.Gelu, site: Site) -> Lowered:
    """`gelu`, or its approximation."""
    return plain("gelu" if op.approximate == "none" else "gelu_tanh")(op, site)


@lower(ops.Log)
def log(op: ops.Log, site: Site) -> Lowered:
    """`np.log`, of the clipped value if there is a floor."""
    if op.floor == 0:
        return plain("np.log")(op, site)
    return Function(lambda args: call("np.log", call("np.maximum", args[0], op.floor)))


@lower(ops.Clip)
def clip(op: ops.Clip, site: Site) -> Lowered:
    """`np.clip`"""
    ends = [lit(None) if end is None else number(end) for end in (op.min, op.max)]
    return Function(lambda args: call("np.clip", args[0], *ends))


def _along_last(function: str, op: ops.Softmax | ops.LogSoftmax, site: Site) -> Lowered:
    (x,) = site.inputs
    away = axis_of(x, op.axis) - x.rank
    if away == -1:
        return plain(function)(op, site)

    def build(args: list[Expr]) -> Expr:
        last = call("np.moveaxis", args[0], away, -1)
        return call("np.moveaxis", call(function, last), -1, away)

    return Function(build)


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`softmax`"""
    return _along_last("softmax", op, site)


@lower(ops.LogSoftmax)
def log_softmax(op: ops.LogSoftmax, site: Site) -> Lowered:
    """`log_softmax`"""
    return _along_last("log_softmax", op, site)
