"""Element-by-element functions, and softmax."""

from __future__ import annotations

from typing import ClassVar

from bmc.ops.axes import (
    AXIS,
    COUNT,
    Optional,
    axis_of,
    known_dim,
    ragged_axis,
    replace_axis,
    retype,
)
from bmc.ops.base import (
    Initializer,
    Layer,
    Padding,
    Sample,
    Weight,
    param,
    require_batch,
    require_float,
)
from bmc.ops.initializers import Constant
from bmc.ops.kinds import Float, Made, Refusal, Words
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

LAYOUTS = ("channels_first", "sequence", "bidirectional")


def _layout(x: TensorType) -> str:
    """Only where channels are is still known after the elements changed their meaning."""
    return x.kind if x.kind in LAYOUTS else ""


class Elementwise(Layer):
    """Base of functions of one element."""

    kind: ClassVar[str] = ""  # what the values are afterwards
    samples: ClassVar[tuple[Sample, ...]] = (Sample({}, ((3, 8),)), Sample({}, (("T", 8),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        return retype(x, x.shape, kind=self.kind or _layout(x))

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)


class Identity(Layer, name="identity", aliases=("noop", "pass", "linear_activation")):
    """y = x."""

    samples = (Sample({}, ((3, 8),)), Sample({}, (("int:9", 8),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        return inputs[0]


class Step(Elementwise, name="step", aliases=("heaviside", "threshold", "binary_step")):
    """y = 1 where x >= 0, else 0: the perceptron's unit (Rosenblatt 1958). Its gradient is zero."""


class Sigmoid(Elementwise, name="sigmoid", aliases=("logistic",)):
    """y = 1 / (1 + exp(-x))."""

    kind = "probabilities"


class LogSigmoid(Elementwise, name="log_sigmoid", aliases=("logsigmoid",)):
    """y = -log(1 + exp(-x)), computed without overflow."""

    kind = "log_probabilities"


class HardSigmoid(Elementwise, name="hard_sigmoid", aliases=("hardsigmoid",)):
    """y = clip(x / 6 + 1 / 2, 0, 1) (Howard et al. 2019)."""

    kind = "probabilities"


class Tanh(Elementwise, name="tanh", aliases=("hyperbolic_tangent",)):
    """The hyperbolic tangent. y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))."""


class Relu(Elementwise, name="relu", aliases=("rectifier",)):
    """y = max(x, 0)."""


class Relu6(Elementwise, name="relu6"):
    """y = min(max(x, 0), 6)."""


class LeakyRelu(Elementwise, name="leaky_relu", aliases=("leakyrelu", "lrelu")):
    """y = x where x >= 0, else slope * x (Maas et al. 2013)."""

    slope: float = param(Float(min=0, max=100), "factor below zero", 0.01)

    samples = (Sample({}, ((3, 8),)), Sample({"slope": 0.2}, (("T", 8),)))


class PRelu(Layer, name="prelu", aliases=("parametric_relu",)):
    """y = x where x >= 0, else a * x, with an `a` learned for each channel (He et al. 2015).

    Channels are the first axis unless `axis` says otherwise.
    """

    axis: int = param(AXIS, "the channel axis", 0)
    init: Initializer = param(Made("initializer"), "how the factors start", Constant(value=0.25))

    samples = (Sample({}, ((3, 4, 5),)), Sample({"axis": -1}, ((4, 3),)), Sample({}, ((6,),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        require_batch(x)
        known_dim(x.shape[axis_of(x, self.axis)], "the number of channels")
        return retype(x, x.shape, kind=_layout(x))

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (C,)."""
        size = inputs[0].shape[axis_of(inputs[0], self.axis)]
        return {"weight": Weight((size,), self.init, decay=False)}

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)


class Elu(Elementwise, name="elu"):
    """y = x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2015)."""

    alpha: float = param(Float(min=0, max=100), "the negative limit", 1.0)

    samples = (Sample({}, ((3, 8),)), Sample({"alpha": 0.5}, ((3, 8),)))


class Selu(Elementwise, name="selu"):
    """y = 1.0507 * (x where x > 0, else 1.6733 * (exp(x) - 1)) (Klambauer et al. 2017)."""


class Gelu(Elementwise, name="gelu", aliases=("gelu_new", "gelu_fast")):
    """y = x * P(X <= x) for a standard normal X (Hendrycks & Gimpel 2016).

    Exact by default, x / 2 * (1 + erf(x / sqrt(2))); `approximate=tanh` is GPT-2's
    x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x ** 3))).
    """

    approximate: str = param(Words("none", "tanh"), "the formula", "none")

    samples = (Sample({}, ((3, 8),)), Sample({"approximate": "tanh"}, ((3, 8),)))


class Silu(Elementwise, name="silu", aliases=("swish", "swish1")):
    """y = x * sigmoid(x)."""


class Mish(Elementwise, name="mish"):
    """y = x * tanh(softplus(x)) (Misra 2019)."""


class HardSwish(Elementwise, name="hard_swish", aliases=("hardswish", "h_swish", "hard_silu")):
    """y = x * clip(x / 6 + 1 / 2, 0, 1) (Howard et al. 2019)."""


class Softplus(Elementwise, name="softplus", aliases=("soft_plus",)):
    """y = log(1 + exp(x)), computed without overflow."""


class Softsign(Elementwise, name="softsign"):
    """y = x / (1 + |x|)."""


class Exp(Elementwise, name="exp", aliases=("exponential",)):
    """e to the power of x. y = e ** x."""


class Log(Elementwise, name="log", aliases=("ln",)):
    """The natural logarithm of max(x, floor); by default there is no floor.

    y = log(max(x, floor)).
    """

    floor: float = param(Float(min=0, max=1), "least value whose logarithm is taken", 0.0)

    samples = (Sample({}, ((3, 8),), positive=True), Sample({"floor": 1e-6}, ((3, 8),)))


class Sqrt(Elementwise, name="sqrt", aliases=("root", "square_root")):
    """The square root. y = sqrt(x)."""

    samples = (Sample({}, ((3, 8),), positive=True), Sample({}, (("T", 8),), positive=True))


class Square(Elementwise, name="square", aliases=("pow2",)):
    """y = x * x."""


class Abs(Elementwise, name="abs", aliases=("absolute",)):
    """The absolute value. y = |x|."""


class Sign(Elementwise, name="sign"):
    """-1, 0 or 1. Its gradient is zero. y = x / |x|, and 0 for 0."""


class Sin(Elementwise, name="sin"):
    """The sine. y = sin(x)."""


class Cos(Elementwise, name="cos"):
    """The cosine. y = cos(x)."""


class Clip(Elementwise, name="clip", aliases=("clamp", "hardtanh")):
    """y = min(max(x, min), max); either end may be left out."""

    min: float | None = param(Optional(Float()), "least value", None)
    max: float | None = param(Optional(Float()), "largest value", None)

    samples = (
        Sample({"max": 0.5}, ((3, 8),)),
        Sample({"min": -0.5}, ((3, 8),)),
        Sample({"min": -1.0, "max": 1.0}, ((3, 8),)),
    )

    def check(self) -> None:
        """Refuses no bound, and bounds in the wrong order."""
        if self.min is None and self.max is None:
            raise Refusal("`clip` needs `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Refusal(f"needs min <= max, and got {self.min:g} and {self.max:g}", setting="max")


class Glu(
    Layer, name="glu", aliases=("gated_linear_unit", "swiglu", "geglu", "reglu", "bilinear_glu")
):
    """y = a * f(b), with a and b the halves of an axis (Dauphin et al. 2017, Shazeer 2020)."""

    gate: str = param(Words("sigmoid", "gelu", "silu", "relu", "tanh"), "the function f", "sigmoid")
    axis: int = param(AXIS, "the axis that is halved", -1)

    samples = (
        Sample({}, ((3, 8),)),
        Sample({"gate": "silu"}, (("T", 6),)),
        Sample({"gate": "gelu", "axis": 0}, ((4, 5),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., 2 n] -> [..., n]."""
        (x,) = inputs
        require_float(x)
        axis = axis_of(x, self.axis)
        size = known_dim(x.shape[axis], "the size of its axis")
        if size % 2:
            raise Refusal(f"halves an axis, and got {x}", setting="axis")
        return retype(x, replace_axis(x.shape, axis, size // 2), kind=_layout(x))

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Two for every output."""
        return 2 * product(outputs[0].shape)


class _Softmax(Layer):
    axis: int
    kind: ClassVar[str] = ""

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        axis_of(x, self.axis)
        return retype(x, x.shape, kind=self.kind)

    def over_padding(self, x: TensorType) -> bool:
        """Whether the axis is the padded one."""
        return x.ragged and axis_of(x, self.axis) == ragged_axis(x)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """The smallest number stands in the padding of the axis, so that it gets zero."""
        return Padding(fill="lowest" if self.over_padding(inputs[0]) else "")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Five for every element."""
        return 5 * product(inputs[0].shape)


class Softmax(_Softmax, name="softmax"):
    """y = exp(x) / sum of exp(x) along an axis. Padding gets zero."""

    axis: int = param(AXIS, "the axis that sums to one", -1)

    kind = "probabilities"
    samples = (
        Sample({}, ((3, 8),)),
        Sample({"axis": 0}, ((3, 8),)),
        Sample({"axis": 0}, (("T", 2),)),
    )


class LogSoftmax(_Softmax, name="log_softmax", aliases=("logsoftmax",)):
    """The logarithm of `softmax`, computed without overflow. y = x - log(sum of exp(x))."""

    axis: int = param(AXIS, "the axis that sums to one", -1)

    kind = "log_probabilities"
    samples = (Sample({}, ((3, 8),)), Sample({"axis": 0}, ((3, 8),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape; not along a padded axis, where padding would be -inf."""
        if self.over_padding(inputs[0]):
            raise Refusal("can't run along a padded axis", setting="axis")
        return super().infer(*inputs)


class KeepTop(Layer, name="keep_top", aliases=("topk_mask", "keep_topk", "top_k_mask")):
    """Keeps the `count` largest elements of an axis and sets the others to `fill`.

    y = x where x is among the `count` largest, else fill. Of equal elements the first are kept.
    """

    count: int = param(COUNT, "how many to keep")
    fill: float = param(Float(), "value of the others", float("-inf"))
    axis: int = param(AXIS, "the axis", -1)

    samples = (
        Sample({"count": 2, "fill": 0.0}, ((3, 8),)),
        Sample({"count": 1, "axis": 0, "fill": -1.0}, ((3, 8),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        axis = axis_of(x, self.axis)
        if x.ragged and axis == ragged_axis(x):
            raise Refusal("can't run along a padded axis", setting="axis")
        size = x.shape[axis]
        if isinstance(size, int) and self.count > size:
            raise Refusal(f"can't keep {int(self.count)} of {int(size)}", setting="count")
        return retype(x, x.shape)
