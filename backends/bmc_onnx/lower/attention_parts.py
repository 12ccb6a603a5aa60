"""The attention methods of an ONNX program's graph class: one for each configuration."""

from __future__ import annotations

from bmc.elaborate.naming import snake
from bmc.emit.attention import Configuration
from bmc.emit.backend import Support
from bmc_onnx.lower.table import part

# Methods that stand for functions of other backends.
METHODS = {"rotate_neighbours": "rotate", "relative_places": "relative_bias"}


def helpers(plan: Configuration) -> tuple[Support, ...]:
    """The methods that the attention calls."""
    return tuple(part(METHODS.get(name, name)) for name in plan.helpers)


def attention(plan: Configuration, folded: bool) -> Support:
    """The method of a configuration; `folded` puts one axis before T into the batch."""
    name = snake(plan.name) + ("_in_parts" if folded else "")
    lines = [*_head(plan, name, folded), *_project(plan, folded), *_attend(plan, folded)]
    result = "values"
    if folded:
        lines.append('values = self.add("Reshape", values, shape, name=f"{name}.unfolded")')
    asked, _ = _inner(plan)
    given = f"{result}, (width, {asked}){_chosen(plan, 'output')}"
    end = f'return {_dense(plan)}({given}, name=f"{{name}}.output")'
    if plan.shown:
        lines += [*_fitting(end.replace("return", "x =")), "return x, weights"]
    else:
        lines += _fitting(end)
    head, body = lines[: lines.index("")], lines[lines.index("") + 1 :]
    text = "\n".join([*head, *(f"        {line}" for line in body), ""])
    split = plan.chosen or not plan.bias
    needed = ["dense_last", *(["dense_last_without_bias"] if split else [])]
    needed += ["norm_heads"] if plan.normed else []
    needed += ["dense_chosen"] if plan.chosen else []
    needed += [*(helper.name for helper in helpers(plan))]
    needed += ["add_several"] if plan.shown else []
    needed += ["attend", "split_heads", "join_heads"] if plan.capped else []
    needed += ["take"] if plan.capped and plan.grouped else []
    earlier = plan.capped and plan.causal and not plan.near
    needed += ["see_earlier"] if earlier else []
    needed += ["integers"] if folded or plan.padded else []
    needed += ["widen"] if plan.seen or plan.given else []
    return Support(name, text, tuple(needed), general=0 if plan.bias else 1)


def _head(plan: Configuration, name: str, folded: bool) -> list[str]:
    optional = {
        "memory_width: int": plan.cross,
        "kv_heads: int": plan.grouped,
        "head_dim: int": plan.sized,
        "bias: tuple[str, ...]": plan.chosen,
        "qk_norm: float": plan.normed,
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
    }
    inputs = ["x: str", *(["memory: str"] if plan.cross else [])]
    inputs += ["added: str"] if plan.given else []
    inputs += ["mask: str"] if plan.padded else []
    parameters = ["self", *inputs, "width: int"]
    parameters += [word for word, on in optional.items() if on and word.startswith("memory")]
    parameters += ["heads: int"]
    parameters += [word for word, on in optional.items() if on and not word.startswith("memory")]
    parameters += ["name: str", *(["bias: bool = True"] if not plan.bias else [])]
    inside = ", ".join(parameters)
    gives = "tuple[str, str]" if plan.shown else "str"
    line = f"    def {name}({inside}) -> {gives}:"
    if len(line) <= 88:
        heading = [line]
    elif len(inside) + 8 <= 88:
        heading = [f"    def {name}(", f"        {inside}", f"    ) -> {gives}:"]
    else:
        listed = (f"        {one}," for one in parameters)
        heading = [f"    def {name}(", *listed, f"    ) -> {gives}:"]
    return [*heading, f'        """{plan.doc}"""', ""]


def _inner(plan: Configuration) -> tuple[str, str]:
    """The features of all heads of queries, and of all heads of keys."""
    asked, size = ("heads * head_dim", "head_dim") if plan.sized else ("width", "(width // heads)")
    return asked, f"kv_heads * {size}" if plan.grouped else asked


def _chosen(plan: Configuration, role: str) -> str:
    """Whether a projection has a bias, where not all are alike."""
    return f', "{role}" in bias' if plan.chosen else ""


def _dense(plan: Configuration) -> str:
    """The method of the projections."""
    if plan.chosen:
        return "self.dense_chosen"
    return "self.dense_last" if plan.bias else "dense"


def _project(plan: Configuration, folded: bool) -> list[str]:
    held, size = ("memory", "memory_width") if plan.cross else ("x", "width")
    asked_width, inner = _inner(plan)
    head = "head_dim" if plan.sized else "width // heads"
    lines: list[str] = []
    if not plan.bias:
        lines.append("dense = self.dense_last if bias else self.dense_last_without_bias")
    if folded:
        if plan.sized:  # the heads together may be wider than the values
            lines += [
                'lead = self.add("Shape", x, name=f"{name}.lead", end=-1)',
                'wide = self.integers([-1], name=f"{name}.wide")',
                'shape = self.add("Concat", lead, wide, name=f"{name}.shape", axis=0)',
            ]
        else:
            lines.append('shape = self.add("Shape", x, name=f"{name}.shape")')
        for value in ("x", "memory") if plan.cross else ("x",):
            lines += [
                f'length = self.add("Shape", {value}, name=f"{{name}}.{value}.length", start=2)',
                f'rest = self.integers([-1], name=f"{{name}}.{value}.rest")',
                f'fold = self.add("Concat", rest, length, name=f"{{name}}.{value}.fold", axis=0)',
                f'folded_{value} = self.add("Reshape", {value}, fold, name=f"{{name}}.{value}.folded")',
            ]
    asked = "folded_x" if folded else "x"
    held = f"folded_{held}" if folded else held
    for role, value, sizes in (
        ("query", asked, f"({asked_width}, width)"),
        ("key", held, f"({inner}, {size})"),
        ("value", held, f"({inner}, {size})"),
    ):
        given = f'{value}, {sizes}{_chosen(plan, role)}, name=f"{{name}}.{role}"'
        lines += _fitting(f"{role} = {_dense(plan)}({given})")
    for role in ("query", "key") if plan.normed else ():
        count = "kv_heads" if plan.grouped and role == "key" else "heads"
        given = f'{role}, {count}, {head}, qk_norm, name=f"{{name}}.{role}_norm"'
        lines += _fitting(f"{role} = self.norm_heads({given})")
    if plan.rotary:
        more = ", interleaved=1" if plan.interleaved else ""
        more += ", rotary_embedding_dim=turned" if plan.partial else ""
        more += ", gain=gain" if plan.gained else ""
        given = "rates" if plan.stretched else f"{'turned' if plan.partial else head}, theta"
        turn = METHODS.get(plan.turn, plan.turn)
        for role in ("query", "key"):
            count = "kv_heads" if plan.grouped and role == "key" else "heads"
            named = f'name=f"{{name}}.{role}.rotated"{more}'
            lines += _fitting(f"{role} = self.{turn}({role}, {count}, {given}, {named})")
    return lines


def _fitting(line: str) -> list[str]:
    """A call on one line, or its arguments on one of their own."""
    if len(line) + 8 <= 88:
        return [line]
    opening, _, rest = line.partition("(")
    body = [f"    {rest[:-1]}"]
    if len(body[0]) + 8 > 88:
        body = [f"    {part}," for part in _arguments(rest[:-1])]
    return [f"{opening}(", *body, ")"]


def _arguments(text: str) -> list[str]:
    """The arguments of a call, those in parentheses in one piece."""
    found: list[str] = []
    for piece in text.split(", "):
        if found and found[-1].count("(") > found[-1].count(")"):
            found[-1] += f", {piece}"
        else:
            found.append(piece)
    return found


def _attend(plan: Configuration, folded: bool) -> list[str]:
    """The `Attention` node and what is added to its scores."""
    lines, biases = _added(plan, folded)
    more, seen = _seen(plan, folded)
    lines += more
    if plan.capped:
        return [*lines, *_capped(plan, biases, seen)]
    if seen and biases:
        lines.append('none = self.add("Constant", name=f"{name}.none", value_float=-1e9)')
        lines.append(f'hidden = self.add("Where", data, {biases[0]}, none, name=f"{{name}}.bias")')
        biases = ["hidden"]
    elif seen:
        biases = ["data"]
    named = [
        'name=f"{name}.values"',
        "q_num_heads=heads",
        f"kv_num_heads={'kv_heads' if plan.grouped else 'heads'}",
        *(["is_causal=1"] if plan.causal and not plan.near else []),
        *(["scale=scale"] if plan.scaled else []),
    ]
    parts = ['"Attention"', "query", "key", "value", *biases, *named]
    if not plan.shown:
        return [*lines, "values = self.add(", *(f"    {part}," for part in parts), ")"]
    parts[parts.index(named[0])] = 'names=[f"{name}.values", "", "", f"{name}.weights"]'
    parts.append("qk_matmul_output_mode=3,  # after the softmax")
    ends = [f"    {part}," for part in parts[:-1]] + [f"    {parts[-1]}"]
    return [*lines, "values, _, _, weights = self.add_several(", *ends, ")"]


