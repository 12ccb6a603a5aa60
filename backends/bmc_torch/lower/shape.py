"""Moving elements in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Compare, Expr, call, lit, method, name
from bmc.emit.rows import dim
from bmc.emit.values import as_whole, number
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc.ops.pattern import Group
from bmc.types.symbolic import known
from bmc.types.tensor import TensorType
from bmc_torch.lower.table import lower, part

PAD_AXIS = part("pad_axis")


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`x.flatten`."""
    (x,) = site.inputs
    if x.rank == 0:
        return Function(lambda args: method(args[0], "unsqueeze", -1))
    start = axis_of(x, op.start)
    if start == x.rank - 1:
        return Function(lambda args: args[0])
    return Function(lambda args: method(args[0], "flatten", start_dim=dim(x, start)))


@lower(ops.Reshape)
def reshape(op: ops.Reshape, site: Site) -> Lowered:
    """`x.unflatten` or `x.reshape`; one free size is left to PyTorch."""
    (x,) = site.inputs
    free = [size for size in op.shape if not known(size)]
    sizes: tuple[Any, ...] = op.shape
    if len(free) == 1:
        sizes = tuple(size if known(size) else -1 for size in op.shape)
    sizes = tuple(map(number, sizes))
    if not x.batched:
        return Function(lambda args: method(args[0], "reshape", *sizes))
    if x.rank == 1:
        return Function(lambda args: method(args[0], "unflatten", 1, sizes))
    if free:
        return Function(
            lambda args: method(method(args[0], "flatten", start_dim=1), "unflatten", 1, sizes)
        )
    if len(op.shape) == 1 and x.rank:
        return Function(lambda args: method(args[0], "flatten", start_dim=1))
    return Function(lambda args: method(args[0], "reshape", -1, *sizes))


def permuted(value: Expr, order: tuple[int, ...], batched: bool) -> Expr:
    """The axes in another order; two that swap are transposed."""
    moved = [at for at, axis in enumerate(order) if at != axis]
    shift = 1 if batched else 0
    if not moved:
        return value
    if len(moved) == 2:
        return method(value, "transpose", moved[0] + shift, moved[1] + shift)
    whole = (0, *(axis + 1 for axis in order)) if batched else order
    return method(value, "permute", *whole)


@lower(ops.Transpose)
def transpose(op: ops.Transpose, site: Site) -> Lowered:
    """`x.transpose` or `x.permute`."""
    (x,) = site.inputs
    return Function(lambda args: permuted(args[0], op.axes(x), x.batched))


class _Moves:
    """A rearrangement step by step: names of the axes as they are, and the value so far."""

    def __init__(self, value: Expr, x: TensorType) -> None:
        self.value, self.shift = value, 1 if x.batched else 0
        self.batched = x.batched
        self.axes: list[Group] = []

    def split(self, groups: tuple[Group, ...], sizes: dict[str, Any], given: Any) -> None:
        """Takes joined axes apart, from the last, and drops those of size one."""
        self.axes = list(groups)
        for at in range(len(groups) - 1, -1, -1):
            group = groups[at]
            if not group:
                self.value = method(self.value, "squeeze", at + self.shift)
                del self.axes[at]
            elif len(group) > 1:
                parts = _parts(group, sizes, given)
                self.value = method(self.value, "unflatten", at + self.shift, parts)
                self.axes[at : at + 1] = [(n,) for n in group]

    def join(self, groups: tuple[Group, ...]) -> None:
        """Joins the axes of a group where they stand in a row already."""
        for group in groups:
            row: list[Group] = [(n,) for n in group]
            for at in range(len(self.axes) - len(row) + 1):
                if len(row) > 1 and self.axes[at : at + len(row)] == row:
                    first = at + self.shift
                    self.value = method(self.value, "flatten", first, first + len(row) - 1)
                    self.axes[at : at + len(row)] = [group]
                    break

    def order(self, groups: tuple[Group, ...]) -> None:
        """Puts the axes in the order of the groups, joined or not."""
        wanted: list[Group] = []
        for group in groups:
            wanted += [group] if group in self.axes else [(n,) for n in group]
        places = tuple(self.axes.index(group) for group in wanted)
        self.value = permuted(self.value, places, self.batched)
        self.axes = wanted


