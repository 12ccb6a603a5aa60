"""Sizes remember how they were computed, and say it as simply as can be."""

from __future__ import annotations

from typing import Any

import pytest

from bmc.types.symbolic import Num, Real, Var


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda a, b: 64 + a + a, "64 + 2 * a"),
        (lambda a, b: (2 * a + a + a) // 2, "2 * a"),
        (lambda a, b: a + 1 + b + 2, "a + 3 + b"),
        (lambda a, b: a + b - a, "b"),
        (lambda a, b: a + (a // 2 + a // 2), "a + 2 * (a // 2)"),
        (lambda a, b: 6 * a // 4, "6 * a // 4"),
        (lambda a, b: a * b // b, "a"),
        (lambda a, b: a * b // a, "b"),
        (lambda a, b: a // b * b // b, "a // b"),
        (lambda a, b: 0 * a + b, "b"),
        (lambda a, b: a - (b - a), "2 * a - b"),
        (lambda a, b: a - a, "0"),
        (lambda a, b: 5 - a, "5 - a"),
    ],
)
def test_sizes_are_said_simply(made: Any, said: str) -> None:
    found = made(Num(7, Var("a")), Num(3, Var("b")))
    assert str(found.expression) == said
    assert eval(said, {"a": 7, "b": 3}) == found


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda r, q: r * 4 // 2, "r * 4 // 2"),
        (lambda r, q: r + q - r, "r + q - r"),
        (lambda r, q: 0 * r, "0.0"),
        (lambda r, q: r + -0.5, "r - 0.5"),
    ],
)
def test_other_numbers_are_rounded_where_they_were(made: Any, said: str) -> None:
    found = made(Real(0.3, Var("r")), Real(0.1, Var("q")))
    assert str(found.expression) == said
    assert eval(said, {"r": 0.3, "q": 0.1}) == found
