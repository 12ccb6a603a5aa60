"""Element-by-element functions in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call, lit, name
from bmc.emit.values import as_float, number
from bmc.ops import activation as ops
from bmc.ops.axes import axis_of
from bmc.ops.base import Layer
from bmc_onnx.lower.common import axis, below, method, node
from bmc_onnx.lower.support import GLU, KEEP_TOP, NUMBER, SILU_GLU, WIDEN
from bmc_onnx.lower.table import lower
from bmc_onnx.lower.weighted import WEIGHT

PLAIN: dict[type[Layer], str] = {
    ops.Abs: "Abs",
    ops.Cos: "Cos",
    ops.Exp: "Exp",
    ops.HardSwish: "HardSwish",
    ops.Mish: "Mish",
    ops.Relu: "Relu",
    ops.Selu: "Selu",
    ops.Sigmoid: "Sigmoid",
    ops.Sign: "Sign",
    ops.Sin: "Sin",
    ops.Softplus: "Softplus",
    ops.Softsign: "Softsign",
    ops.Sqrt: "Sqrt",
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


@lower(ops.Step)
def step(op: ops.Step, site: Site) -> Lowered:
    """A comparison as a number."""

    def build(args: list[Expr]) -> Expr:
        x, label = args
        zero = call("g.number", 0.0, name=below(label, "zero"))
        reached = call("g.add", "GreaterOrEqual", x, zero, name=below(label, "reached"))
        return call("g.add", "Cast", reached, name=label, to=name("TensorProto.FLOAT"))

    return Function(build, (NUMBER,))


@lower(ops.HardSigmoid)
def hard_sigmoid(op: ops.HardSigmoid, site: Site) -> Lowered:
    """`HardSigmoid` with the slope of a sixth."""
    return node("HardSigmoid", alpha=1 / 6)


@lower(ops.LeakyRelu)
def leaky_relu(op: ops.LeakyRelu, site: Site) -> Lowered:
    """`LeakyRelu`."""
    return node("LeakyRelu", alpha=op.slope)


@lower(ops.Elu)
def elu(op: ops.Elu, site: Site) -> Lowered:
    """`Elu`."""
    return node("Elu", alpha=op.alpha)


@lower(ops.Gelu)
def gelu(op: ops.Gelu, site: Site) -> Lowered:
    """`Gelu`."""
    return node("Gelu", approximate=op.approximate)


@lower(ops.Square)
def square(op: ops.Square, site: Site) -> Lowered:
    """x * x"""

    def build(args: list[Expr]) -> Expr:
        x, label = args
        return call("g.add", "Mul", x, x, name=label)

    return Function(build)


@lower(ops.Silu)
def silu(op: ops.Silu, site: Site) -> Lowered:
    """x * sigmoid(x)"""

    def build(args: list[Expr]) -> Expr:
        x, label = args
        gate = call("g.add", "Sigmoid", x, name=below(label, "gate"))
        return call("g.add", "Mul", x, gate, name=label)

    return Function(build)


@lower(ops.LogSigmoid)
def log_sigmoid(op: ops.LogSigmoid, site: Site) -> Lowered:
    """-softplus(-x)"""

    def build(args: list[Expr]) -> Expr:
        x, label = args
        turned = call("g.add", "Neg", x, name=below(label, "turned"))
        soft = call("g.add", "Softplus", turned, name=below(label, "softplus"))
        return call("g.add", "Neg", soft, name=label)

    return Function(build)


def _between(low: Any, high: Any) -> Function:
    """`Clip`; an end that is not there is an empty name."""

    def build(args: list[Expr]) -> Expr:
        x, label = args
        ends: list[Expr] = [
            lit("") if end is None else call("g.number", as_float(end), name=below(label, word))
            for end, word in ((low, "low"), (high, "high"))
        ]
        given = ends[:1] if high is None else ends
        return call("g.add", "Clip", x, *given, name=label)

    return Function(build, (NUMBER,))


@lower(ops.Relu6)
def relu6(op: ops.Relu6, site: Site) -> Lowered:
    """`Clip` from 0 to 6."""
    return _between(0.0, 6.0)


@lower(ops.Clip)
def clip(op: ops.Clip, site: Site) -> Lowered:
    """`Clip`."""
    return _between(op.min, op.max)


@lower(ops.Log)
def log(op: ops.Log, site: Site) -> Lowered:
    """`Log`, of the clipped value if there is a floor."""
    if op.floor == 0:
        return node("Log")
    clipped = _between(op.floor, None)

    def build(args: list[Expr]) -> Expr:
        x, label = args
        return call("g.add", "Log", clipped.build([x, below(label, "floor")]), name=label)

    return Function(build, clipped.support)


@lower(ops.Softmax)
def softmax(op: ops.Softmax, site: Site) -> Lowered:
    """`Softmax`."""
    return node("Softmax", axis=axis(site.inputs[0], op.axis))


@lower(ops.LogSoftmax)
def log_softmax(op: ops.LogSoftmax, site: Site) -> Lowered:
    """`LogSoftmax`."""
    return node("LogSoftmax", axis=axis(site.inputs[0], op.axis))


@lower(ops.PRelu)
def prelu(op: ops.PRelu, site: Site) -> Lowered:
    """`PRelu`, the slopes given axes of size one after the channels."""
    (x,) = site.inputs
    place = axis_of(x, op.axis)
    after = list(range(1, x.rank - place))

    def build(args: list[Expr]) -> Expr:
        value, label = args
        slope = call("g.weight", below(label, "weight"), x.shape[place])
        if after:
            slope = call("g.widen", slope, lit(after), name=below(label, "slope"))
        return call("g.add", "PRelu", value, slope, name=label)

    return Function(build, (WEIGHT, *((WIDEN,) if after else ())))


@lower(ops.KeepTop)
def keep_top(op: ops.KeepTop, site: Site) -> Lowered:
    """`TopK`, and `ScatterElements` onto the fill."""
    place = axis(site.inputs[0], op.axis)
    return method(KEEP_TOP, op.count, number(as_float(op.fill)), axis=place)


@lower(ops.Glu)
def glu(op: ops.Glu, site: Site) -> Lowered:
    """`Split`, the gate's nodes and `Mul`."""
    place = axis(site.inputs[0], op.axis)
    if op.gate == "silu":
        return method(SILU_GLU, axis=place)
    return method(GLU, first=op.gate.capitalize(), axis=place)