def _parts(group: Group, sizes: dict[str, Any], given: Any) -> tuple[Expr, ...]:
    """The sizes of joined axes; the one that is not given, or else a free one, is left open."""
    open_ones = [n for n in group if n not in given] or [n for n in group if not known(sizes[n])]
    return tuple(number(-1 if n in open_ones[:1] else sizes[n]) for n in group)


@lower(ops.Rearrange)
def rearrange(op: ops.Rearrange, site: Site) -> Lowered:
    """unflatten, then permute, then flatten, as far as each is needed."""
    (x,) = site.inputs
    pattern = op.parsed()
    sizes = op.sizes(x)

    def build(args: list[Expr]) -> Expr:
        moves = _Moves(args[0], x)
        moves.split(pattern.left, sizes, op.extra)
        groups = tuple(group for group in pattern.right if group)
        moves.join(groups)
        moves.order(groups)
        moves.join(groups)
        value = moves.value
        for at, group in enumerate(pattern.right):
            if not group:
                value = method(value, "unsqueeze", at + moves.shift)
        return value

    return Function(build)


@lower(ops.Squeeze)
def squeeze(op: ops.Squeeze, site: Site) -> Lowered:
    """`x.squeeze`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: method(args[0], "squeeze", axis))


@lower(ops.Expand)
def expand(op: ops.Expand, site: Site) -> Lowered:
    """`x.unsqueeze`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: method(args[0], "unsqueeze", axis))


@lower(ops.Pad)
def pad(op: ops.Pad, site: Site) -> Lowered:
    """`F.pad`; mirroring and repeating along any axis by an index."""
    (x,) = site.inputs
    after_axis = x.rank - 1 - axis_of(x, op.axis)
    if op.mode == "constant":
        pads = (*(0, 0) * after_axis, op.before, op.after)
        value = as_whole(op.value) if x.dtype == "int" else op.value
        return Function(lambda args: call("F.pad", args[0], pads, value=value))
    settings = {"dim": dim(x, op.axis), "reflect": op.mode == "reflect"}
    return Function(
        lambda args: call("pad_axis", args[0], op.before, op.after, **settings), (PAD_AXIS,)
    )


@lower(ops.Upsample)
def upsample(op: ops.Upsample, site: Site) -> Lowered:
    """`F.interpolate`."""
    axes = site.inputs[0].rank - 1
    mode = op.mode if op.mode == "nearest" else ("linear", "bilinear", "trilinear")[axes - 1]
    more = {} if op.mode == "nearest" else {"align_corners": False}
    return Function(
        lambda args: call("F.interpolate", args[0], scale_factor=op.factor, mode=mode, **more)
    )


@lower(ops.Roll)
def roll(op: ops.Roll, site: Site) -> Lowered:
    """`x.roll`."""
    (x,) = site.inputs
    axes = tuple(dim(x, axis) for axis in op.axes)
    shifts = op.shift if isinstance(op.shift, tuple) else (op.shift,) * len(axes)
    if len(axes) == 1:
        return Function(lambda args: method(args[0], "roll", shifts[0], dims=axes[0]))
    return Function(lambda args: method(args[0], "roll", shifts, dims=axes))


@lower(ops.Patches)
def patches(op: ops.Patches, site: Site) -> Lowered:
    """`x.unfold`."""
    return Function(lambda args: method(args[0], "unfold", -1, op.size, op.stride))


@lower(ops.Cast)
def cast(op: ops.Cast, site: Site) -> Lowered:
    """`x.to`; floats are of the default kind, so that a model in double precision stays so."""
    if op.dtype == "bool":
        return Function(lambda args: Compare("!=", args[0], lit(0)))
    kind = call("torch.get_default_dtype") if op.dtype == "float" else name("torch.int64")
    return Function(lambda args: method(args[0], "to", kind))
