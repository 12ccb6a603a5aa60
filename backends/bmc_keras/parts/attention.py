"""What programs in Keras bring of their own: attention."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


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


def alibi(heads: int, x):
    """Return penalties for distance (Press et al. 2022): (heads, T, T)."""
    slopes = 2.0 ** (-8.0 * np.arange(1, heads + 1) / heads)
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    steps = ops.arange(ops.shape(x)[-2], dtype=wide)
    distance = ops.abs(ops.expand_dims(steps, 1) - steps)
    slopes = ops.convert_to_tensor(slopes[:, None, None], dtype=wide)
    return ops.cast(-slopes * distance, x.dtype)


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
