"""Normalisation in Keras."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site, Support
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Call, Expr, call, name
from bmc.ir.types import TensorType
from bmc.ops.norm import BatchNorm
from bmc_keras.lower.common import axis, literals
from bmc_keras.lower.table import Layout, lower
from bmc_keras.weights import At

AFFINE = {
    "weight": At("gamma", (0,), test="layer.scale"),
    "bias": At("beta", (0,), test="layer.center"),
}
BATCH_NORM = Support(
    "BatchNorm",
    '''\
class BatchNorm(layers.BatchNormalization):
    """Batch normalisation that keeps the unbiased variance, as PyTorch does.

    `layers.BatchNormalization` keeps (n - 1) / n of it, which it normalises with.
    """

    def call(self, inputs, training=None):
        kept = self.momentum * self.moving_variance
        outputs = super().call(inputs, training=training)
        if training and self.trainable:
            n = math.prod(ops.shape(inputs)[:-1])  # values in each channel
            added = self.moving_variance - kept
            others = ops.cast(n - 1, added.dtype)
            self.moving_variance.assign_add(ops.divide_no_nan(added, others))
        return outputs
''',
    ("math", "layers", "ops"),
)


def _layout(op: BatchNorm, types: tuple[TensorType, ...]) -> Layout:
    return "last" if op.channel_axis(types[0]) == 0 else "own"


@lower(BatchNorm, _layout)
def batch_norm(op: BatchNorm, site: Site) -> Lowered:
    """A small subclass of `layers.BatchNormalization`, with the channels last."""
    (x,) = site.inputs
    place = op.channel_axis(x)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if place in (0, x.rank - 1):
            return Call(layer, tuple(args))
        last = call("ops.moveaxis", args[0], axis(x, place), -1)
        return call("ops.moveaxis", Call(layer, (last,)), -1, axis(x, place))

    settings = {
        "momentum": op.decay,
        "epsilon": op.epsilon,
        "center": op.affine,
        "scale": op.affine,
    }
    return Module(
        Call(name("BatchNorm"), (), keywords(settings)),
        use,
        helper="norm" if op.affine else "norm_without_weights",
        defaults=literals(center=True, scale=True),
        support=(BATCH_NORM,),
        weights={
            **(AFFINE if op.affine else {}),
            "running_mean": At("moving_mean", (0,)),
            "running_var": At("moving_variance", (0,)),
        },
    )
