"""Convolutions in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Module, Site, Support
from bmc.emit.pyexpr import Call, Expr, call
from bmc.emit.values import Pads, fixed, one_number, same_pads, unless
from bmc.ops.axes import explicit_padding
from bmc.ops.base import per_axis
from bmc.ops.conv import Conv, ConvTranspose
from bmc.types.tensor import TensorType
from bmc_torch.lower.linear import normed
from bmc_torch.lower.table import lower, part

SAME_PADDING = part("pad_same")


def torch_pads(pads: Pads) -> tuple[Any, ...]:
    """Padding as `F.pad` takes it: the last axis first."""
    return tuple(size for low_high in reversed(pads) for size in low_high)


@lower(Conv)
def conv(op: Conv, site: Site) -> Lowered:
    """`nn.Conv1d`, `2d` or `3d`; what it can't pad itself is padded before."""
    (x,) = site.inputs
    axes = x.rank - 1
    padding, before, support = _padding(op, x)
    settings: dict[str, Any] = {"kernel_size": op.kernel}
    settings |= unless(1, stride=op.stride)
    settings |= unless(0, padding=padding)
    settings |= unless(1, dilation=op.dilation, groups=op.group_count(x))
    settings |= unless(True, bias=op.bias)
    settings |= unless("zeros", padding_mode=op.padding_mode)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        return Call(layer, (before(args[0]) if before else args[0],))

    kind = f"nn.Conv{axes}d"
    if op.weight_norm:
        kind, more = normed(f"Conv{axes}d")
        support += more
    made = call(kind, x.shape[0], op.filters, **settings)
    return Module(made, use, support=support)


def _padding(op: Conv, x: TensorType) -> tuple[Any, Any, tuple[Support, ...]]:
    """What the module pads, what is done to the input before, and the helpers for it."""
    axes = x.rank - 1
    mode = {} if op.padding_mode == "zeros" else {"mode": op.padding_mode}
    pads: Pads | None
    if op.padding == "causal":
        (width,), (apart,) = (per_axis(v, 1, "") for v in (op.kernel, op.dilation))
        pads = ((apart * (width - 1), 0),)
    elif op.padding == "same":
        pads = same_pads(x.shape[1:], op.kernel, op.stride, op.dilation)
    else:
        pads = explicit_padding(op.padding, axes)
        if not isinstance(op.padding, tuple):
            return op.padding, None, ()
    if pads is None:
        sizes = tuple(per_axis(v, axes, "") for v in (op.kernel, op.stride, op.dilation))
        return 0, lambda value: call("pad_same", value, *sizes, **mode), (SAME_PADDING,)
    if all(low == high and fixed((low, high)) for low, high in pads):
        return one_number(tuple(low for low, _ in pads)), None, ()
    return 0, lambda value: call("F.pad", value, torch_pads(pads), **mode), ()


@lower(ConvTranspose)
def conv_transpose(op: ConvTranspose, site: Site) -> Lowered:
    """`nn.ConvTranspose1d`, `2d` or `3d`; `same` cuts the full result."""
    (x,) = site.inputs
    axes = x.rank - 1
    kernel, stride, dilation, _ = op.spread(axes)
    same = op.padding == "same"
    padding: Any = 0 if same else op.padding
    if isinstance(padding, tuple):
        padding = tuple(low for low, _ in explicit_padding(padding, axes))
    reach = tuple(apart * (width - 1) + 1 for apart, width in zip(dilation, kernel))
    extra = tuple(max(step - far, 0) for step, far in zip(stride, reach))
    settings: dict[str, Any] = {"kernel_size": op.kernel}
    settings |= unless(1, stride=op.stride)
    settings |= unless(0, padding=padding)
    if same and any(extra):
        settings["output_padding"] = one_number(extra)
    settings |= unless(0, output_padding=op.output_padding)
    settings |= unless(1, groups=op.groups) | unless(True, bias=op.bias)
    settings |= unless(1, dilation=op.dilation)
    cuts = [max(far - step, 0) for far, step in zip(reach, stride)]
    pads = tuple((-(cut // 2), cut // 2 - cut) for cut in cuts)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        full = Call(layer, tuple(args))
        return call("F.pad", full, torch_pads(pads)) if same and any(cuts) else full

    made = call(f"nn.ConvTranspose{axes}d", x.shape[0], op.filters, **settings)
    return Module(made, use)
