"""Vectors for ids and for positions in Keras."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Module, Site, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Call, Expr, call, lit, name
from bmc.ops import embedding as ops
from bmc_keras.lower.attention_parts import INTERLEAVED, ROTARY
from bmc_keras.lower.common import literals
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import lower, part
from bmc_keras.weights import At

TABLE = {"weight": At("embeddings", (0, 1))}
NO_START = Unsupported("this start is not lowered yet")
EDGES = part("bucket_edges")
RELATIVE = part("RelativeBias")
PADDED = part("PaddedEmbedding")
LEARNED = part("LearnedPositions")
SINUSOIDS = part("sinusoids")
SINUSOIDAL = part("SinusoidalPositions")
ROTARY_POSITIONS = part("RotaryPositions")


SINUSOIDAL_2D = part("SinusoidalPositions2D")


@lower(ops.Embedding)
def embedding(op: ops.Embedding, site: Site) -> Lowered:
    """`layers.Embedding`."""
    start = initializer(op.init)
    if start is None:
        return NO_START
    settings: dict[str, Any] = {"embeddings_initializer": start}
    kind, helper = "layers.Embedding", "embedding"
    if op.pad is not None:
        kind, helper = "PaddedEmbedding", "padded_embedding"
        settings["pad"] = op.pad
    elif site.lends:
        kind, helper = "layers.ReversibleEmbedding", "reversible_embedding"
    return Module(
        Call(name(kind), (lit(op.count), lit(op.dim)), keywords(settings)),
        helper=helper,
        positional=("count", "dim"),
        support=() if op.pad is None else (PADDED,),
        weights=TABLE,
    )


@lower(ops.LearnedPositions)
def learned_positions(op: ops.LearnedPositions, site: Site) -> Lowered:
    """A small layer that holds the table."""
    (x,) = site.inputs
    start = initializer(op.init)
    if start is None:
        return NO_START
    settings = keywords({"embeddings_initializer": start})
    made = Call(name("LearnedPositions"), (lit(op.count(x)),), settings)
    return Module(
        made,
        helper="learned_positions",
        positional=("count",),
        support=(LEARNED,),
        weights=TABLE,
    )


@lower(ops.SinusoidalPositions)
def sinusoidal_positions(op: ops.SinusoidalPositions, site: Site) -> Lowered:
    """A small layer, since the number of positions may be free."""
    return Module(call("SinusoidalPositions", op.theta), support=(SINUSOIDS, SINUSOIDAL))


@lower(ops.RotaryPositions)
def rotary_positions(op: ops.RotaryPositions, site: Site) -> Lowered:
    """A small layer, since the number of positions may be free."""
    turn = INTERLEAVED if op.interleaved else ROTARY
    (x,) = site.inputs
    size = x.shape[-1] if op.fraction == 1 else op.turned(x)
    made = call(ROTARY_POSITIONS.name, name(turn.name), op.theta, size)
    return Module(made, support=(turn, ROTARY_POSITIONS))


@lower(ops.RelativeBias)
def relative_bias(op: ops.RelativeBias, site: Site) -> Lowered:
    """A small layer that holds the table."""
    start = initializer(op.init)
    if start is None:
        return NO_START
    settings = keywords(
        {"embeddings_initializer": start, **({"causal": True} if op.causal else {})}
    )
    made = Call(name(RELATIVE.name), (lit(op.heads), lit(op.buckets), lit(op.distance)), settings)
    return Module(
        made,
        helper="relative_bias",
        positional=("heads", "buckets", "distance"),
        support=(EDGES, RELATIVE),
        weights=TABLE,
        defaults=literals(causal=False),
    )


@lower(ops.SinusoidalPositions2d)
def sinusoidal_positions_2d(op: ops.SinusoidalPositions2d, site: Site) -> Lowered:
    """A small layer, since the size of the map may be free."""
    return Module(call("SinusoidalPositions2D", op.theta), support=(SINUSOIDS, SINUSOIDAL_2D))


@lower(ops.Sinusoid)
def sinusoid(op: ops.Sinusoid, site: Site) -> Lowered:
    """Sines, then cosines."""
    whole = site.inputs[0].dtype == "int"

    def build(args: list[Expr]) -> Expr:
        x = call("ops.cast", args[0], call("keras.config.floatx")) if whole else args[0]
        return call("ops.concatenate", call("sinusoids", x, op.dim, op.theta), axis=-1)

    return Function(build, (SINUSOIDS,))
