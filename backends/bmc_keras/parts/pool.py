"""What programs in Keras bring of their own: pool."""

from __future__ import annotations

from keras import layers, ops


def average_inside(x, pool: layers.Layer, pads: tuple[tuple[int, int], ...]):
    """Average windows over what is inside the border."""
    inside = ops.pad(ops.ones_like(x), pads)
    return pool(ops.pad(x, pads)) / pool(inside)