def _added(plan: Configuration, folded: bool) -> tuple[list[str], list[str]]:
    """Lines that work out what is added to scores, and the name of it."""
    lines: list[str] = []
    biases = []
    if plan.relative:
        lines.append('relative = self.relative_bias(window, heads, name=f"{name}.positions")')
        biases.append("relative")
    if plan.given and not plan.batched:
        lines.append('added = self.widen(added, [0], name=f"{name}.added")')
    if plan.given:
        biases.append("added")
    if plan.alibi:
        asked = "folded_x" if folded else "x"
        lines.append(f'distance = self.alibi({asked}, heads, name=f"{{name}}.alibi")')
        biases.append("distance")
    if plan.windows:
        lines += [
            "hidden = self.shifted_windows(",
            '    x, height, columns, window, shift, name=f"{name}.hidden"',
            ")",
        ]
        biases.append("hidden")
    if len(biases) == 2:
        lines.append(f'bias = self.add("Add", {", ".join(biases)}, name=f"{{name}}.bias")')
        biases = ["bias"]
    return lines, biases


def _seen(plan: Configuration, folded: bool) -> tuple[list[str], bool]:
    """Lines that make `data`, which says what is seen; and whether there is any need of it."""
    lines: list[str] = []
    asked = "folded_x" if folded else "x"
    if plan.padded:
        lines += [
            'data = self.widen(mask, [1, 2], name=f"{name}.data")',
            'steps = self.add("Shape", x, name=f"{name}.steps", start=1, end=2)',
            'one = self.integers([1], name=f"{name}.one")',
            'shape = self.add("Concat", steps, one, name=f"{name}.shape", axis=0)',
            'data = self.add("Expand", data, shape, name=f"{name}.seen")',
        ]
    if plan.near:
        given = f'{asked}, {asked}, window, name=f"{{name}}.near"'
        lines += _fitting(f"near = self.{plan.look}({given})")
    elif plan.capped and plan.causal:  # which the operator does otherwise
        held = asked.replace("x", "memory") if plan.cross else asked
        lines += _fitting(f'near = self.see_earlier({asked}, {held}, name=f"{{name}}.near")')
    else:
        return lines, plan.padded
    if plan.padded:
        lines.append('data = self.add("And", data, near, name=f"{name}.both")')
    else:
        lines.append('data = self.widen(near, [0, 1], name=f"{name}.data")')
    return lines, True


def _capped(plan: Configuration, biases: list[str], seen: bool) -> list[str]:
    """Scores bent before anything is added, for which `Attention` has another order."""
    lines = []
    for role in ("query", "key", "value"):
        order = "[0, 2, 3, 1]" if role == "key" else "[0, 2, 1, 3]"
        count = "kv_heads" if plan.grouped and role != "query" else "heads"
        given = f'{role}, {count}, {order}, name=f"{{name}}.{role}.heads"'
        lines += _fitting(f"{role} = self.split_heads({given})")
    if plan.grouped:
        lines.append("shared = [head // (heads // kv_heads) for head in range(heads)]")
        for role in ("key", "value"):
            given = f'{role}, shared, name=f"{{name}}.{role}.shared", axis=1'
            lines += _fitting(f"{role} = self.take({given})")
    size = "head_dim" if plan.sized else "(width // heads)"
    scale = "scale" if plan.scaled else f"{size}{'**' if plan.sized else ' ** '}-0.5"
    named = [f"bias={biases[0]}"] if biases else []
    named += ["seen=data"] if seen else []
    parts = ["query", "key", "value", scale, 'name=f"{name}.values"', "cap=softcap", *named]
    lines += ["values = self.attend(", *(f"    {part}," for part in parts), ")"]
    return [*lines, 'values = self.join_heads(values, name=f"{name}.joined")']
