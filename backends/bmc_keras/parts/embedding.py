"""What programs in Keras bring of their own: embedding."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable()
class PaddedEmbedding(layers.Embedding):
    """An embedding whose vector of one id starts as zero and never changes."""

    def __init__(self, *args, pad: int, **settings):
        super().__init__(*args, **settings)
        self.pad = pad

    def get_config(self):
        return super().get_config() | {"pad": self.pad}

    def build(self, input_shape=None):
        super().build(input_shape)
        row = ops.zeros((1, self.output_dim))
        self.embeddings.assign(ops.slice_update(self.embeddings, (self.pad, 0), row))

    def call(self, inputs):
        vectors = super().call(inputs)
        padding = ops.expand_dims(inputs == self.pad, -1)
        return ops.where(padding, ops.stop_gradient(vectors), vectors)


@keras.saving.register_keras_serializable()
class LearnedPositions(layers.Layer):
    """Add a learned vector to each position: (..., T, width) -> (..., T, width)."""

    def __init__(self, count: int, embeddings_initializer, **settings):
        super().__init__(**settings)
        self.count = count
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            shape=(self.count, input_shape[-1]),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    def call(self, x):
        return self.embeddings[: ops.shape(x)[-2]] + x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        start = keras.initializers.serialize(self.embeddings_initializer)
        return super().get_config() | {
            "count": self.count,
            "embeddings_initializer": start,
        }


def sinusoids(x, size: int, theta: float):
    """Return sine and cosine of x * theta ** (-2 i / size), on a new last axis."""
    rates = theta ** (-np.arange(0, size, 2) / size)
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    rates = ops.convert_to_tensor(rates, dtype=wide)
    angles = ops.expand_dims(ops.cast(x, wide), -1) * rates
    return ops.cast(ops.sin(angles), x.dtype), ops.cast(ops.cos(angles), x.dtype)


@keras.saving.register_keras_serializable()
class SinusoidalPositions(layers.Layer):
    """Add sines and cosines to each position: (..., T, width) -> (..., T, width)."""

    def __init__(self, theta: float, **settings):
        super().__init__(**settings)
        self.theta = theta

    def call(self, x):
        wide = keras.backend.result_type(x.dtype, "float32")
        steps = ops.arange(ops.shape(x)[-2], dtype=wide)
        waves = sinusoids(steps, x.shape[-1], self.theta)
        table = ops.reshape(ops.stack(waves, axis=-1), (-1, x.shape[-1]))
        return ops.cast(table, x.dtype) + x

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable()
class SinusoidalPositions2D(layers.Layer):
    """Add sines and cosines of rows and of columns: (..., H, W, width) -> the same."""

    def __init__(self, theta: float, **settings):
        super().__init__(**settings)
        self.theta = theta

    def call(self, x):
        wide = keras.backend.result_type(x.dtype, "float32")
        left, right = ops.split(x, 2, axis=-1)
        tables = []
        for axis in (-3, -2):
            steps = ops.arange(ops.shape(x)[axis], dtype=wide)
            waves = sinusoids(steps, x.shape[-1] // 2, self.theta)
            table = ops.reshape(ops.stack(waves, axis=-1), (-1, x.shape[-1] // 2))
            tables.append(ops.cast(table, x.dtype))
        rows, columns = tables
        rows = ops.expand_dims(rows, 1)
        return ops.concatenate((rows + left, columns + right), axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape
