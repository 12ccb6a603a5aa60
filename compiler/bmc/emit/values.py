"""Numbers of a spec as program text: what is worth printing, and how."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bmc.emit.pyexpr import Expr, Index, SliceExpr, call, from_expression, lit
from bmc.ops.axes import ragged_axis, same_padding
from bmc.ops.base import per_axis
from bmc.types.symbolic import Num, Real, Sym, known
from bmc.types.tensor import TensorType

Pads = tuple[tuple[Any, Any], ...]


def fixed(value: Any) -> bool:
    """Whether a number is a literal of the spec, not computed from settings."""
    if isinstance(value, tuple):
        return all(fixed(item) for item in value)
    if isinstance(value, Num | Real):
        return not value.expression.names()
    return True


def unless(default: Any, **settings: Any) -> dict[str, Any]:
    """The settings that differ from what every framework takes when nothing is said."""
    return {k: v for k, v in settings.items() if v != default or not fixed(v)}


def as_float(value: Any) -> Any:
    """A literal with a decimal point; what is computed from settings stays as it is."""
    return float(value) if fixed(value) else value


def as_whole(value: Any) -> Any:
    """A literal without a decimal point; what is computed from settings stays as it is."""
    return int(value) if fixed(value) else value


def number(value: Any) -> Expr:
    """A number as program text; what is not finite has no literal, a free size is a name."""
    if isinstance(value, Sym):
        return from_expression(value.expression())
    if isinstance(value, float) and not math.isfinite(value):
        return call("float", str(float(value)))
    return lit(value)


def rest(decay: Any) -> Any:
    """1 - decay, without the dust of binary fractions where it is a literal."""
    return round(1 - float(decay), 12) if fixed(decay) else 1 - decay


def same_pads(sizes: tuple[Any, ...], kernel: Any, stride: Any, dilation: Any = 1) -> Pads | None:
    """What `same` adds to each axis; None where that depends on a size known only at run time."""
    axes = len(sizes)
    spread = (per_axis(v, axes, "") for v in (kernel, stride, dilation))
    pads: list[tuple[Any, Any]] = []
    for size, width, step, apart in zip(sizes, *spread):
        if not fixed((width, step, apart)) or (step != 1 and not (known(size) and fixed(size))):
            return None
        pads.append(same_padding(int(size) if known(size) else 0, width, step, apart))
    return tuple(pads)


def border_pads(sizes: tuple[Any, ...], kernel: Any, stride: Any) -> Pads | None:
    """How often a border is repeated before and after, each by itself; as `same_pads` where it steps.

    Window by window at every place that is known of any kernel, also of one that a setting gives.
    """
    axes = len(sizes)
    steps = per_axis(stride, axes, "")
    if not fixed(steps) or any(step != 1 for step in steps):
        return same_pads(sizes, kernel, stride)
    totals = [width - 1 for width in per_axis(kernel, axes, "")]
    return tuple((total // 2, total - total // 2) for total in totals)


def step_size(x: TensorType, axes: Iterable[int]) -> int:
    """How many elements one step of a padded value has along these axes."""
    place = ragged_axis(x)
    return math.prod(int(x.shape[axis]) for axis in axes if axis != place)  # type: ignore[arg-type,misc]


def thinned(mask: Expr, start: int, step: int) -> Expr:
    """`mask[:, 2::2]`"""
    kept = SliceExpr(lit(start) if start else None, None, lit(step) if step != 1 else None)
    return Index(mask, (SliceExpr(None, None, None), kept))


def one_number(values: tuple[Any, ...]) -> Any:
    """One number where all are alike."""
    alike = len({int(value) for value in values}) == 1 and fixed(values)
    return values[0] if alike else values
