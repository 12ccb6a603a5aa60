"""The attention modules of a PyTorch program: one small class for each configuration."""

from __future__ import annotations

from bmc.emit.attention import Configuration
from bmc.emit.backend import Support

ROTARY = Support(
    "rotate",
    '''\
def rotate(x: Tensor, theta: float) -> Tensor:
    """Turn pairs (i, i + size / 2) by angles that grow with the position."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    pairs = torch.arange(0, x.shape[-1], 2, dtype=wide, device=x.device)
    angles = steps.unsqueeze(1) * theta ** (-pairs / x.shape[-1])
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)
''',
    ("Tensor", "torch"),
)
INTERLEAVED = Support(
    "rotate_neighbours",
    '''\
def rotate_neighbours(x: Tensor, theta: float) -> Tensor:
    """Turn pairs (2 i, 2 i + 1) by angles that grow with the position."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    pairs = torch.arange(0, x.shape[-1], 2, dtype=wide, device=x.device)
    angles = steps.unsqueeze(1) * theta ** (-pairs / x.shape[-1])
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = (a * cosine - b * sine, b * cosine + a * sine)
    return torch.stack(turned, dim=-1).flatten(-2)
''',
    ("Tensor", "torch"),
)
ALIBI = Support(
    "alibi",
    '''\
def alibi(heads: int, x: Tensor) -> Tensor:
    """Return penalties for distance (Press et al. 2022): (heads, T, T)."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    powers = torch.arange(1, heads + 1, dtype=wide, device=x.device)
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    distance = (steps.unsqueeze(1) - steps).abs()
    slopes = 2.0 ** (-8.0 * powers / heads)
    return (-slopes.view(-1, 1, 1) * distance).to(x.dtype)
''',
    ("Tensor", "torch"),
)
RELATIVE = Support(
    "relative_places",
    '''\
def relative_places(window: int) -> Tensor:
    """Return the row of the table for each pair of positions: (window^2, window^2)."""
    side = torch.arange(window)
    rows, columns = torch.meshgrid(side, side, indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    down = rows.unsqueeze(1) - rows + window - 1
    right = columns.unsqueeze(1) - columns + window - 1
    return down * (2 * window - 1) + right
''',
    ("Tensor", "torch"),
)
WINDOWS = Support(
    "shifted_windows",
    '''\
def shifted_windows(height: int, width: int, window: int, shift: int) -> Tensor:
    """Say which positions were neighbours before the map was rolled.

    Returns (windows, 1, window^2, window^2).
    """
    down, right = torch.arange(height), torch.arange(width)
    rows = (down >= height - window).long() + (down >= height - shift)
    columns = (right >= width - window).long() + (right >= width - shift)
    area = (3 * rows.unsqueeze(1) + columns).unflatten(0, (-1, window))
    area = area.unflatten(-1, (-1, window)).transpose(1, 2).flatten(2).flatten(0, 1)
    return (area.unsqueeze(2) == area.unsqueeze(1)).unsqueeze(1)
''',
    ("Tensor", "torch"),
)


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
