"""What programs in Keras bring of their own: activation."""

from __future__ import annotations

from keras import ops


def keep_top(x, count: int, axis: int, fill: float):
    """Keep the largest elements of an axis, of equal ones the first; fill the rest."""
    places = ops.argsort(ops.argsort(-x, axis=axis), axis=axis)
    return ops.where(places < count, x, fill)


def sigmoid_glu(x, axis: int):
    """Multiply one half of an axis by the sigmoid of the other (Shazeer 2020)."""
    a, b = ops.split(x, 2, axis=axis)
    return a * ops.sigmoid(b)


def tanh_glu(x, axis: int):
    """Multiply one half of an axis by the tanh of the other (Shazeer 2020)."""
    a, b = ops.split(x, 2, axis=axis)
    return a * ops.tanh(b)


def gelu_glu(x, axis: int):
    """Multiply one half of an axis by the gelu of the other (Shazeer 2020)."""
    a, b = ops.split(x, 2, axis=axis)
    return a * ops.gelu(b, approximate=False)


def silu_glu(x, axis: int):
    """Multiply one half of an axis by the silu of the other (Shazeer 2020)."""
    a, b = ops.split(x, 2, axis=axis)
    return a * ops.silu(b)


def relu_glu(x, axis: int):
    """Multiply one half of an axis by the relu of the other (Shazeer 2020)."""
    a, b = ops.split(x, 2, axis=axis)
    return a * ops.relu(b)
