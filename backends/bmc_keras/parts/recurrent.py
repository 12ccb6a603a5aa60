"""What programs in Keras bring of their own: recurrent."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops


def is_both_ways(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer runs another one of that kind in both directions."""
    return isinstance(layer, layers.Bidirectional) and isinstance(
        layer.forward_layer, kind
    )


def is_stack(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer is several of that kind, one after the other."""
    return isinstance(layer, keras.Sequential) and isinstance(layer.layers[0], kind)


def is_stack_both_ways(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer is several of that kind in both directions."""
    return isinstance(layer, keras.Sequential) and is_both_ways(layer.layers[0], kind)


@keras.saving.register_keras_serializable()
class PaddedBothWays(layers.Bidirectional):
    """A layer in both directions over sequences that are padded at the end.

    What comes out has no mask: masks are given to each layer that needs one.
    """

    def compute_mask(self, inputs, mask):
        return None


@keras.saving.register_keras_serializable()
class PaddedStack(keras.Sequential):
    """Layers one after the other, each of which is given the mask."""

    def call(self, inputs, mask):
        x = inputs
        for layer in self.layers:
            x = layer(x, mask=mask)
        return x

    def compute_mask(self, inputs, mask):
        return None


class ProjectedLSTMCell(layers.Layer):
    """A step of long short-term memory whose h is projected (Sak et al. 2014).

    (B, D), h of (B, projection), c of (B, units) -> both states of the next step.
    """

    def __init__(
        self,
        units: int,
        projection: int,
        use_bias: bool,
        kernel_initializer: keras.Initializer,
        recurrent_initializer: keras.Initializer,
    ) -> None:
        super().__init__()
        self.units = units
        self.projection = projection
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer
        self.state_size = [projection, units]
        self.output_size = projection

    def build(self, shape) -> None:
        rows = 4 * self.units
        self.kernel = self.add_weight(
            (shape[-1], rows), self.kernel_initializer, name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            (self.projection, rows), self.recurrent_initializer, name="recurrent_kernel"
        )
        self.projector = self.add_weight(
            (self.units, self.projection), self.kernel_initializer, name="projector"
        )
        if self.use_bias:
            forget_one = np.repeat([0.0, 1.0, 0.0, 0.0], self.units)
            self.bias = self.add_weight(
                (rows,), keras.initializers.Constant(forget_one), name="bias"
            )

    def call(self, inputs, states):
        h, c = states
        sums = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        if self.use_bias:
            sums = sums + self.bias
        write, forget, new, show = ops.split(sums, 4, axis=-1)
        c = ops.sigmoid(forget) * c + ops.sigmoid(write) * ops.tanh(new)
        h = ops.matmul(ops.sigmoid(show) * ops.tanh(c), self.projector)
        return h, [h, c]

    def get_config(self) -> dict:
        start, recurrent = self.kernel_initializer, self.recurrent_initializer
        return {
            "units": self.units,
            "projection": self.projection,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(start),
            "recurrent_initializer": keras.initializers.serialize(recurrent),
        }


@keras.saving.register_keras_serializable()
class ProjectedLSTM(layers.RNN):
    """Long short-term memory whose h is projected: (B, T, D) -> (B, T, projection)."""

    def __init__(
        self,
        units: int,
        projection: int,
        use_bias: bool = True,
        kernel_initializer: str | keras.Initializer = "glorot_uniform",
        recurrent_initializer: str | keras.Initializer = "orthogonal",
        **settings,
    ) -> None:
        start = keras.initializers.get(kernel_initializer)
        recurrent = keras.initializers.get(recurrent_initializer)
        cell = ProjectedLSTMCell(units, projection, use_bias, start, recurrent)
        super().__init__(cell, **settings)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["cell"]
        return config | self.cell.get_config()

    @classmethod
    def from_config(cls, config):
        return cls(**config)
