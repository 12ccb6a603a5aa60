"""Vectors for ids and for positions in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Module, Site
from bmc.emit.pyexpr import Attr, Bin, Expr, Index, SliceExpr, TupleExpr, call, lit, method
from bmc.ops import embedding as ops
from bmc_torch.lower.attention_parts import INTERLEAVED, ROTARY
from bmc_torch.lower.table import lower, part

EDGES = part("bucket_edges")
BUCKETS = part("distance_buckets")
RELATIVE = part("relative_bias")
SINUSOIDS = part("sinusoids")


SINUSOIDAL_POSITIONS = part("sinusoidal_positions")
SINUSOIDAL_POSITIONS_2D = part("add_sinusoids_2d")


@lower(ops.Embedding)
def embedding(op: ops.Embedding, site: Site) -> Lowered:
    """`nn.Embedding`."""
    more: dict[str, Any] = {} if op.pad is None else {"padding_idx": op.pad}
    return Module(call("nn.Embedding", op.count, op.dim, **more))


@lower(ops.LearnedPositions)
def learned_positions(op: ops.LearnedPositions, site: Site) -> Lowered:
    """The first rows of an `nn.Embedding`, added."""
    (x,) = site.inputs
    count = op.count(x)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        table: Expr = Attr(layer, "weight")
        if x.shape[-2] != count:
            steps = Index(Attr(args[0], "shape"), (lit(-2),))
            table = Index(table, (SliceExpr(None, steps, None),))
        return Bin("+", args[0], table)

    return Module(call("nn.Embedding", count, x.shape[-1]), use)


@lower(ops.SinusoidalPositions)
def sinusoidal_positions(op: ops.SinusoidalPositions, site: Site) -> Lowered:
    """Sines and cosines in turn, added."""
    made = (SINUSOIDS, SINUSOIDAL_POSITIONS)
    return Function(lambda args: Bin("+", args[0], call(made[1].name, args[0], op.theta)), made)


@lower(ops.RotaryPositions)
def rotary_positions(op: ops.RotaryPositions, site: Site) -> Lowered:
    """Pairs turned; of a fraction, with the rest behind."""
    (x,) = site.inputs
    turn = INTERLEAVED if op.interleaved else ROTARY
    count = op.turned(x)

    def build(args: list[Expr]) -> Expr:
        if count == x.shape[-1]:
            return call(turn.name, args[0], op.theta)
        first, rest = (
            Index(args[0], (lit(...), part))
            for part in (SliceExpr(None, lit(count), None), SliceExpr(lit(count), None, None))
        )
        return call("torch.cat", TupleExpr((call(turn.name, first, op.theta), rest)), dim=-1)

    return Function(build, (turn,))


@lower(ops.RelativeBias)
def relative_bias(op: ops.RelativeBias, site: Site) -> Lowered:
    """An `nn.Embedding` of distances, the heads in front."""

    def use(layer: Expr, args: list[Expr]) -> Expr:
        more = {"causal": True} if op.causal else {}
        return call(RELATIVE.name, layer, args[0], args[-1], op.distance, **more)

    made = call("nn.Embedding", op.buckets, op.heads)
    return Module(made, use, support=(EDGES, BUCKETS, RELATIVE))


@lower(ops.SinusoidalPositions2d)
def sinusoidal_positions_2d(op: ops.SinusoidalPositions2d, site: Site) -> Lowered:
    """Sines and cosines of rows and of columns, added."""
    made = (SINUSOIDS, SINUSOIDAL_POSITIONS_2D)
    return Function(lambda args: call(made[1].name, args[0], op.theta), made)


@lower(ops.Sinusoid)
def sinusoid(op: ops.Sinusoid, site: Site) -> Lowered:
    """Sines, then cosines."""
    whole = site.inputs[0].dtype == "int"

    def build(args: list[Expr]) -> Expr:
        x = method(args[0], "to", call("torch.get_default_dtype")) if whole else args[0]
        return call("torch.cat", call("sinusoids", x, op.dim, op.theta), dim=-1)

    return Function(build, (SINUSOIDS,))
