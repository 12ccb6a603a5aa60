"""What programs in Keras bring of their own: sequences of classes."""

from __future__ import annotations

from keras import ops


def ctc_greedy(logits, blank: int):
    """Read what frames spell, filled up with blanks: (B, T, C) -> (B, T)."""
    best = ops.cast(ops.argmax(logits, axis=-1), "int64")
    before = ops.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=blank)
    kept = ops.logical_and(ops.not_equal(best, blank), ops.not_equal(best, before))
    places = ops.cumsum(ops.ones_like(best), axis=1)
    order = ops.argsort(ops.where(kept, places, places + 2**30), axis=1)
    return ops.take_along_axis(ops.where(kept, best, blank), order, axis=1)
