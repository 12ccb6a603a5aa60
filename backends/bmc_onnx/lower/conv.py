"""Convolutions in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.emit.values import fixed, same_pads
from bmc.ops.axes import explicit_padding
from bmc.ops.base import per_axis
from bmc.ops.conv import Conv, ConvTranspose
from bmc_onnx.lower.common import below, image_pads, listed, method, pads
from bmc_onnx.lower.support import PAD
from bmc_onnx.lower.table import lower
from bmc_onnx.lower.weighted import (
    CONV,
    CONV_TRANSPOSE,
    CONV_TRANSPOSE_WITHOUT_BIAS,
    CONV_WITHOUT_BIAS,
    SCALED_WEIGHT,
    WEIGHT,
)


def around(
    op: Any, sizes: tuple[Any, ...], stride: Any, dilation: Any
) -> dict[str, Any] | Unsupported:
    """The attributes that say what is added around an input, if anything."""
    axes = len(sizes)
    if op.padding == "causal":
        reach = per_axis(dilation, 1, "")[0] * (per_axis(op.kernel, 1, "")[0] - 1)
        return {"pads": listed([reach, 0])}
    if op.padding == "same":
        found = same_pads(sizes, op.kernel, stride, dilation)
        if found is None:
            return _same_of_free_size(axes, op.kernel, stride, dilation)
    else:
        found = explicit_padding(op.padding, axes)
    nothing = all(low == high == 0 and fixed((low, high)) for low, high in found)
    return {} if nothing else {"pads": pads(found)}


def _same_of_free_size(
    axes: int, kernel: Any, stride: Any, dilation: Any
) -> dict[str, Any] | Unsupported:
    """`SAME_UPPER`, where onnxruntime means by it what the language means."""
    if spread(axes, dilations=dilation):
        return Unsupported("`same` of a free size with strides and dilation is not lowered yet")
    pairs = zip(per_axis(kernel, axes, ""), per_axis(stride, axes, ""))
    if any(step > width for width, step in pairs):  # it would take away instead of add
        reason = "`same` of a free size with steps longer than the window is not lowered yet"
        return Unsupported(reason)
    return {"auto_pad": "SAME_UPPER"}


def spread(axes: int, **settings: Any) -> dict[str, Any]:
    """Settings of a window that differ from one, with a number for each axis."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        numbers = per_axis(value, axes, "")
        if any(number != 1 or not fixed(number) for number in numbers):
            found[key] = listed(numbers)
    return found


@lower(Conv)
def conv(op: Conv, site: Site) -> Lowered:
    """`Conv`."""
    (x,) = site.inputs
    axes = x.rank - 1
    attributes = spread(axes, strides=op.stride, dilations=op.dilation)
    added = around(op, x.shape[1:], op.stride, op.dilation)
    if isinstance(added, Unsupported):
        return added
    if op.padding_mode == "zeros":
        attributes |= added
    elif "auto_pad" in added:
        return Unsupported("padding of a free size with other than zeros is not lowered yet")
    groups = op.group_count(x)
    if groups != 1 or not fixed(groups):
        attributes["group"] = groups
    helper = CONV if op.bias else CONV_WITHOUT_BIAS
    shape = site.weights["weight"].shape
    helpers: tuple[Support, ...] = (SCALED_WEIGHT, WEIGHT) if op.weight_norm else (helper,)

    def run(value: Expr, label: Expr) -> Expr:
        if not op.weight_norm:
            return call(f"g.{helper.name}", value, shape, name=label, **attributes)
        weights = [call("g.scaled_weight", shape, name=label)]
        weights += [call("g.weight", below(label, "bias"), shape[0])] if op.bias else []
        return call("g.add", "Conv", value, *weights, name=label, **attributes)

    if op.padding_mode == "zeros" or not added:
        return Function(lambda args: run(*args), helpers)
    mode = {"reflect": "reflect", "replicate": "edge"}[op.padding_mode]

    def build(args: list[Expr]) -> Expr:
        value, label = args
        sizes = image_pads(added["pads"])
        value = call("g.pad", value, sizes, name=below(label, "around"), mode=mode)
        return run(value, label)

    return Function(build, (PAD, *helpers))


@lower(ConvTranspose)
def conv_transpose(op: ConvTranspose, site: Site) -> Lowered:
    """`ConvTranspose`; `same` cuts the full result."""
    (x,) = site.inputs
    axes = x.rank - 1
    kernel, stride, dilation, extra = op.spread(axes)
    if op.padding == "same":
        reach = [apart * (width - 1) + 1 for apart, width in zip(dilation, kernel)]
        cuts = [max(far - step, 0) for far, step in zip(reach, stride)]
        found = tuple((cut // 2, cut - cut // 2) for cut in cuts)
        extra = tuple(max(step - far, 0) for step, far in zip(stride, reach))
    else:
        found = explicit_padding(op.padding, axes)
    attributes = spread(axes, strides=op.stride, dilations=op.dilation)
    if any(low or high for low, high in found):
        attributes["pads"] = pads(found)
    if op.padding != "same" and any(far >= step for far, step in zip(extra, stride)):
        # onnxruntime takes no more than a step: the rest is cut off less at the end.
        if any(far > high for far, (_, high) in zip(extra, found)):
            return Unsupported("`output_padding` beyond `stride` and `padding` is not lowered yet")
        found = tuple((low, high - far) for far, (low, high) in zip(extra, found))
        attributes.pop("pads", None)
        if any(map(any, found)):
            attributes["pads"] = pads(found)
        extra = ()
    if any(extra):
        attributes["output_padding"] = listed(extra)
    if op.groups != 1:
        attributes["group"] = op.groups
    helper = CONV_TRANSPOSE if op.bias else CONV_TRANSPOSE_WITHOUT_BIAS
    return method(helper, site.weights["weight"].shape, op.filters, **attributes)
