"""The attention layers of a Keras program: one small class for each configuration."""

from __future__ import annotations

from bmc.emit.attention import Configuration
from bmc.emit.backend import Support
from bmc_keras.lower.table import part

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
    text = "\n".join(
        [*_init(plan), *_build(plan), "", *_call(plan), "", *SPLIT, "", *_shape(plan), ""]
    )
    roots = ("keras", "layers", "ops", *(("math",) if not plan.scaled else ()))
    return Support(plan.name, text, roots, general=0 if plan.bias else 1)


SPLIT = (
    "    def split_heads(self, x):",
    "        return ops.reshape(x, (*ops.shape(x)[:-1], -1, self.size))",
)


def _init(plan: Configuration) -> list[str]:
    optional = {
        "kv_heads: int": plan.grouped,
        "dropout: float": plan.dropout,
        "scale: float": plan.scaled,
        "theta: float": plan.rotary,
        "window: int": plan.relative or plan.windows,
        "height: int": plan.windows,
        "columns: int": plan.windows,
        "shift: int": plan.windows,
    }
    parameters = ["width: int", "heads: int", *(p for p, on in optional.items() if on)]
    parameters += ["kernel_initializer", "name: str"]
    parameters += [] if plan.bias else ["bias: bool = True"]
    lines = [
        f"class {plan.name}(layers.Layer):",
        f'    """{plan.doc}"""',
        "",
        "    def __init__(",
        "        self,",
        *(f"        {one}," for one in parameters),
        "    ):",
        "        super().__init__(name=name)",
        "        self.size = width // heads  # of a head",
    ]
    kept = {"heads": plan.alibi or plan.relative or plan.shown, "scale": plan.scaled}
    kept |= {"theta": plan.rotary, "window": plan.relative}
    lines += [f"        self.{word} = {word}" for word, on in kept.items() if on]
    if plan.grouped:
        lines.append("        self.shared = heads // kv_heads  # heads that have keys in common")
    inner = "kv_heads * self.size" if plan.grouped else "width"
    more = "" if plan.bias else ", use_bias=bias"
    for role, size in zip(("query", "key", "value"), ("width", inner, inner)):
        lines += _dense(role, f"{size}{more}")
    lines += _dense("combine", f"width{more}")
    if plan.dropout:
        lines.append("        self.dropout = layers.Dropout(dropout)")
    if plan.windows:
        lines.append("        self.near = shifted_windows(height, columns, window, shift)")
    return lines


def _dense(role: str, given: str) -> list[str]:
    """A projection, on one line where it fits."""
    given = f"{given}, kernel_initializer=kernel_initializer"
    line = f"        self.{role} = layers.Dense({given})"
    if len(line) <= 88:
        return [line]
    return [f"        self.{role} = layers.Dense(", f"            {given}", "        )"]


def _build(plan: Configuration) -> list[str]:
    """The layers inside, and the table of relative positions, which no layer has."""
    lines = ["", f"    def build(self, x_shape{', memory_shape' if plan.cross else ''}):"]
    if plan.relative:
        lines += [
            "        self.positions = self.add_weight(",
            "            shape=((2 * self.window - 1) ** 2, self.heads),",
            "            initializer=keras.initializers.TruncatedNormal(stddev=0.02),",
            '            name="positions",',
            "        )",
        ]
    if plan.cross:
        return [
            *lines,
            "        self.query.build(x_shape)",
            "        self.key.build(memory_shape)",
            "        self.value.build(memory_shape)",
            "        self.combine.build(x_shape)",
        ]
    return [
        *lines,
        "        for layer in (self.query, self.key, self.value, self.combine):",
        "            layer.build(x_shape)",
    ]


def _call(plan: Configuration) -> list[str]:
    held = "memory" if plan.cross else "x"
    takes = ["self", "x", *(["memory"] if plan.cross else [])]
    takes += ["mask"] if plan.padded else []
    takes += ["training=None"] if plan.dropout else []
    lines = [
        "query = self.split_heads(self.query(x))  # (..., T, heads, size)",
        f"key = self.split_heads(self.key({held}))",
        f"value = self.split_heads(self.value({held}))",
    ]
    if plan.rotary:
        turn = INTERLEAVED.name if plan.interleaved else ROTARY.name
        lines += [f"query = {turn}(query, self.theta)", f"key = {turn}(key, self.theta)"]
    if plan.grouped:
        lines += [
            "key = ops.repeat(key, self.shared, axis=-2)",
            "value = ops.repeat(value, self.shared, axis=-2)",
        ]
    scale = "* self.scale" if plan.scaled else "/ math.sqrt(self.size)"
    lines.append(f'scores = ops.einsum("...qhd,...khd->...hqk", query, key) {scale}')
    lines += [*_scores(plan), "weights = ops.softmax(scores, axis=-1)"]
    if plan.deep:  # TensorFlow's softmax takes five axes
        lines[-1] = "weights = ops.exp(ops.log_softmax(scores, axis=-1))"
    kept = "kept" if plan.shown and plan.dropout else "weights"
    if plan.dropout:
        lines.append(f"{kept} = self.dropout(weights, training=training)")
    end = "return self.combine(ops.reshape(values, ops.shape(x)))"
    lines += [
        f'values = ops.einsum("...hqk,...khd->...qhd", {kept}, value)',
        f"{end}, weights" if plan.shown else end,
    ]
    return [f"    def call({', '.join(takes)}):", *(f"        {line}" for line in lines)]


def _shape(plan: Configuration) -> list[str]:
    """What comes out has the shape of what goes in."""
    if not plan.shown:
        return ["    def compute_output_shape(self, x_shape):", "        return x_shape"]
    held = "memory_shape" if plan.cross else "x_shape"
    more = f", {held}" if plan.cross else ""
    return [
        f"    def compute_output_shape(self, x_shape{more}):",
        f"        scores = (*x_shape[:-2], self.heads, x_shape[-2], {held}[-2])",
        "        return x_shape, scores",
    ]


def _scores(plan: Configuration) -> list[str]:
    """What is added to the scores, or hidden."""
    lines: list[str] = []
    if plan.relative:
        lines.append("places = relative_places(self.window)")
        lines.append("bias = ops.take(self.positions, places, axis=0)")
        lines.append("scores = ops.transpose(bias, (2, 0, 1)) + scores")
    if plan.alibi:
        lines.append("scores = alibi(self.heads, x) + scores")
    if plan.windows:
        lines.append('scores = ops.where(self.near, scores, -float("inf"))')
    if plan.causal:
        lines.append('later = ops.triu(ops.ones_like(scores, dtype="bool"), k=1)')
        lines.append('scores = ops.where(later, -float("inf"), scores)')
    if plan.padded:
        lines.append("data = ops.expand_dims(mask, (1, 2))  # (B, 1, 1, T)")
        lines.append("scores = ops.where(data, scores, -1e9)")
    return lines
