"""Moving elements in NumPy."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import call, method
from bmc.emit.rows import dim
from bmc.emit.values import number
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc.types.symbolic import known
from bmc_programs.lower.table import lower

FREE = Unsupported("an axis of free size is shaped inside the model")


def _shaped(shape: tuple[Any, ...], site: Site) -> Lowered:
    if not all(map(known, shape)):
        return FREE
    sizes = (*((-1,) if site.inputs[0].batched else ()), *map(number, shape))
    return Function(lambda args: method(args[0], "reshape", *sizes))


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`x.reshape`"""
    return _shaped(site.outputs[0].shape, site)


@lower(ops.Reshape)
def reshape(op: ops.Reshape, site: Site) -> Lowered:
    """`x.reshape`"""
    return _shaped(site.outputs[0].shape, site)


@lower(ops.Transpose)
def transpose(op: ops.Transpose, site: Site) -> Lowered:
    """`x.transpose`"""
    (x,) = site.inputs
    shift = 1 if x.batched else 0
    order = (*range(shift), *(axis + shift for axis in op.axes(x)))
    return Function(lambda args: method(args[0], "transpose", *order))


@lower(ops.Squeeze)
def squeeze(op: ops.Squeeze, site: Site) -> Lowered:
    """`x.squeeze`"""
    (x,) = site.inputs
    axis = axis_of(x, op.axis) + (1 if x.batched else 0)
    return Function(lambda args: method(args[0], "squeeze", axis=axis))


@lower(ops.Expand)
def expand(op: ops.Expand, site: Site) -> Lowered:
    """`np.expand_dims`"""
    (x,) = site.inputs
    return Function(lambda args: call("np.expand_dims", args[0], dim(x, op.axis)))


@lower(ops.Cast)
def cast(op: ops.Cast, site: Site) -> Lowered:
    """`x.astype`"""
    kind = {"float": "float32", "int": "int64", "bool": "bool"}[site.outputs[0].dtype]
    return Function(lambda args: method(args[0], "astype", kind))
