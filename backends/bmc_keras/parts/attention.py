"""What programs in Keras bring of their own: attention."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from bmc_programs.model_parts.positions import bucket_edges


@keras.saving.register_keras_serializable()
def rotate(x, theta: float):
    """Turn pairs (i, i + size / 2) by angles that grow with the position."""
    rates = theta ** (-np.arange(0, x.shape[-1], 2) / x.shape[-1])
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    steps = ops.arange(ops.shape(x)[-3], dtype=wide)
    angles = ops.outer(steps, ops.convert_to_tensor(rates, dtype=wide))
    angles = ops.expand_dims(angles, 1)  # (T, 1, size / 2)
    cosine, sine = (ops.cast(f(angles), x.dtype) for f in (ops.cos, ops.sin))
    a, b = ops.split(x, 2, axis=-1)
    return ops.concatenate((a * cosine - b * sine, b * cosine + a * sine), axis=-1)


@keras.saving.register_keras_serializable()
def rotate_neighbours(x, theta: float):
    """Turn pairs (2 i, 2 i + 1) by angles that grow with the position."""
    rates = theta ** (-np.arange(0, x.shape[-1], 2) / x.shape[-1])
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    steps = ops.arange(ops.shape(x)[-3], dtype=wide)
    angles = ops.outer(steps, ops.convert_to_tensor(rates, dtype=wide))
    angles = ops.expand_dims(angles, 1)  # (T, 1, size / 2)
    cosine, sine = (ops.cast(f(angles), x.dtype) for f in (ops.cos, ops.sin))
    a, b = x[..., 0::2], x[..., 1::2]
    turned = (a * cosine - b * sine, b * cosine + a * sine)
    return ops.reshape(ops.stack(turned, axis=-1), ops.shape(x))


def rotate_by(x, rates: list[float], gain: float = 1.0):
    """Turn pairs (i, i + size / 2) by a rate for each times the position."""
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    steps = ops.arange(ops.shape(x)[-3], dtype=wide)
    angles = ops.outer(steps, ops.convert_to_tensor(rates, dtype=wide))
    angles = ops.expand_dims(angles, 1)  # (T, 1, size / 2)
    cosine, sine = (ops.cast(f(angles) * gain, x.dtype) for f in (ops.cos, ops.sin))
    a, b = ops.split(x, 2, axis=-1)
    return ops.concatenate((a * cosine - b * sine, b * cosine + a * sine), axis=-1)


def alibi(heads: int, x):
    """Return penalties for distance (Press et al. 2022): (heads, T, T)."""
    slopes = 2.0 ** (-8.0 * np.arange(1, heads + 1) / heads)
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    steps = ops.arange(ops.shape(x)[-2], dtype=wide)
    distance = ops.abs(ops.expand_dims(steps, 1) - steps)
    slopes = ops.convert_to_tensor(slopes[:, None, None], dtype=wide)
    return ops.cast(-slopes * distance, x.dtype)


@keras.saving.register_keras_serializable()
class RelativeBias(layers.Layer):
    """A learned number for each head and distance of two positions.

    (B, T, width), (B, S, width) -> (B, heads, T, S); distances are grouped in buckets.
    """

    def __init__(
        self,
        heads: int,
        buckets: int,
        distance: int,
        embeddings_initializer,
        causal: bool = False,
        **settings,
    ):
        super().__init__(**settings)
        self.heads = heads
        self.buckets = buckets
        self.distance = distance
        self.causal = causal
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, query_shape, key_shape=None):
        self.embeddings = self.add_weight(
            shape=(self.buckets, self.heads),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    def call(self, query, key=None):
        key = query if key is None else key
        asked = ops.expand_dims(ops.arange(ops.shape(query)[-2]), 1)
        after = ops.arange(ops.shape(key)[-2]) - asked
        count = self.buckets if self.causal else self.buckets // 2
        far = ops.maximum(-after, 0) if self.causal else ops.abs(after)
        edges = bucket_edges(count, self.distance)
        edges = ops.convert_to_tensor(edges, dtype=far.dtype)
        passed = ops.cast(ops.expand_dims(far, -1) >= edges, "int32")
        places = ops.sum(passed, axis=-1)
        if not self.causal:
            places = places + count * ops.cast(after > 0, "int32")
        bias = ops.transpose(ops.take(self.embeddings, places, axis=0), (2, 0, 1))
        return ops.broadcast_to(bias, (ops.shape(query)[0], *ops.shape(bias)))

    def compute_output_shape(self, query_shape, key_shape=None):
        held = query_shape if key_shape is None else key_shape
        return (query_shape[0], self.heads, query_shape[-2], held[-2])

    def get_config(self):
        start = keras.initializers.serialize(self.embeddings_initializer)
        return super().get_config() | {
            "heads": self.heads,
            "buckets": self.buckets,
            "distance": self.distance,
            "embeddings_initializer": start,
            "causal": self.causal,
        }


def relative_places(window: int) -> np.ndarray:
    """Return the row of the table for each pair of positions: (window^2, window^2)."""
    rows, columns = (side.ravel() for side in np.indices((window, window)))
    down = rows[:, None] - rows + window - 1
    right = columns[:, None] - columns + window - 1
    return down * (2 * window - 1) + right


def shifted_windows(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """Say which positions were neighbours before the map was rolled.

    Returns (windows, 1, window^2, window^2).
    """
    down, right = np.arange(height), np.arange(width)
    rows = (down >= height - window).astype(int) + (down >= height - shift)
    columns = (right >= width - window).astype(int) + (right >= width - shift)
    area = (3 * rows[:, None] + columns).reshape(-1, window, width // window, window)
    area = area.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return (area[:, :, None] == area[:, None, :])[:, None]


def see_near(x, window: int):
    """Say which places are less than so many from another: (T, T)."""
    places = ops.arange(ops.shape(x)[-2])
    return ops.abs(ops.expand_dims(places, 1) - places) < window


def see_recent(x, window: int):
    """Say which places come less than so many before another, or at it: (T, T)."""
    places = ops.arange(ops.shape(x)[-2])
    apart = ops.expand_dims(places, 1) - places
    return ops.logical_and(apart >= 0, apart < window)


@keras.saving.register_keras_serializable()
class AttentionCore(layers.Layer):
    """Attention between given queries, keys and values: (..., heads, T, size).

    `shared` heads of queries have keys in common. Scores are capped before a bias is
    added; a query that sees nothing takes nothing.
    """

    def __init__(
        self,
        shared: int = 1,
        causal: bool = False,
        window: int | None = None,
        scale: float | None = None,
        softcap: float | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shared = shared
        self.causal = causal
        self.window = window
        self.scale = scale
        self.softcap = softcap

    def call(self, query, key, value, bias=None, seen=None):
        if self.shared > 1:
            key = ops.repeat(key, self.shared, axis=-3)
            value = ops.repeat(value, self.shared, axis=-3)
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * scale
        if self.softcap is not None:
            scores = self.softcap * ops.tanh(scores / self.softcap)
        if bias is not None:
            scores = scores + bias
        near = self.near(query, key)
        if near is not None:
            seen = near if seen is None else ops.logical_and(seen, near)
        if seen is None:
            return ops.matmul(ops.softmax(scores, axis=-1), value)
        half = keras.backend.standardize_dtype(scores.dtype) == "float16"
        least = ops.cast(-6e4 if half else -1e30, scores.dtype)  # below any bias
        weights = ops.softmax(ops.where(seen, scores, least), axis=-1)
        return ops.matmul(weights * ops.cast(seen, weights.dtype), value)

    def compute_output_shape(
        self,
        query_shape,
        key_shape,
        value_shape,
        bias_shape=None,
        seen_shape=None,
    ):
        return (*query_shape[:-1], value_shape[-1])

    def near(self, query, key):
        """Say which keys a query's place allows it to see: (T, S)."""
        if not self.causal and self.window is None:
            return None
        rows = ops.expand_dims(ops.arange(ops.shape(query)[-2]), 1)
        apart = rows - ops.arange(ops.shape(key)[-2])
        if self.window is None:
            return apart >= 0
        if self.causal:
            return ops.logical_and(apart >= 0, apart < self.window)
        return ops.abs(apart) < self.window


@keras.saving.register_keras_serializable()
class RotaryPositions(layers.Layer):
    """Turn the first `size` elements by the position: (..., T, width) -> the same.

    `turn` says which of them are pairs.
    """

    def __init__(self, turn, theta: float, size: int, **settings):
        super().__init__(**settings)
        self.turn = turn
        self.theta = theta
        self.size = size

    def call(self, x):
        pairs = ops.expand_dims(x[..., : self.size], -2)
        turned = ops.squeeze(self.turn(pairs, self.theta), -2)
        return ops.concatenate((turned, x[..., self.size :]), axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "turn": keras.saving.serialize_keras_object(self.turn),
            "theta": self.theta,
            "size": self.size,
        }

    @classmethod
    def from_config(cls, config):
        turn = keras.saving.deserialize_keras_object(config.pop("turn"))
        return cls(turn, **config)
