"""Attention between given tensors in ONNX: the operator `Attention`, or what it is made of."""

from __future__ import annotations

from typing import Any

from bmc.emit.attention import sight
from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.emit.values import as_float
from bmc.ops.attention_core import AttentionCore
from bmc.ops.axes import known_dim
from bmc_onnx.lower.common import below, listed, permuted, spread
from bmc_onnx.lower.support import TAKE, WIDEN
from bmc_onnx.lower.table import lower, part

ATTEND = part("attend")


@lower(AttentionCore)
def attention_core(op: AttentionCore, site: Site) -> Lowered:
    """`Attention`; a method where scores are capped, or hidden by place or by true and false."""
    query = site.inputs[0]
    if query.rank > 3:
        return Unsupported("more than one axis before the positions is not lowered yet")
    whole = op.softcap is None and op.window is None and query.rank == 3
    if whole and all(x.dtype == "float" for x in site.inputs):
        return _operator(op, site)
    return _composed(op, site)


def _bias(args: list[Expr], site: Site, label: Expr) -> list[Expr]:
    """What is beside the scores, with the axes that it stretches along."""
    if len(site.inputs) == 3:
        return []
    return spread([args[0], args[3]], (site.inputs[0], site.inputs[3]), label)[1:]


def _operator(op: AttentionCore, site: Site) -> Lowered:
    named: dict[str, Any] = {} if op.scale is None else {"scale": op.scale}
    named |= {"is_causal": 1} if op.causal else {}

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        beside = _bias(values, site, label)
        return call("g.add", "Attention", *values[:3], *beside, name=label, **named)

    return Function(build, (WIDEN,))


def _composed(op: AttentionCore, site: Site) -> Lowered:
    query, key = site.inputs[:2]
    shared = op.shared(query, key)
    scale = known_dim(query.shape[-1], "a head") ** -0.5 if op.scale is None else op.scale
    seen = part(sight(op))
    masked = op.causal or op.window is not None

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        asked, held, taken = values[:3]
        if shared > 1:
            heads = listed([head // shared for head in range(known_dim(query.shape[0], "heads"))])
            held, taken = (
                call("g.take", x, heads, name=below(label, word), axis=1)
                for x, word in ((held, "keys"), (taken, "values"))
            )
        order = [*range(query.rank - 2), query.rank - 1, query.rank - 2]
        turned = permuted(held, order, True, below(label, "columns"))
        named: dict[str, Expr] = {}
        if masked:
            window = () if op.window is None else (op.window,)
            named["seen"] = call(f"g.{seen.name}", *values[:2], *window, name=below(label, "seen"))
        for other in _bias(values, site, label):
            if site.inputs[3].dtype == "float":
                named["bias"] = other
            elif "seen" in named:
                both = call("g.add", "And", other, named["seen"], name=below(label, "both"))
                named["seen"] = both
            else:
                named["seen"] = other
        cap = {} if op.softcap is None else {"cap": op.softcap}
        return call("g.attend", asked, turned, taken, as_float(scale), name=label, **cap, **named)

    support = (ATTEND, *((seen,) if masked else ()), *((TAKE,) if shared > 1 else ()))
    return Function(build, (*support, WIDEN))
