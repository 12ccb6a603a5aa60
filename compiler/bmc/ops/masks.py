"""How the mask of a padded value changes on its way through a layer.

Padding is always at the end. Most layers keep the mask of their first padded input; those that
move, cut or lengthen the padded axis are here, for the elaborator and for every backend.
"""

from __future__ import annotations

from typing import Any

from bmc.ir.types import TensorType
from bmc.ops.arithmetic import Take
from bmc.ops.axes import axis_of, explicit_padding, ragged_axis
from bmc.ops.base import Layer, per_axis
from bmc.ops.conv import Conv
from bmc.ops.join import Concat
from bmc.ops.pool import Pool
from bmc.records import record


@record
class Window:
    """Each length n becomes (n + padding - reach) // stride + 1."""

    reach: int
    stride: int
    padding: int


@record
class Every:
    """Each length n becomes ceil(n / stride)."""

    stride: int


@record
class Prefix:
    """As many real elements come before."""

    count: int


@record
class From:
    """As many elements are cut off before."""

    start: int


Change = Window | Every | Prefix | From


def mask_change(op: Layer, inputs: tuple[TensorType, ...]) -> Change | None:
    """What happens to the mask of the first padded input; None if it stays as it is."""
    if isinstance(op, Conv | Pool):
        return _window(op, inputs[0])
    if isinstance(op, Concat):
        last = inputs[-1]
        if not last.ragged or axis_of(last, op.axis) != ragged_axis(last):
            return None
        count: Any = 0
        for x in inputs[:-1]:
            count = count + x.shape[axis_of(x, op.axis)]
        return Prefix(count) if len(inputs) > 1 else None
    if isinstance(op, Take):
        item = op.expanded(inputs[0].rank)[ragged_axis(inputs[0])]
        return From(item[0]) if isinstance(item, tuple) and item[0] else None
    return None


def _window(op: Conv | Pool, x: TensorType) -> Change | None:
    axis = ragged_axis(x)
    axes, place = x.rank - 1, axis - 1
    if isinstance(op, Pool):
        if op.axis is not None:
            if axis_of(x, op.axis) != axis:
                return None
            axes, place = 1, 0
        steps = op.kernel if op.stride is None else op.stride
    else:
        steps = op.stride
    stride = per_axis(steps, axes, "stride")[place]
    kernel = per_axis(op.kernel, axes, "kernel")[place]
    dilation = per_axis(getattr(op, "dilation", 1), axes, "dilation")[place]
    reach = dilation * (kernel - 1) + 1
    if op.padding in ("same", "replicate"):
        return None if stride == 1 else Every(stride)
    if op.padding == "causal":
        padding = reach - 1
    else:
        padding = sum(explicit_padding(op.padding, axes)[place])
    if stride == 1 and padding == reach - 1:
        return None
    return Window(reach, stride, padding)
