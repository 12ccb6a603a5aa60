"""What a model.py has of its own in every framework: numbers for positions, in plain Python."""

from __future__ import annotations

import math


def linear_rates(size: int, theta: float, factor: float) -> list[float]:
    """Return how fast each pair turns, for positions that many times closer."""
    return [theta ** (-2 * pair / size) / factor for pair in range(size // 2)]


def llama3_rates(
    size: int,
    theta: float,
    factor: float,
    context: int,
    low: float = 1.0,
    high: float = 4.0,
) -> list[float]:
    """Return how fast each pair turns; long waves turn slower, as in Llama 3.1."""
    rates = []
    for pair in range(size // 2):
        rate = theta ** (-2 * pair / size)
        waves = context * rate / (2 * math.pi)  # within the context
        kept = min(max((waves - low) / (high - low), 0.0), 1.0)
        rates.append(kept * rate + (1 - kept) * rate / factor)
    return rates


def yarn_rates(
    size: int,
    theta: float,
    factor: float,
    context: int,
    slow: float = 1.0,
    fast: float = 32.0,
) -> list[float]:
    """Return how fast each pair turns; slow ones turn slower (Peng et al. 2023)."""

    def place(turns: float) -> float:
        """The pair that turns so many times within the context."""
        waves = context / (turns * 2 * math.pi)
        return size * math.log(waves) / (2 * math.log(theta))

    first = max(math.floor(place(fast)), 0)
    last = min(math.ceil(place(slow)), size - 1)
    rates = []
    for pair in range(size // 2):
        rate = theta ** (-2 * pair / size)
        slowed = min(max((pair - first) / max(last - first, 0.001), 0.0), 1.0)
        rates.append(slowed * rate / factor + (1 - slowed) * rate)
    return rates


def bucket_edges(buckets: int, distance: int) -> list[int]:
    """Return the distance at which each bucket but the first begins.

    Half of them have one distance each, the others more and more up to `distance`.
    """
    exact = buckets // 2
    edges = list(range(1, exact + 1))
    for bucket in range(exact + 1, buckets):
        share = (bucket - exact) / (buckets - exact)
        edges.append(math.ceil(exact * (distance / exact) ** share - 1e-6))
    return edges
