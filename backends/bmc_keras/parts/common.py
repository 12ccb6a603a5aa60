"""What programs in Keras bring of their own: common."""

from __future__ import annotations


def stretched_sum(a, b):
    """Add values that both stretch; `ops.add` takes some of them for a bias."""
    return a - (-b)
