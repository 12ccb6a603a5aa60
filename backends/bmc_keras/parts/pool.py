"""What programs in Keras bring of their own: pool."""

from __future__ import annotations

from keras import layers, ops


def average_inside(x, pool: layers.Layer, pads: tuple[tuple[int, int], ...]):
    """Average windows over what is inside the border."""
    inside = ops.pad(ops.ones_like(x), pads)
    return pool(ops.pad(x, pads)) / pool(inside)


def repeat_border(x, axis: int, before: int, after: int):
    """Return x with its outermost elements of an axis taken several times."""
    first = x[(slice(None),) * axis + (slice(0, 1),)]
    last = x[(slice(None),) * axis + (slice(-1, None),)]
    borders = ops.repeat(first, before, axis=axis), ops.repeat(last, after, axis=axis)
    return ops.concatenate([borders[0], x, borders[1]], axis=axis)
