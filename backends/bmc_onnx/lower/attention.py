"""Attention in ONNX: the operator `Attention` between dense layers."""

from __future__ import annotations

from bmc.emit.attention import configuration
from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.ops.attention import Attention, SelfAttention
from bmc.records import replace
from bmc_onnx.lower.attention_parts import attention, helpers
from bmc_onnx.lower.table import lower


def _attention(op: SelfAttention | Attention, site: Site) -> Lowered:
    plan, named = configuration(op, bool(site.masks), site.inputs, "g.")
    plan = replace(plan, dropout=False)
    x = site.inputs[0]
    if x.rank > 3 or not x.batched:
        return Unsupported("more than one axis before the positions is not lowered yet")
    method = attention(plan, folded=x.rank == 3)
    sizes = [one.shape[-1] for one in site.inputs[: op.inputs[0]]]
    settings = {k: v for k, v in named.items() if k != "dropout"}

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        return call(f"g.{method.name}", *values, *sizes, op.heads, **settings, name=label)

    return Function(build, (*helpers(plan), method))


@lower(SelfAttention)
def self_attention(op: SelfAttention, site: Site) -> Lowered:
    """A method with four dense layers around `Attention`."""
    return _attention(op, site)


@lower(Attention)
def cross_attention(op: Attention, site: Site) -> Lowered:
    """A method with four dense layers around `Attention`."""
    return _attention(op, site)
