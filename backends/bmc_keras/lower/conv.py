"""Convolutions in Keras, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Lowered, Module, Site, Support, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.parts import filled
from bmc.emit.pyexpr import Call, Compare, Expr, IfExp, Index, SliceExpr, call, lit, name
from bmc.emit.values import fixed, one_number, same_pads
from bmc.ops.axes import explicit_padding
from bmc.ops.base import per_axis
from bmc.ops.conv import Conv, ConvTranspose
from bmc.types.tensor import TensorType
from bmc_keras.lower.common import ALL, literals, starts
from bmc_keras.lower.common import bias as kept_bias
from bmc_keras.lower.initializers import explicit
from bmc_keras.lower.linear import normed, normed_places
from bmc_keras.lower.table import lower, part
from bmc_keras.weights import At

KERNELS = {
    1: At("kernel", (2, 1, 0), "TIO -> OIT"),
    2: At("kernel", (3, 2, 0, 1), "HWIO -> OIHW"),
    3: At("kernel", (4, 3, 0, 1, 2), "DHWIO -> OIDHW"),
}
DEFAULTS = literals(strides=1, padding="valid", dilation_rate=1, use_bias=True)
REPEAT_BORDER = part("repeat_border")
HELPERS = {1: "conv1d", 2: "conv", 3: "conv3d"}


def keeps_size(pads: Any, kernel: Any, stride: Any, dilation: Any, axes: int) -> bool:
    """Whether this padding is what Keras calls `same`: as much before as after, at stride 1."""
    spread = (per_axis(value, axes, "") for value in (kernel, stride, dilation))
    return all(
        step == 1 and low == high and 2 * low == apart * (width - 1)
        for (low, high), width, step, apart in zip(pads, *spread)
    )


@lower(Conv, "last")
def conv(op: Conv, site: Site) -> Lowered:
    """`layers.Conv1D`, `2D` or `3D`; other padding than `same` is put around before."""
    (x,) = site.inputs
    axes = x.rank - 1
    apart = _steps_apart(op, axes)
    before = _before(op, x, axes)
    word: Any = _padding(op, x, axes)[0] if op.padding_mode == "zeros" else "valid"
    at_rest = _at_rest(op, axes)
    if at_rest is not None:
        word = IfExp(at_rest, lit("same"), lit("valid"))
    initial = starts(op)
    if before is None or initial is None:
        return Unsupported("this start, or padding of a free size, is not lowered yet")

    def use(layer: Expr, args: list[Expr]) -> Expr:
        made = Call(layer, (before(args[0]),))
        if not apart:
            return made
        # Keras has no stride beside a dilation: all places are computed, and some are taken.
        steps = (lit(step) if step > 1 else None for step in per_axis(op.stride, axes, ""))
        return Index(made, (ALL, *(SliceExpr(None, None, step) for step in steps)))

    settings = {
        "kernel_size": op.kernel,
        "strides": 1 if apart else op.stride,
        "padding": word,
        "dilation_rate": op.dilation,
        "use_bias": op.bias,
        **initial,
    }
    support: tuple[Support, ...] = (REPEAT_BORDER,) if op.padding_mode == "replicate" else ()
    groups = op.group_count(x)
    if op.weight_norm and groups != 1:
        return Unsupported("a weight norm of groups is not lowered yet")
    if groups != 1 and _depthwise(op, x, axes):
        return _by_channel(op, site, settings, use, support)
    kind, helper = f"layers.Conv{axes}D", HELPERS[axes]
    if groups != 1:
        kind, helper = f"GroupedConv{axes}D", f"grouped_{HELPERS[axes]}"
        settings = {"groups": groups, **settings}
        support += (
            filled("bmc_keras", "grouped_conv.py", kind, ("keras", "layers", "ops"), axes=axes),
        )
    places = {"weight": KERNELS[axes], **kept_bias(op)}
    if op.weight_norm:
        kind, helper = f"WeightNormConv{axes}D", f"weight_norm_{helper}"
        support += normed(kind, f"Conv{axes}D")
        places = normed_places(places)
    return Module(
        Call(name(kind), (lit(op.filters),), keywords(settings)),
        use,
        helper=helper if op.bias else f"{helper}_without_bias",
        positional=("filters",),
        defaults=DEFAULTS,
        support=support,
        weights=places,
    )


def _steps_apart(op: Any, axes: int) -> bool:
    both = zip(per_axis(op.stride, axes, ""), per_axis(op.dilation, axes, ""))
    strides, dilations = zip(*both)
    return bool(max(strides) > 1 and max(dilations) > 1)


def _own_same(op: Any, axes: int) -> bool:
    """Whether `same` has to be put around: beside strides and dilation, and where TensorFlow errs."""
    return _steps_apart(op, axes) or beyond_steps(op.kernel, op.stride, axes)


def beyond_steps(kernel: Any, stride: Any, axes: int) -> bool:
    """Whether TensorFlow places the windows of `same` wrongly: of longer steps, on three axes."""
    pairs = zip(per_axis(stride, axes, ""), per_axis(kernel, axes, ""))
    return axes == 3 and any(step > width for step, width in pairs)


def _depthwise(op: Conv, x: TensorType, axes: int) -> bool:
    """Whether each channel has windows of its own, in a form that TensorFlow has."""
    alike = len(set(per_axis(op.stride, axes, ""))) == 1
    return axes < 3 and alike and op.group_count(x) == x.shape[0]


def _by_channel(
    op: Conv, site: Site, settings: dict[str, Any], use: Any, support: tuple[Support, ...]
) -> Module:
    """`layers.DepthwiseConv1D` or `2D`."""
    (x,) = site.inputs
    axes = x.rank - 1
    multiplier = op.filters // x.shape[0]  # type: ignore[operator]
    start = explicit(op.init, site.weights["weight"]) or settings.pop("kernel_initializer")
    settings.pop("kernel_initializer", None)
    settings = {"depth_multiplier": multiplier, **settings, "depthwise_initializer": start}
    order = tuple(range(axes))
    word = "depthwise" if axes == 2 else f"depthwise{axes}d"
    if op.padding == "causal":  # which depthwise layers do not know
        settings["padding"] = "valid"
        reach = per_axis(op.dilation, 1, "")[0] * (per_axis(op.kernel, 1, "")[0] - 1)
        pad = call("layers.ZeroPadding1D", (reach, 0))
        given = use

        def use(layer: Expr, args: list[Expr]) -> Expr:
            return given(layer, [Call(pad, (args[0],))])  # type: ignore[no-any-return]

    wide = tuple(f"layer.kernel.shape[{place}]" for place in order)
    at = At(
        "kernel",
        (axes, axes + 1, *order),
        shape=f"(-1, 1, {', '.join(wide)})",
    )
    return Module(
        Call(name(f"layers.DepthwiseConv{axes}D"), (), keywords(settings)),
        use,
        helper=word if op.bias else f"{word}_without_bias",
        defaults={**DEFAULTS, **literals(depth_multiplier=1)},
        support=support,
        weights={"weight": at, **kept_bias(op)},
    )


def _at_rest(op: Conv, axes: int) -> Expr | None:
    """That a setting says how far windows move: where they do not skip any place, if so.

    Then `same` puts as much around as the padding of an odd kernel; where they move further, it
    would put less before than after. Uses of a block with other strides so have one text.
    """
    alone = isinstance(op.padding, int) and isinstance(op.stride, int)
    if op.padding_mode != "zeros" or not alone or fixed(op.padding) or fixed(op.stride):
        return None
    pads = ((op.padding, op.padding),) * axes
    if op.stride == 1 and not keeps_size(pads, op.kernel, 1, op.dilation, axes):
        return None
    return Compare("==", lit(op.stride), lit(1))


def _before(op: Conv, x: TensorType, axes: int) -> Callable[[Expr], Expr] | None:
    """What is put around the input before; None if that isn't known."""
    at_rest = _at_rest(op, axes)
    if at_rest is not None:
        zeros = call(f"layers.ZeroPadding{axes}D", op.padding)
        return lambda value: IfExp(at_rest, value, Call(zeros, (value,)))
    if op.padding_mode == "zeros":
        word, pads = _padding(op, x, axes)
        if pads is None:
            return None if word == "same" and _own_same(op, axes) else lambda value: value
        layer = call(f"layers.ZeroPadding{axes}D", _pads(pads, axes))
        return lambda value: Call(layer, (value,))
    pads = explicit_padding(op.padding, axes) if not isinstance(op.padding, str) else None
    if op.padding == "same":
        pads = same_pads(x.shape[1:], op.kernel, op.stride, op.dilation)
    if op.padding == "causal":
        reach = per_axis(op.dilation, 1, "")[0] * (per_axis(op.kernel, 1, "")[0] - 1)
        pads = ((reach, 0),)
    if pads is None:
        return None
    if op.padding_mode == "replicate":
        return lambda value: repeat_borders(value, pads, 1)
    around = ((0, 0), *pads, (0, 0))
    return lambda value: call("ops.pad", value, around, mode=op.padding_mode)


