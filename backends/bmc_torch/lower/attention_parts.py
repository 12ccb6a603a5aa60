"""The attention modules of a PyTorch program: one small class for each configuration."""

from __future__ import annotations

from bmc.emit.attention import Configuration
from bmc.emit.backend import Support
from bmc_torch.lower.table import part

ROTARY = part("rotate")
INTERLEAVED = part("rotate_neighbours")
ALIBI = part("alibi")
RELATIVE = part("relative_places")
WINDOWS = part("shifted_windows")


def helpers(plan: Configuration) -> tuple[Support, ...]:
    """The functions that the class calls."""
    turn = INTERLEAVED if plan.interleaved else ROTARY
    found = {turn: plan.rotary, ALIBI: plan.alibi, RELATIVE: plan.relative, WINDOWS: plan.windows}
    return tuple(helper for helper, on in found.items() if on)


def attention(plan: Configuration) -> Support:
    """The class of a configuration."""
    text = "\n".join([*_init(plan), "", *_forward(plan), "", *_split(plan), ""])
    torch = plan.causal and (plan.scored or plan.shown)
    roots = ("nn", "Tensor", *(("torch",) if torch else ()))
    roots += ("F",) if plan.dropout or not plan.shown else ()
    roots += ("math",) if plan.shown and not plan.scaled else ()
    return Support(plan.name, text, roots, general=0 if plan.bias else 1)


def _init(plan: Configuration) -> list[str]:
    sizes = ["width: int", "memory: int"] if plan.cross else ["width: int"]
    optional = {
        "kv_heads: int": plan.grouped,
        "dropout: float": plan.dropout,
        "scale: float": plan.scaled,
        "theta: float": plan.rotary,
        "window: int": plan.relative or plan.windows,
        "height: int": plan.windows,
        "columns: int": plan.windows,
        "shift: int": plan.windows,
        "bias: bool = True": not plan.bias,
    }
    parameters = ["self", *sizes, "heads: int", *(p for p, on in optional.items() if on)]
    lines = [
        f"class {plan.name}(nn.Module):",
        f'    """{plan.doc}"""',
        "",
        *(f"    {name}: Tensor" for name in _buffers(plan)),
        *([""] if _buffers(plan) else []),
        *signature("__init__", parameters, "None"),
        "        super().__init__()",
        "        self.size = width // heads  # of a head",
    ]
    kept = {"dropout": plan.dropout, "scale": plan.scaled, "theta": plan.rotary}
    kept["heads"] = plan.alibi
    lines += [f"        self.{word} = {word}" for word, on in kept.items() if on]
    return [*lines, *_projections(plan), *_tables(plan)]


def _buffers(plan: Configuration) -> list[str]:
    return [word for word, on in (("places", plan.relative), ("near", plan.windows)) if on]


def _projections(plan: Configuration) -> list[str]:
    held = "memory" if plan.cross else "width"
    inner = "kv_heads * self.size" if plan.grouped else "width"
    more = "" if plan.bias else ", bias=bias"
    sizes = {
        "query": "width, width",
        "key": f"{held}, {inner}",
        "value": f"{held}, {inner}",
        "output": "width, width",
    }
    return [f"        self.{role} = nn.Linear({size}{more})" for role, size in sizes.items()]


def _tables(plan: Configuration) -> list[str]:
    lines: list[str] = []
    if plan.relative:
        lines += [
            "        self.positions = nn.Embedding((2 * window - 1) ** 2, heads)",
            "        places = relative_places(window)",
            '        self.register_buffer("places", places, persistent=False)',
        ]
    if plan.windows:
        lines += [
            "        near = shifted_windows(height, columns, window, shift)",
            '        self.register_buffer("near", near, persistent=False)',
        ]
    return lines


def signature(function: str, parameters: list[str], returns: str, limit: int = 88) -> list[str]:
    """The head of a method, over several lines where one is too short."""
    inside = ", ".join(parameters)
    line = f"    def {function}({inside}) -> {returns}:"
    if len(line) <= limit:
        return [line]
    if len(inside) + 8 <= limit:
        return [f"    def {function}(", f"        {inside}", f"    ) -> {returns}:"]
    return [f"    def {function}(", *(f"        {p}," for p in parameters), f"    ) -> {returns}:"]


