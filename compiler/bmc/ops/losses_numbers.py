"""Losses of predicted numbers, and of distributions of them."""

from __future__ import annotations

from bmc.ops.base import Sample, param
from bmc.ops.kinds import Float, ListOf, OneOf, Refusal
from bmc.ops.losses import (
    REDUCE,
    REDUCE_DOC,
    Loss,
    require_numbers,
)
from bmc.types.tensor import TensorType


class Mse(Loss, name="mse", aliases=("mean_squared_error", "mseloss", "l2")):
    """Mean squared error.

    `mean((prediction - target) ** 2)`
    """

    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((8,), (8,))),
        Sample(inputs=((), ())),
        Sample({"reduce": "sum"}, inputs=((4, 3), (4, 3))),
    )


class Mae(Loss, name="mae", aliases=("mean_absolute_error", "l1", "l1loss")):
    """Mean absolute error.

    `mean(|prediction - target|)`
    """

    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((8,), (8,))),
        Sample({"reduce": "sum"}, inputs=((4, 3), (4, 3))),
    )


class Huber(Loss, name="huber", aliases=("smooth_l1", "huberloss", "smoothl1loss")):
    """Squared near zero, straight beyond `delta` (Huber 1964).

    With d = |prediction - target|: `d ** 2 / 2` when d is at most `delta`, else
    `delta * (d - delta / 2)`.
    """

    delta: float = param(Float(above=0), "where the square turns into a line", 1.0)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((8,), (8,))),
        Sample({"delta": 0.5}, inputs=((8,), (8,))),
        Sample({"reduce": "sum"}, inputs=((8,), (8,))),
    )


class LogCosh(Loss, name="log_cosh", aliases=("logcosh", "log_cosh_loss")):
    """Squared near zero, straight far away, smooth everywhere: `log(cosh(prediction - target))`."""

    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (Sample(inputs=((8,), (8,))), Sample({"reduce": "sum"}, inputs=((4, 3), (4, 3))))


class Quantile(Loss, name="quantile", aliases=("pinball", "quantile_loss", "pinball_loss")):
    """What makes a prediction a quantile (Koenker & Bassett 1978).

    With d = target - prediction: `max(level * d, (level - 1) * d)`. Several levels are predicted on
    the prediction's last axis, which the target has not.
    """

    level: float | tuple[float, ...] = param(
        OneOf(Float(above=0, below=1), ListOf(Float(above=0, below=1))), "which one, or several"
    )
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample({"level": 0.9}, inputs=((8,), (8,))),
        Sample({"level": (0.1, 0.5, 0.9)}, inputs=((4, 3), (4,))),
        Sample({"level": 0.25, "reduce": "sum"}, inputs=((8,), (8,))),
    )

    def fit(self, *inputs: TensorType) -> None:
        """One shape, or a last axis with a place for each level."""
        if not isinstance(self.level, tuple):
            return super().fit(*inputs)
        prediction, target = inputs
        require_numbers(prediction)
        if prediction.shape != (*target.shape, len(self.level)):
            raise Refusal(
                f"needs {len(self.level)} numbers on the prediction's last axis for each of the "
                f"target, and got {prediction} and {target}"
            )
        return None

    def target_type(self, prediction: TensorType) -> TensorType:
        """The prediction's shape, without the axis of levels."""
        shape = prediction.shape[:-1] if isinstance(self.level, tuple) else prediction.shape
        return TensorType("float", shape)


class GaussianNll(Loss, name="gaussian_nll", aliases=("gaussian_nll_loss", "gaussiannllloss")):
    """Negative log-likelihood under a normal distribution, without the constant.

    `(log(v) + (target - mean) ** 2 / v) / 2` with v = max(variance, epsilon)
    """

    takes = ("mean", "variance", "target")
    epsilon: float = param(Float(above=0), "least variance", 1e-6)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((8,), (8,), (8,))),
        Sample({"reduce": "sum"}, inputs=((8,), (8,), (8,))),
    )


class PoissonNll(
    Loss, name="poisson_nll", aliases=("poisson", "poissonnllloss", "poisson_nll_loss")
):
    """Negative log-likelihood of counts under a Poisson distribution with the predicted rate.

    `rate - target * log(rate + epsilon)`. The prediction is the rate, not its logarithm; end the
    model with `softplus` or `exp`.
    """

    epsilon: float = param(Float(above=0), "keeps the logarithm finite", 1e-8)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (Sample(inputs=((8,), (8,))), Sample({"reduce": "sum"}, inputs=((8,), (8,))))


class StudentTNll(Loss, name="student_t_nll", aliases=("student_t", "t_nll")):
    """Negative log-likelihood under Student's t-distribution, whose far values weigh little.

    With z = (target - mean) / max(scale, epsilon) and f degrees of freedom:
    `log(scale) + (f + 1) / 2 * log(1 + z ** 2 / f)
    + log(pi * f) / 2 + lgamma(f / 2) - lgamma((f + 1) / 2)`
    """

    takes = ("mean", "scale", "target")
    freedom: float = param(Float(above=0), "degrees of freedom", 4.0)
    epsilon: float = param(Float(above=0), "least scale", 1e-6)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((8,), (8,), (8,))),
        Sample({"freedom": 2.5, "reduce": "sum"}, inputs=((8,), (8,), (8,))),
    )
