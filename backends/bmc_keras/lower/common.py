"""What the lowerings share: the settings of layers with a matrix, and axes."""

from __future__ import annotations

import functools
from typing import Any

from bmc.emit.backend import Function, Lowered, Rule, Site, Support, Unsupported
from bmc.emit.pyexpr import Bin, Call, Expr, SliceExpr, call, lit
from bmc.emit.values import number
from bmc.types.symbolic import known
from bmc.types.tensor import Shape, TensorType
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import Layout, part
from bmc_keras.weights import At

GROUPS = 5  # of axes that TensorFlow can stretch
ALL = SliceExpr(None, None, None)


def starts(op: Any) -> dict[str, Expr] | None:
    """The initialisers of a layer with a kernel and perhaps a bias; None if one is missing."""
    kernel = initializer(op.init)
    if kernel is None:
        return None
    found = {"kernel_initializer": kernel}
    if op.bias:
        found["bias_initializer"] = lit("zeros")
    return found


def bias(op: Any) -> dict[str, At]:
    """Where a bias is, if there is one."""
    return {"bias": At("bias", (0,), test="layer.use_bias")} if op.bias else {}


def literals(**settings: Any) -> dict[str, Expr]:
    """Settings as expressions."""
    return {key: lit(value) for key, value in settings.items()}


def axis(x: TensorType, place: int) -> int:
    """An axis of the language's layout as Keras counts it, the batch included."""
    del x  # a value that is the same for all samples has a batch here, too
    return int(place) if place < 0 else int(place) + 1


def reshaped(value: Expr, shape: Shape) -> Expr:
    """`layers.Reshape`; a free size is left open."""
    sizes = tuple(number(size) if known(size) else lit(-1) for size in shape)
    return Call(call("layers.Reshape", sizes), (value,))


def alike(op: object, types: tuple[TensorType, ...]) -> Layout:
    """The layout of what works element by element on values of one rank."""
    return "any" if len({x.rank for x in types}) == 1 else "own"


STRETCHED = part("stretched_sum")


def total(
    args: list[Expr], types: tuple[TensorType, ...], last: bool = False
) -> tuple[Expr, tuple[Support, ...]]:
    """The sum of values, and the helper that it needs.

    `keras.ops.add` takes a second operand with one axis of a size above one for a bias wherever
    that size meets one of the first operand's: (B, 1) for a row, in a batch of as many as there
    are columns. So what has all axes stands second; `last` says that channels are laid out last.
    """
    values = spread(args, types)
    rank = max(x.rank for x in types)
    shapes = [_laid(_filled(x.shape, rank), last) for x in types]
    support: tuple[Support, ...] = ()
    made, shape = values[0], shapes[0]
    for value, other in zip(values[1:], shapes[1:]):
        whole = tuple(b if a == 1 else a for a, b in zip(shape, other))
        row = rank and shape[-1] == other[-1] and isinstance(other[-1], int) and other[-1] > 1
        if other == whole or row:
            made = Bin("+", made, value)
        elif shape == whole:
            made = Bin("+", value, made)
        else:
            made, support = call("stretched_sum", made, value), (STRETCHED,)
        shape = whole
    return made, support


def summed(site: Site) -> Function:
    """The sum of a layer's inputs."""
    nothing: list[Expr] = [lit(0)] * len(site.inputs)
    _, support = total(nothing, site.inputs, site.last)
    return Function(lambda args: total(args, site.inputs, site.last)[0], support)


def stretching(rule: Rule) -> Rule:
    """The rule of a layer that stretches its inputs to one shape, as far as TensorFlow does."""

    @functools.wraps(rule)
    def checked(op: Any, site: Site) -> Lowered:
        shape: tuple[Any, ...] = ()
        for kind in site.inputs:
            if _groups(shape, kind.shape) > GROUPS:
                return Unsupported("TensorFlow stretches no values of so many axes")
            rank = max(len(shape), kind.rank)
            pairs = zip(_filled(shape, rank), _filled(kind.shape, rank))
            shape = tuple(b if a == 1 else a for a, b in pairs)
        found: Lowered = rule(op, site)
        return found

    return checked


def _groups(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
    """How many neighbouring axes, the batch among them, are stretched in turn or not at all."""
    rank = max(len(one), len(other))
    found = 1
    before = (False, False)
    for a, b in zip(_filled(one, rank), _filled(other, rank)):
        now = (a == 1, b == 1)
        if now != (True, True):
            found += now != before
            before = now
    return found


def _filled(shape: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    return (1,) * (rank - len(shape)) + tuple(shape)


def _laid(shape: tuple[Any, ...], last: bool) -> tuple[Any, ...]:
    return (*shape[1:], shape[0]) if last and len(shape) > 1 else shape


def spread(args: list[Expr], types: tuple[TensorType, ...]) -> list[Expr]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last."""
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    for arg, x in zip(args, types):
        missing: Any = tuple(range(1, 1 + widest - x.rank))
        missing = missing[0] if len(missing) == 1 else missing
        ready.append(call("ops.expand_dims", arg, missing) if missing else arg)
    return ready
