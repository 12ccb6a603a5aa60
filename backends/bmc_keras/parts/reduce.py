"""What programs in Keras bring of their own: reduce."""

from __future__ import annotations

from keras import ops


def deviation(x, axis: int | tuple[int, ...], keepdims: bool = False):
    """Give the standard deviation; where nothing varies, its gradient is 0."""
    variance = ops.var(x, axis=axis, keepdims=keepdims)
    varies = variance > 0
    return ops.where(varies, ops.sqrt(ops.where(varies, variance, 1.0)), 0.0)


def last_step(x, length):
    """Take the last step that is data: (B, T, D), (B,) -> (B, D)."""
    place = ops.expand_dims(length - 1, (1, 2))
    return ops.squeeze(ops.take_along_axis(x, place, axis=1), 1)
