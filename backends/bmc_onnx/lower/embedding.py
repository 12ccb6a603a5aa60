"""Vectors for ids and for positions in ONNX."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, Starred, call, name
from bmc.ops import embedding as ops
from bmc.ops.axes import known_dim
from bmc_onnx.lower.common import below, listed, method
from bmc_onnx.lower.support import SINUSOIDAL_POSITIONS, SINUSOIDAL_POSITIONS_2D, SINUSOIDS
from bmc_onnx.lower.table import lower, part
from bmc_onnx.lower.weighted import ALL_POSITIONS, EMBED, LEARNED_POSITIONS

ROTARY_POSITIONS = part("rotary_positions")
BUCKETED = part("bucketed_bias")
ROTARY_NEIGHBOURS = part("rotary_neighbours")


@lower(ops.Embedding)
def embedding(op: ops.Embedding, site: Site) -> Lowered:
    """`Gather` from the table."""
    return method(EMBED, (op.count, op.dim))


@lower(ops.LearnedPositions)
def learned_positions(op: ops.LearnedPositions, site: Site) -> Lowered:
    """The first rows of the table, added."""
    (x,) = site.inputs
    count = op.count(x)
    key = ALL_POSITIONS if x.shape[-2] == count else LEARNED_POSITIONS
    return method(key, (count, x.shape[-1]))


@lower(ops.SinusoidalPositions)
def sinusoidal_positions(op: ops.SinusoidalPositions, site: Site) -> Lowered:
    """Sines and cosines in turn, added."""
    return method(SINUSOIDAL_POSITIONS, site.inputs[0].shape[-1], op.theta)


@lower(ops.RotaryPositions)
def rotary_positions(op: ops.RotaryPositions, site: Site) -> Lowered:
    """Pairs turned by their sines and cosines."""
    (x,) = site.inputs
    count = op.turned(x)
    rest = known_dim(x.shape[-1], "the number of features") - count
    if op.interleaved:
        axes = x.rank + (1 if x.batched else 0) - 1  # before the last
        return method(ROTARY_NEIGHBOURS, count, rest, op.theta, axes)
    sizes = [count // 2, count // 2, *([rest] if rest else [])]
    return method(ROTARY_POSITIONS, listed(sizes), op.theta)


@lower(ops.RelativeBias)
def relative_bias(op: ops.RelativeBias, site: Site) -> Lowered:
    """Rows of the table by the distance's bucket, the heads in front."""

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        sizes = (op.heads, op.buckets, op.distance)
        more = {"causal": True} if op.causal else {}
        return call("g.bucketed_bias", values[0], values[-1], *sizes, name=label, **more)

    return Function(build, (BUCKETED,))


@lower(ops.SinusoidalPositions2d)
def sinusoidal_positions_2d(op: ops.SinusoidalPositions2d, site: Site) -> Lowered:
    """Sines and cosines of rows and of columns, added."""
    return method(SINUSOIDAL_POSITIONS_2D, site.inputs[0].shape[-1], op.theta)


@lower(ops.Sinusoid)
def sinusoid(op: ops.Sinusoid, site: Site) -> Lowered:
    """Sines, then cosines."""
    (x,) = site.inputs

    def build(args: list[Expr]) -> Expr:
        value, label = args
        if x.dtype == "int":
            kind = name("TensorProto.FLOAT")
            value = call("g.add", "Cast", value, name=below(label, "number"), to=kind)
        waves = call("g.sinusoids", value, op.dim, op.theta, name=below(label, "waves"))
        return call("g.add", "Concat", Starred(waves), name=label, axis=-1)

    return Function(build, (SINUSOIDS,))
