"""What programs in Keras bring of their own: activation."""

from __future__ import annotations

from keras import ops


def keep_top(x, count: int, axis: int, fill: float):
    """Keep the largest elements of an axis, of equal ones the first; fill the rest."""
    places = ops.argsort(ops.argsort(-x, axis=axis), axis=axis)
    return ops.where(places < count, x, fill)
