"""Attention between given tensors in Keras: a layer without weights."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Module, Site
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Call, Expr, name
from bmc.ops.attention_core import AttentionCore
from bmc_keras.lower.common import spread
from bmc_keras.lower.table import lower, part

CORE = part("AttentionCore")


@lower(AttentionCore)
def attention_core(op: AttentionCore, site: Site) -> Lowered:
    """`AttentionCore`"""
    query, key = site.inputs[:2]
    settings: dict[str, Any] = {"shared": op.shared(query, key), "causal": op.causal}
    defaults = {"shared": 1, "causal": False}
    given = {word: value for word, value in settings.items() if value != defaults[word]}
    for word in ("window", "scale", "softcap"):
        if getattr(op, word) is not None:
            given[word] = getattr(op, word)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if len(args) == 3:
            return Call(layer, tuple(args))
        bias = site.inputs[3]
        other = spread([args[0], args[3]], (query, bias))[1]
        word = "bias" if bias.dtype == "float" else "seen"
        return Call(layer, tuple(args[:3]), ((word, other),))

    return Module(Call(name(CORE.name), (), keywords(given)), use, support=(CORE,))
