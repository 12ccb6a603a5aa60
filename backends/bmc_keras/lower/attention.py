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
from bmc.types.tensor import TensorType
from bmc_keras.lower.attention_parts import attention, helpers
from bmc_keras.lower.common import literals
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import lower
from bmc_keras.weights import At, Said

DENSE = {"query": "query", "key": "key", "value": "value", "output": "combine"}


def _own_weights(plan: Configuration, biased: tuple[str, ...]) -> dict[str, At]:
    """Where a class of our own keeps its weights."""
    found: dict[str, At] = {}
    for role, place in DENSE.items():
        found[f"{role}.weight"] = At(f"{place}.kernel", (1, 0))
        if role in biased:
            test = f"layer.{place}.use_bias" if plan.chosen else "layer.query.use_bias"
            found[f"{role}.bias"] = At(f"{place}.bias", (0,), test=test)
    if plan.normed:
        for norm in ("query_norm", "key_norm"):
            found[f"{norm}.weight"] = At(f"{norm}.scale", (0,))
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


def _start(op: Any, x: TensorType, built_in: bool) -> Expr | None:
    """The initialiser of the projections.

    `layers.MultiHeadAttention` counts the fans of kernels with three axes in another way, so the
    limits of Glorot's are written out.
    """
    if built_in and isinstance(op.init, GlorotUniform):
        width = x.shape[-1]
        mean: Expr = Bin("/", lit(3), lit(width))
        if op.head_dim is not None:
            mean = Bin("/", lit(6), lit(width + op.heads * op.head_dim))
        limit = call("math.sqrt", mean)
        scaled: Expr = limit if op.init.gain == 1 else Bin("*", lit(op.init.gain), limit)
        return call("keras.initializers.RandomUniform", Un("-", scaled), scaled)
    return initializer(op.init)


def _attention(op: SelfAttention | Attention, site: Site) -> Lowered:
    plan, named = configuration(op, bool(site.masks), site.inputs)
    x, memory = site.inputs[0], site.inputs[op.inputs[0] - 1]
    plan = replace(plan, deep=x.rank > 3)
    width = x.shape[-1]
    special = plan.grouped or plan.scaled or plan.rotary or plan.scored
    special = special or plan.chosen or plan.normed or plan.near or plan.capped
    # Keras 3.15 goes wrong on heads of size one where there are as many steps as heads.
    tiny = op.head_size(x) == 1
    # Its causal mask is one of the first axis after the batch, whatever `attention_axes` says.
    deep = plan.deep or (op.causal and x.rank > 2)
    built_in = not (special or tiny or deep) and memory.shape[-1] == width
    start = _start(op, x, built_in)
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
        weights=_own_weights(plan, op.biased()),
        helper=snake(plan.name),
        positional=("width", "heads"),
        defaults=literals(bias=True),
    )


def _multi_head(op: SelfAttention | Attention, site: Site, start: Expr) -> Module:
    (x, *_) = site.inputs
    settings: dict[str, Any] = {
        "num_heads": op.heads,
        "key_dim": op.head_size(x),
        "dropout": op.dropout,
        "use_bias": bool(op.biased()),
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
        weights={"": _built_in_weights(bool(op.biased()))},
    )


@lower(SelfAttention)
def self_attention(op: SelfAttention, site: Site) -> Lowered:
    """`layers.MultiHeadAttention` of a sequence to itself."""
    return _attention(op, site)


@lower(Attention)
def cross_attention(op: Attention, site: Site) -> Lowered:
    """`layers.MultiHeadAttention` of one sequence to another."""
    return _attention(op, site)
