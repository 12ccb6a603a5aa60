"""Dense layers in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.ops.axes import axis_of
from bmc.ops.linear import Dense, MatMul
from bmc_onnx.lower.common import below, permuted, spread, turned, widening
from bmc_onnx.lower.table import lower
from bmc_onnx.lower.weighted import (
    DENSE,
    DENSE_LAST,
    DENSE_LAST_WITHOUT_BIAS,
    DENSE_WITHOUT_BIAS,
    MULTIPLY_TURNED,
    SCALED_WEIGHT,
)


@lower(Dense)
def dense(op: Dense, site: Site) -> Lowered:
    """`Gemm` on rows, `MatMul` on more axes."""
    (x,) = site.inputs
    place = axis_of(x, op.axis)
    rows = x.rank == 1 and x.batched
    helper = (DENSE if op.bias else DENSE_WITHOUT_BIAS) if rows else None
    helper = helper or (DENSE_LAST if op.bias else DENSE_LAST_WITHOUT_BIAS)
    if op.weight is not None:
        if op.bias:
            reason = "a matrix of another layer beside a bias of its own is not lowered yet"
            return Unsupported(reason, "write `bias=false`")
        helper = MULTIPLY_TURNED
    shape = (op.units, x.shape[place])
    order = [*(n for n in range(x.rank) if n != place), place]
    if op.weight_norm:
        return Function(turned(order, site, _normed(op, shape)), (SCALED_WEIGHT, MULTIPLY_TURNED))

    def run(args: list[Expr]) -> Expr:
        value, *weights, label = args
        if weights:
            return call(f"g.{helper.name}", value, *weights, name=label)
        return call(f"g.{helper.name}", value, shape, name=label)

    return Function(turned(order, site, run), (helper,))


def _normed(op: Dense, shape: tuple[Any, ...]) -> Callable[[list[Expr]], Expr]:
    """With a weight whose rows have learned lengths."""

    def run(args: list[Expr]) -> Expr:
        value, label = args
        weight = call("g.scaled_weight", shape, name=label)
        if not op.bias:
            return call("g.multiply_turned", value, weight, name=label)
        product = call("g.multiply_turned", value, weight, name=below(label, "product"))
        bias = call("g.weight", below(label, "bias"), shape[0])
        return call("g.add", "Add", product, bias, name=label)

    return run


@lower(MatMul)
def matmul(op: MatMul, site: Site) -> Lowered:
    """`MatMul`"""
    turns = (op.transpose_a, op.transpose_b)
    rank = max(x.rank for x in site.inputs)

    def build(args: list[Expr]) -> Expr:
        *given, label = args
        values = spread(given, site.inputs, label)
        for place, (turn, x) in enumerate(zip(turns, site.inputs)):
            if turn:
                size = rank if x.batched else x.rank
                order = [*range(size - 2), size - 1, size - 2]
                name = below(label, f"turned{place}")
                values[place] = permuted(values[place], order, x.batched, name)
        return call("g.add", "MatMul", *values, name=label)

    return Function(build, widening(site.inputs))
