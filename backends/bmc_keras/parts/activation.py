"""What programs in Keras bring of their own: activation."""

from __future__ import annotations

from keras import ops


def keep_top(x, count: int, axis: int, fill: float):
    """Keep the largest elements of an axis, the first of equal ones, and set the others to `fill`."""
    places = ops.argsort(ops.argsort(-x, axis=axis), axis=axis)
    return ops.where(places < count, x, fill)
