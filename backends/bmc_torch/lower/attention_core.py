"""Attention between given tensors in PyTorch: `F.scaled_dot_product_attention`."""

from __future__ import annotations

from typing import Any

from bmc.emit.attention import sight
from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Expr, Un, call, lit, method
from bmc.emit.rows import spread
from bmc.ops.attention_core import AttentionCore
from bmc_torch.lower.table import lower, part

CAPPED = part("capped_attention")


@lower(AttentionCore)
def attention_core(op: AttentionCore, site: Site) -> Lowered:
    """`F.scaled_dot_product_attention`; scores that are capped have a function of their own."""
    query, key = site.inputs[:2]
    given = site.inputs[3] if len(site.inputs) == 4 else None
    shared = op.shared(query, key)
    # The framework's own causal mask does not go with another.
    masked = op.window is not None or (op.causal and (given is not None or op.softcap is not None))
    seen = part(sight(op))

    def hidden(args: list[Expr]) -> tuple[Expr | None, Expr | None]:
        """What is added to the scores, and what is seen."""
        window = () if op.window is None else (lit(op.window),)
        near = call(seen.name, args[0], args[1], *window) if masked else None
        if given is None:
            return None, near
        other = spread([args[0], args[3]], (query, given))[1]
        if given.dtype == "float":
            return other, near
        return None, other if near is None else Bin("&", other, near)

    def build(args: list[Expr]) -> Expr:
        bias, near = hidden(args)
        values = args[:3]
        if op.softcap is not None:
            if shared > 1:
                values[1:] = [method(x, "repeat_interleave", shared, dim=-3) for x in values[1:]]
            more = {} if op.scale is None else {"scale": op.scale}
            beside = {"bias": bias, "seen": near}
            beside = {key: value for key, value in beside.items() if value is not None}
            return call(CAPPED.name, *values, op.softcap, **more, **beside)
        if bias is not None and near is not None:
            bias = method(bias, "masked_fill", Un("~", near), call("float", "-inf"))
        mask = near if bias is None else bias
        named: dict[str, Any] = {} if mask is None else {"attn_mask": mask}
        named |= {"is_causal": True} if op.causal and not masked else {}
        named |= {} if op.scale is None else {"scale": op.scale}
        named |= {"enable_gqa": True} if shared > 1 else {}
        return call("F.scaled_dot_product_attention", *values, **named)

    support = ((seen,) if masked else ()) + ((CAPPED,) if op.softcap is not None else ())
    return Function(build, support)
