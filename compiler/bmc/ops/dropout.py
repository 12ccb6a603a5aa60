"""Layers that drop at random while training and do nothing otherwise."""

from __future__ import annotations

from bmc.ops.axes import retype
from bmc.ops.base import Layer, Sample, param, require_batch, require_float, require_rank
from bmc.ops.kinds import Float, Refusal
from bmc.types.tensor import TensorType

_RATE = Float(min=0, below=1)


class Dropout(Layer, name="dropout", aliases=("drop",)):
    """Sets each element to zero with probability `rate` while training, and scales the rest.

    y = x * b / (1 - rate), b being 0 or 1 for each element; y = x when it predicts.

    What stays is divided by 1 - rate, so that the mean is kept (Srivastava et al. 2014). Away
    from training it is the identity.
    """

    rate: float = param(_RATE, "probability of dropping an element")

    random = True
    samples = (Sample({"rate": 0.5}, ((3, 8),)), Sample({"rate": 0.0}, (("T", 8),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        require_float(inputs[0])
        return retype(inputs[0], inputs[0].shape, kind=inputs[0].kind)


class SpatialDropout(
    Layer, name="spatial_dropout", aliases=("dropout2d", "dropout1d", "spatialdropout2d")
):
    """Drops whole channels of [C, T] or [C, H, W] (Tompson et al. 2015); else as `dropout`.

    y = x * b / (1 - rate), b being 0 or 1 for a whole channel.
    """

    rate: float = param(_RATE, "probability of dropping a channel")

    random = True
    samples = (Sample({"rate": 0.5}, ((3, 8),)), Sample({"rate": 0.2}, ((3, 8, 8),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        (x,) = inputs
        require_float(x)
        require_batch(x)
        require_rank(x, (2, 3, 4), "[C, H, W]")
        return retype(x, x.shape, kind=x.kind)


class DropPath(
    Layer, name="drop_path", aliases=("stochastic_depth", "droppath", "stochasticdepth")
):
    """Drops the whole value of a sample with probability `rate` while training.

    y = x * b / (1 - rate), b being 0 or 1 for a whole sample; y = x when it predicts.

    What stays is divided by 1 - rate (Huang et al. 2016). It belongs on a residual branch.
    """

    rate: float = param(_RATE, "probability of dropping a sample's value")

    random = True
    samples = (Sample({"rate": 0.5}, ((3, 8),)), Sample({"rate": 0.2}, ((3, 8, 8),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        require_float(inputs[0])
        require_batch(inputs[0])
        return retype(inputs[0], inputs[0].shape, kind=inputs[0].kind)


class SampleNormal(
    Layer, name="sample_normal", aliases=("reparameterize", "reparameterise", "gaussian_sample")
):
    """Draws mean + spread * e with e from the standard normal (Kingma & Welling 2014).

    y = mean + spread * e, e of the standard normal.

    Takes (mean, spread); gradients flow through both. Drawn anew at every use, in training and
    away from it.
    """

    inputs = (2, 2)
    random = True
    draws = True
    samples = (Sample({}, ((8,), (8,))),)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The common type of both."""
        mean, spread = inputs
        require_float(mean)
        require_float(spread)
        if mean.shape != spread.shape:
            raise Refusal(f"takes a mean and a spread of one shape, and got {mean} and {spread}")
        return retype(mean, mean.shape)
