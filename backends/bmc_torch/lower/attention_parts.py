"""The attention modules of a PyTorch program: one small class for each configuration."""

from __future__ import annotations

from bmc.emit.attention import Configuration
from bmc.emit.backend import Support
from bmc.emit.parts import filled
from bmc.emit.templates import Code
from bmc_torch.lower.table import part

ROTARY = part("rotate")
INTERLEAVED = part("rotate_neighbours")


def helpers(plan: Configuration) -> tuple[Support, ...]:
    """The functions that the class calls."""
    return tuple(map(part, plan.helpers))


def attention(plan: Configuration) -> Support:
    """The class of a configuration."""
    torch = plan.causal and (plan.scored or plan.shown)
    torch = torch or plan.partial or plan.capped or (plan.seen and plan.written_out)
    roots = ("nn", "Tensor", *(("torch",) if torch else ()))
    roots += ("F",) if plan.dropout or not plan.written_out else ()
    roots += ("math",) if plan.written_out and not plan.scaled else ()
    return filled(
        "bmc_torch",
        "attention.py",
        plan.name,
        roots,
        general=0 if plan.bias else 1,
        doc=Code(plan.doc),
        plan=plan,
        init=Code("\n".join(signature("__init__", _settings(plan), "None"))),
        forward=Code("\n".join(_forward(plan))),
        projections=Code("\n".join(_projections(plan))),
        held=Code("memory" if plan.cross else "x"),
        look=Code(plan.look),
        turn=Code(plan.turn),
        by=Code(plan.by),
        product=Code("\n".join(f"        {line}" for line in _product(plan))),
    )


def _projections(plan: Configuration) -> list[str]:
    """The four linear layers."""
    asked, inner = plan.inner
    held = "memory" if plan.cross else "width"
    sizes = {
        "query": ("width", asked),
        "key": (held, inner),
        "value": (held, inner),
        "output": (asked, "width"),
    }
    lines = []
    for role, (given, made) in sizes.items():
        bias = plan.uses_bias(role)
        more = f", bias={bias}" if bias else ""
        lines.append(f"        self.{role} = nn.Linear({given}, {made}{more})")
    return lines


def _settings(plan: Configuration) -> list[str]:
    sizes = ["width: int", "memory: int"] if plan.cross else ["width: int"]
    optional = {
        "kv_heads: int": plan.grouped,
        "head_dim: int": plan.sized,
        "bias: tuple[str, ...]": plan.chosen,
        "qk_norm: float": plan.normed,
        "dropout: float": plan.dropout,
        "scale: float": plan.scaled,
        "softcap: float": plan.capped,
        "theta: float": plan.rotary and not plan.stretched,
        "rates: list[float]": plan.stretched,
        "gain: float": plan.gained,
        "turned: int": plan.partial,
        "window: int": plan.relative or plan.windows or plan.near,
        "height: int": plan.windows,
        "columns: int": plan.windows,
        "shift: int": plan.windows,
        "bias: bool = True": not plan.bias,
    }
    return ["self", *sizes, "heads: int", *(p for p, on in optional.items() if on)]


def _forward(plan: Configuration) -> list[str]:
    takes = ["self", "x: Tensor", *(["memory: Tensor"] if plan.cross else [])]
    takes += ["bias: Tensor"] if plan.given else []
    takes += ["mask: Tensor"] if plan.padded else []
    return signature("forward", takes, "tuple[Tensor, Tensor]" if plan.shown else "Tensor")


def signature(function: str, parameters: list[str], returns: str, limit: int = 88) -> list[str]:
    """The head of a method, over several lines where one is too short."""
    inside = ", ".join(parameters)
    line = f"    def {function}({inside}) -> {returns}:"
    if len(line) <= limit:
        return [line]
    if len(inside) + 8 <= limit:
        return [f"    def {function}(", f"        {inside}", f"    ) -> {returns}:"]
    return [f"    def {function}(", *(f"        {p}," for p in parameters), f"    ) -> {returns}:"]


def _product(plan: Configuration) -> list[str]:
    named = []
    if plan.scored:
        named.append("attn_mask=bias")
    elif plan.seen:
        named.append("attn_mask=data")
    if plan.dropout:
        named.append("dropout_p=self.dropout if self.training else 0.0")
    if plan.causal and not plan.scored and not plan.seen:
        named.append("is_causal=True")
    if plan.scaled:
        named.append("scale=self.scale")
    if plan.grouped:
        named.append("enable_gqa=True")
    parts = ["query", "key", "value", *named]
    line = f"x = F.scaled_dot_product_attention({', '.join(parts)})"
    if len(line) + 8 <= 88:
        return [line]
    inside = ", ".join(parts)
    body = [f"    {inside}"] if len(inside) + 12 <= 88 else [f"    {part}," for part in parts]
    return ["x = F.scaled_dot_product_attention(", *body, ")"]