def repeat_borders(value: Expr, pads: Any, first: int) -> Expr:
    """The outermost elements of axes, counted from `first`, taken several times."""
    for place, (low, high) in enumerate(pads, start=first):
        if int(low) or int(high):
            value = call("repeat_border", value, place, low, high)
    return value


def _padding(op: Conv, x: TensorType, axes: int) -> tuple[str, Any]:
    """Keras' word, and what is put around before, if anything."""
    if op.padding == "same" and _own_same(op, axes):
        pads = same_pads(x.shape[1:], op.kernel, op.stride, op.dilation)
        return ("same", None) if pads is None else ("valid", pads)
    if op.padding in ("same", "causal"):
        return op.padding, None
    pads = explicit_padding(op.padding, axes)
    if all(low == high == 0 for low, high in pads):
        return "valid", None
    if keeps_size(pads, op.kernel, op.stride, op.dilation, axes):
        return "same", None
    return "valid", pads


def _pads(pads: Any, axes: int) -> Any:
    if axes == 1:
        return pads[0]
    numbers = {int(size) for pair in pads for size in pair}
    return pads[0][0] if len(numbers) == 1 else pads


@lower(ConvTranspose, "last")
def conv_transpose(op: ConvTranspose, site: Site) -> Lowered:
    """`layers.Conv1DTranspose`, `2D` or `3D`; padding is cut off afterwards."""
    (x,) = site.inputs
    axes = x.rank - 1
    initial = starts(op)
    if initial is None:
        return Unsupported("this start is not lowered yet")
    if op.groups != 1:
        return Unsupported("Keras has no groups of transposed convolutions")
    _, _, dilation, extra = op.spread(axes)
    if max(dilation) > 1:
        return Unsupported("TensorFlow has no dilation of transposed convolutions on a CPU")
    same = op.padding == "same"
    pads = ((0, 0),) * axes if same else explicit_padding(op.padding, axes)
    cuts = tuple((low, max(high - more, 0)) for (low, high), more in zip(pads, extra))
    left = tuple(max(more - high, 0) for (_, high), more in zip(pads, extra))
    settings = {
        "kernel_size": op.kernel,
        "strides": op.stride,
        "padding": "same" if same else "valid",
        "output_padding": None if same else one_number(left),
        "use_bias": op.bias,
        **initial,
    }

    def use(layer: Expr, args: list[Expr]) -> Expr:
        full = Call(layer, tuple(args))
        if not any(low or high for low, high in cuts):
            return full
        return Call(call(f"layers.Cropping{axes}D", _pads(cuts, axes)), (full,))

    order = (axes + 1, axes, *range(axes))
    word = f"{HELPERS[axes]}_transpose"
    return Module(
        Call(name(f"layers.Conv{axes}DTranspose"), (lit(op.filters),), keywords(settings)),
        use,
        helper=word if op.bias else f"{word}_without_bias",
        positional=("filters",),
        defaults={**DEFAULTS, **literals(output_padding=None)},
        weights={"weight": At("kernel", order), **kept_bias(op)},
    )