def _forward(plan: Configuration) -> list[str]:
    takes = ["self", "x: Tensor", *(["memory: Tensor"] if plan.cross else [])]
    takes += ["mask: Tensor"] if plan.padded else []
    held = "memory" if plan.cross else "x"
    lines = [
        "query = self.split_heads(self.query(x))  # (..., heads, T, size)",
        f"key = self.split_heads(self.key({held}))",
        f"value = self.split_heads(self.value({held}))",
    ]
    if plan.rotary:
        turn = INTERLEAVED.name if plan.interleaved else ROTARY.name
        lines += [
            f"query = {turn}(query, self.theta)",
            f"key = {turn}(key, self.theta)",
        ]
    lines += [*_scores(plan), *(_shown(plan) if plan.shown else _product(plan))]
    end = "return self.output(x.transpose(-3, -2).flatten(-2))"
    lines.append(f"{end}, weights" if plan.shown else end)
    gives = "tuple[Tensor, Tensor]" if plan.shown else "Tensor"
    return [*signature("forward", takes, gives), *(f"        {line}" for line in lines)]


def _scores(plan: Configuration) -> list[str]:
    """What is added to the scores, where it is more than being causal."""
    lines: list[str] = []
    if plan.relative:
        lines.append("bias = self.positions(self.places).permute(2, 0, 1)  # (heads, T, T)")
    if plan.alibi:
        lines.append("bias = alibi(self.heads, x)  # (heads, T, T)")
    if plan.windows and not plan.relative:
        lines.append("bias = self.near")
    if plan.windows and plan.relative:
        lines.append('bias = bias.masked_fill(~self.near, float("-inf"))')
    if plan.scored and plan.causal:
        lines.append("later = torch.ones_like(bias, dtype=torch.bool).triu(1)")
        fill = "False" if plan.windows and not plan.relative else 'float("-inf")'
        lines.append(f"bias = bias.masked_fill(later, {fill})")
    if plan.padded:
        lines.append("data = mask[:, None, None, :]  # (B, 1, 1, T)")
    if plan.padded and plan.scored:
        hidden = "-1e9" if plan.shown else 'float("-inf")'  # an empty row stays finite
        lines.append(f"bias = bias.masked_fill(~data, {hidden})")
    elif plan.padded and plan.causal:
        lines.append("every = query.new_ones(query.shape[-2], key.shape[-2])")
        lines.append("data = data & every.bool().tril()")
    return lines


def _product(plan: Configuration) -> list[str]:
    named = []
    if plan.scored:
        named.append("attn_mask=bias")
    elif plan.padded:
        named.append("attn_mask=data")
    if plan.dropout:
        named.append("dropout_p=self.dropout if self.training else 0.0")
    if plan.causal and not plan.scored and not plan.padded:
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


def _shown(plan: Configuration) -> list[str]:
    """The product written out, for its weights."""
    lines: list[str] = []
    if plan.grouped:
        lines += [
            "shared = query.shape[-3] // key.shape[-3]  # heads that have keys in common",
            "key = key.repeat_interleave(shared, dim=-3)",
            "value = value.repeat_interleave(shared, dim=-3)",
        ]
    scale = "* self.scale" if plan.scaled else "/ math.sqrt(self.size)"
    lines.append(f"scores = query @ key.transpose(-2, -1) {scale}")
    if plan.scored:
        lines.append("scores = scores + bias")
    elif plan.padded:
        lines.append("scores = scores.masked_fill(~data, -1e9)")
    elif plan.causal:
        lines.append("later = torch.ones_like(scores, dtype=torch.bool).triu(1)")
        lines.append('scores = scores.masked_fill(later, float("-inf"))')
    lines.append("weights = scores.softmax(dim=-1)")
    kept = "F.dropout(weights, self.dropout, self.training)" if plan.dropout else "weights"
    return [*lines, f"x = {kept} @ value"]


def _split(plan: Configuration) -> list[str]:
    return [
        "    def split_heads(self, x: Tensor) -> Tensor:",
        "        return x.unflatten(-1, (-1, self.size)).transpose(-3, -2)",
    ]
