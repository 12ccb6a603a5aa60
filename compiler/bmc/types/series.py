"""Sizes that grow in equal steps: of copies in a row, of turns of a loop."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bmc.types.symbolic import BinOp, Const, Expression, combine

Sum = dict[Expression | None, int]  # what is added up: how often each; None is a whole number


def progression(numbers: Sequence[Expression]) -> tuple[Sum, Sum] | None:
    """The first of at least two numbers, and the distance of each from the one before."""
    sums = [_sum(number) for number in numbers]
    step = less(sums[1], sums[0])
    if any(less(b, a) != step for a, b in itertools.pairwise(sums[1:])):
        return None
    return sums[0], step


def powers(numbers: Sequence[Expression], index: Expression, start: int) -> Expression | None:
    """At least three numbers, each a whole multiple of the one before, or the other way round."""
    sums = [_sum(number) for number in numbers]
    rests = {tuple(one) for one in sums}
    if len(sums) < 3 or len(rests) > 1 or len(next(iter(rests))) != 1:
        return None
    ((rest,),) = rests
    factors = [one[rest] for one in sums]
    down = factors[0] > factors[-1]
    small, large = (factors[1], factors[0]) if down else (factors[0], factors[1])
    base = large // small if small > 0 else 0
    pairs = [pair[::-1] if down else pair for pair in itertools.pairwise(factors)]
    if base < 2 or any(high != base * low for low, high in pairs):
        return None
    exponent, factor = index, factors[0]
    if down:
        factor *= base**start
    elif factor % base**start == 0:
        factor //= base**start
    else:
        exponent = combine("-", index, Const(start))
    power = BinOp("**", Const(base), exponent)
    if down:
        made: Expression = BinOp("//", _said({rest: factor}), power)
        return made
    before = _said({rest: factor})
    return power if before == Const(1) else BinOp("*", before, power)


def after(first: Sum, step: Sum, turns: Expression) -> Expression:
    """`first + turns * step`, what both have in common written once."""
    if not step:
        return _said(first)
    if len(step) == 1:
        ((rest, factor),) = step.items()
        if set(first) <= {rest}:
            many = _said({turns: factor, **({None: first[rest]} if first else {})})
            return many if rest is None else combine("*", many, rest)
        if rest is None:
            return _said({**first, turns: factor})
    more = combine("*", turns, _said(step))
    return combine("+", _said(first), more) if first else more


def _sum(value: Expression) -> Sum:
    """What a number adds up, without terms that come to nothing."""
    found: Sum = {}

    def add(one: Expression, factor: int) -> None:
        rest: Expression | None = one
        if isinstance(one, BinOp) and one.operator in ("+", "-"):
            add(one.left, factor)
            add(one.right, factor if one.operator == "+" else -factor)
            return
        if isinstance(one, Const):
            factor, rest = factor * int(one.value), None
        elif isinstance(one, BinOp) and one.operator == "*" and isinstance(one.left, Const):
            factor, rest = factor * int(one.left.value), one.right
        elif isinstance(one, BinOp) and one.operator == "*" and isinstance(one.right, Const):
            factor, rest = factor * int(one.right.value), one.left
        found[rest] = found.get(rest, 0) + factor

    add(value, 1)
    return {rest: factor for rest, factor in found.items() if factor}


def less(one: Sum, other: Sum) -> Sum:
    """The difference of two sums."""
    found = {rest: one.get(rest, 0) - other.get(rest, 0) for rest in {**one, **other}}
    return {rest: factor for rest, factor in found.items() if factor}


def _said(value: Sum) -> Expression:
    made: Expression | None = None
    for rest, factor in sorted(value.items(), key=lambda item: (item[1] < 0, item[0] is None)):
        size = Const(abs(factor))
        one = size if rest is None else combine("*", size, rest)
        if made is None:
            made = one if factor > 0 else BinOp("-", Const(0), one)
        else:
            made = combine("+" if factor > 0 else "-", made, one)
    return made or Const(0)
