"""Masks of padded values in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Attr, Bin, Compare, Expr, Index, Un, call, lit, method
from bmc.emit.rows import ALL
from bmc.emit.values import number, thinned
from bmc.ops import masks as ops
from bmc_torch.lower.table import lower


def widened(mask: Expr, axis: int, rank: int) -> Expr:
    """A mask ready for broadcasting with a value of so many axes, of which it is about one."""
    before, after = (lit(None),) * axis, (lit(None),) * (rank - axis - 1)
    if not before and not after:
        return mask
    return Index(mask, (ALL, *before, ALL, *after))


def mean_of_data(total: Expr, length: Expr, others: Any, rank: int, batch: bool = False) -> Expr:
    """A sum divided by how many there are: the length, times the sizes of the other axes."""
    count = method(length, "sum") if batch else length
    if rank and not batch:
        count = Index(count, (ALL, *(lit(None),) * rank))
    return Bin("/", total, count if others == 1 else Bin("*", lit(others), count))


@lower(ops.NotPadding)
def not_padding(op: ops.NotPadding, site: Site) -> Lowered:
    """`words != 0`"""
    return Function(lambda args: Compare("!=", args[0], number(op.pad)))


@lower(ops.UpTo)
def up_to(op: ops.UpTo, site: Site) -> Lowered:
    """`torch.arange(x.shape[1]) < length[:, None]`"""

    def build(args: list[Expr]) -> Expr:
        x, length = args
        size = Index(Attr(x, "shape"), (lit(op.axis + 1),))
        steps = call("torch.arange", size, device=Attr(x, "device"))
        return Compare("<", steps, Index(length, (ALL, lit(None))))

    return Function(build)


@lower(ops.Thin)
def thin(op: ops.Thin, site: Site) -> Lowered:
    """`mask[:, 2::2]`"""
    return Function(lambda args: thinned(args[0], op.start, op.step))


@lower(ops.Before)
def before(op: ops.Before, site: Site) -> Lowered:
    """`F.pad(mask, (1, 0), value=True)`"""
    return Function(lambda args: call("F.pad", args[0], (op.count, 0), value=True))


@lower(ops.Lengths)
def lengths(op: ops.Lengths, site: Site) -> Lowered:
    """`mask.sum(dim=1).clamp(min=1)`"""
    if site.inputs[0].dtype == "int":
        return Function(lambda args: method(args[0], "clamp", min=1))
    return Function(lambda args: method(method(args[0], "sum", dim=1), "clamp", min=1))


@lower(ops.ZeroIfEmpty)
def zero_if_empty(op: ops.ZeroIfEmpty, site: Site) -> Lowered:
    """`x.masked_fill(~mask.any(dim=1)[:, None], 0.0)`"""

    def build(args: list[Expr]) -> Expr:
        x, mask = args
        some: Expr = method(mask, "any", dim=1)
        if site.inputs[0].rank:
            some = Index(some, (ALL, *(lit(None),) * site.inputs[0].rank))
        return method(x, "masked_fill", Un("~", some), lit(0.0))

    return Function(build)


@lower(ops.Fill)
def fill(op: ops.Fill, site: Site) -> Lowered:
    """`x.masked_fill(~mask[:, :, None], 0.0)`"""

    def build(args: list[Expr]) -> Expr:
        x, mask = args
        value: Expr = lit(0.0)
        if op.value != "zero":
            word = "min" if op.value == "lowest" else "max"
            value = Attr(call("torch.finfo", Attr(x, "dtype")), word)
        return method(x, "masked_fill", Un("~", widened(mask, op.axis, site.inputs[0].rank)), value)

    return Function(build)
