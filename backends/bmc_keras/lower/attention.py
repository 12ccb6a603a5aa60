"""Attention in Keras: `layers.MultiHeadAttention`, or a class of four dense layers."""

from __future__ import annotations

from typing import Any

from bmc.elaborate.naming import snake
from bmc.emit.attention import Configuration, configuration
from bmc.emit.backend import Lowered, Module, Site, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Bin, Call, Expr, Un, call, lit, name
from bmc.ops.attention import Attention, SelfAttention
from bmc.ops.initializers import GlorotUniform
from bmc.records import replace
from bmc_keras.lower.attention_parts import attention, helpers
from bmc_keras.lower.common import literals
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import lower
from bmc_keras.weights import At, Said

DENSE = {"query": "query", "key": "key", "value": "value", "output": "combine"}


def _own_weights(plan: Configuration, bias: bool) -> dict[str, At]:
    """Where a class of our own keeps its weights."""
    found: dict[str, At] = {}
    for role, place in DENSE.items():
        found[f"{role}.weight"] = At(f"{place}.kernel", (1, 0))
        if bias:
            found[f"{role}.bias"] = At(f"{place}.bias", (0,), test="layer.query.use_bias")
    if plan.relative:
        found["positions.weight"] = At("positions", (0, 1))
    return found


def _built_in_weights(bias: bool) -> Said:
    """Where `layers.MultiHeadAttention` keeps them: kernels (width, heads, size)."""
    lines = [
        'for role in ("query", "key", "value"):',
        '    part = getattr(layer, f"{role}_dense")',
        "    shape = (-1, part.kernel.shape[0])",
        '    weights[f"{name}.{role}.weight"] = Place(part.kernel, (1, 2, 0), shape)',
        '    weights[f"{name}.{role}.bias"] = Place(part.bias, (0, 1), (-1,))',
        "part = layer.output_dense",
        "shape = (part.kernel.shape[-1], -1)",
        'weights[f"{name}.output.weight"] = Place(part.kernel, (2, 0, 1), shape)',
        'weights[f"{name}.output.bias"] = Place(part.bias, (0,))',
    ]
    kept = tuple(line for line in lines if bias or ".bias" not in line)
    return Said(kept, biased="part.bias is not None")


def _start(op: Any, width: Any, built_in: bool) -> Expr | None:
    """The initialiser of the projections.

    `layers.MultiHeadAttention` counts the fans of kernels with three axes in another way, so the
    limits of Glorot's are written out.
    """
    if built_in and isinstance(op.init, GlorotUniform):
        limit = call("math.sqrt", Bin("/", lit(3), lit(width)))
        scaled: Expr = limit if op.init.gain == 1 else Bin("*", lit(op.init.gain), limit)
        return call("keras.initializers.RandomUniform", Un("-", scaled), scaled)
    return initializer(op.init)


def _attention(op: SelfAttention | Attention, site: Site) -> Lowered:
    plan, named = configuration(op, bool(site.masks))
    x, memory = site.inputs[0], site.inputs[-1]
    plan = replace(plan, deep=x.rank > 3)
    width = x.shape[-1]
    special = plan.grouped or plan.scaled or plan.rotary or plan.scored
    # Keras 3.15 goes wrong on heads of size one where there are as many steps as heads.
    tiny = op.heads == width
    # Its causal mask is one of the first axis after the batch, whatever `attention_axes` says.
    deep = plan.deep or (op.causal and x.rank > 2)
    built_in = not (special or tiny or deep) and memory.shape[-1] == width
    start = _start(op, width, built_in)
    if start is None:
        return Unsupported("this start is not lowered yet")
    if built_in:
        return _multi_head(op, site, start)
    made = Call(
        name(plan.name),
        (lit(width), lit(op.heads)),
        keywords({**named, "kernel_initializer": start}),
    )
    return Module(
        made,
        support=(*helpers(plan), attention(plan)),
        weights=_own_weights(plan, op.bias),
        helper=snake(plan.name),
        positional=("width", "heads"),
        defaults=literals(bias=True),
    )


def _multi_head(op: SelfAttention | Attention, site: Site, start: Expr) -> Module:
    (x, *_) = site.inputs
    settings: dict[str, Any] = {
        "num_heads": op.heads,
        "key_dim": x.shape[-1] // op.heads,
        "dropout": op.dropout,
        "use_bias": op.bias,
        "attention_axes": None if x.rank == 2 else x.rank - 1,
        "kernel_initializer": start,
    }
    asked = {"use_causal_mask": op.causal, "return_attention_scores": op.return_weights}
    more = tuple((word, lit(True)) for word, on in asked.items() if on)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if not site.masks:
            return Call(layer, (args[0], args[-1]), more)
        *values, mask = args
        seen = call("ops.expand_dims", mask, 1)
        return Call(layer, (values[0], values[-1]), (("attention_mask", seen), *more))

    return Module(
        Call(name("layers.MultiHeadAttention"), (), keywords(settings)),
        use,
        helper="attention",
        defaults=literals(dropout=0.0, use_bias=True, attention_axes=None),
        weights={"": _built_in_weights(op.bias)},
    )


@lower(SelfAttention)
def self_attention(op: SelfAttention, site: Site) -> Lowered:
    """`layers.MultiHeadAttention` of a sequence to itself."""
    return _attention(op, site)


@lower(Attention)
def cross_attention(op: Attention, site: Site) -> Lowered:
    """`layers.MultiHeadAttention` of one sequence to another."""
    return _attention(op, site)
