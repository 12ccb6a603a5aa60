"""Attention in PyTorch: `F.scaled_dot_product_attention` between linear layers."""

from __future__ import annotations

from typing import Any

from bmc.emit.attention import configuration
from bmc.emit.backend import Lowered, Module, Site
from bmc.emit.pyexpr import Call, Expr, call, method
from bmc.ops.attention import Attention, SelfAttention
from bmc.types.symbolic import known
from bmc_torch.lower.attention_parts import attention, helpers
from bmc_torch.lower.table import lower

PARTS = {
    **dict.fromkeys(("query", "key", "value", "output"), "nn.Linear"),
    **dict.fromkeys(("query_norm", "key_norm"), "nn.RMSNorm"),
    "positions": "nn.Embedding",
}


def _folded(site: Site, run: Any, values: list[Expr]) -> Expr:
    """Leading axes go into the batch, where the fast kernels want them."""
    lead = site.inputs[0].shape[:-2]
    if not lead or not site.inputs[0].batched or not all(known(size) for size in lead):
        return run(values)  # type: ignore[no-any-return]
    flat = [method(value, "flatten", 0, len(lead)) for value in values]
    return method(run(flat), "unflatten", 0, (-1, *lead))


def _attention(op: SelfAttention | Attention, site: Site) -> Lowered:
    plan, named = configuration(op, bool(site.masks), site.inputs)
    sizes = [x.shape[-1] for x in site.inputs[: op.inputs[0]]]

    def run(layer: Expr, args: list[Expr]) -> Expr:
        if plan.windows:
            return Call(layer, tuple(args))
        return _folded(site, lambda values: Call(layer, tuple(values)), args)

    return Module(
        call(plan.name, *sizes, op.heads, **named),
        run,
        support=(*helpers(plan), attention(plan)),
        weights=PARTS,
    )


@lower(SelfAttention)
def self_attention(op: SelfAttention, site: Site) -> Lowered:
    """A small class around four linear layers."""
    return _attention(op, site)


@lower(Attention)
def cross_attention(op: Attention, site: Site) -> Lowered:
    """A small class around four linear layers."""
    return _attention(op, site)
