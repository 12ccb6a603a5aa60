"""How weights start: the declared initialisers.

Fan-in and fan-out of a weight are those of its canonical layout: for (out, in, *kernel) the
fan-in is in * kernel and the fan-out out * kernel, unless the layer says otherwise.
"""

from __future__ import annotations

from bmc.ops.base import Initializer, param
from bmc.ops.kinds import Float, Int, Made, Refusal
from bmc.types.tensor import Shape, show_shape

_SPREAD = Float(min=0, max=1000)
_VALUE = Float(min=-1e6, max=1e6)
_GAIN = Float(above=0, max=1000)


class Zeros(Initializer, name="zeros", aliases=("zero", "zeros_")):
    """All zero."""


class Ones(Initializer, name="ones", aliases=("one", "ones_")):
    """All one."""


class Constant(Initializer, name="constant", aliases=("fill", "constant_")):
    """All the same value."""

    value: float = param(_VALUE, "the value")


class Normal(Initializer, name="normal", aliases=("gaussian", "randn", "normal_", "random_normal")):
    """Gaussian with mean 0 unless told otherwise; not truncated."""

    std: float = param(_SPREAD, "standard deviation", 0.02)
    mean: float = param(_VALUE, "mean", 0.0)


class TruncatedNormal(
    Initializer, name="truncated_normal", aliases=("trunc_normal", "trunc_normal_", "truncnormal")
):
    """Gaussian drawn again until it lies within two standard deviations of the mean.

    `std` is the one before cutting; what is left has 0.88 of it.
    """

    std: float = param(Float(above=0, max=1000), "standard deviation before cutting", 0.02)
    mean: float = param(_VALUE, "mean", 0.0)


class Uniform(Initializer, name="uniform", aliases=("rand", "uniform_", "random_uniform")):
    """Evenly spread over [low, high)."""

    low: float = param(_VALUE, "lower end", -0.05)
    high: float = param(_VALUE, "upper end", 0.05)

    def check(self) -> None:
        """Refuses an empty interval."""
        if self.low >= self.high:
            raise Refusal(
                f"needs low < high, and got {self.low:g} and {self.high:g}", setting="high"
            )


class GlorotUniform(
    Initializer, name="glorot_uniform", aliases=("xavier_uniform", "xavier", "glorot")
):
    """Uniform on ±gain * sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""

    gain: float = param(_GAIN, "factor for the activation that follows", 1.0)


class GlorotNormal(Initializer, name="glorot_normal", aliases=("xavier_normal",)):
    """Gaussian with standard deviation gain * sqrt(2 / (fan_in + fan_out)), not truncated."""

    gain: float = param(_GAIN, "factor for the activation that follows", 1.0)


class HeUniform(Initializer, name="he_uniform", aliases=("kaiming_uniform", "he")):
    """Uniform on ±sqrt(6 / fan_in) (He et al. 2015)."""


class HeNormal(Initializer, name="he_normal", aliases=("kaiming_normal", "kaiming", "msra")):
    """Gaussian with standard deviation sqrt(2 / fan_in), not truncated (He et al. 2015)."""


class LecunNormal(Initializer, name="lecun_normal", aliases=("lecun",)):
    """Gaussian with standard deviation sqrt(1 / fan_in), not truncated (LeCun et al. 1998)."""


class Orthogonal(Initializer, name="orthogonal", aliases=("orthogonal_", "ortho")):
    """A random matrix with orthonormal rows or columns (Saxe et al. 2013).

    A weight of more than two axes is taken as a matrix (first axis, all the others).
    """

    gain: float = param(_GAIN, "factor", 1.0)

    def check_shape(self, shape: Shape) -> None:
        """A matrix at least."""
        if len(shape) < 2:
            raise Refusal(
                f"can't start a weight of {show_shape(shape)} `orthogonal`, which is for matrices",
                setting="init",
            )


class ForgetGateOne(Initializer, name="forget_gate_one"):
    """Zero, and one for the second quarter: an LSTM's bias (Jozefowicz et al. 2015)."""

    def check_shape(self, shape: Shape) -> None:
        """Four equal parts."""
        if not shape or shape[0] % 4:
            raise Refusal(
                f"can't start a weight of {show_shape(shape)} with `forget_gate_one`, "
                "which is for four gates",
                setting="init",
            )


class RowLengths(Initializer):
    """The lengths of the rows that the weight beside it starts with; no spec names it."""


class ZeroRow(Initializer, name="zero_row"):
    """As another initialiser says, but for one row, which is zero: the vector of a padding id."""

    row: int = param(Int(min=0, max=2**31 - 2), "the row that is zero")
    others: Initializer = param(Made("initializer", "an initialiser"), "how the others start")

    def check_shape(self, shape: Shape) -> None:
        """The row is one of the weight's."""
        if not shape or (isinstance(shape[0], int) and self.row >= shape[0]):
            raise Refusal(f"has no row {self.row} in a weight of {show_shape(shape)}")
        self.others.check_shape(shape)
