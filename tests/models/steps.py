"""Any declared layer with any settings that it takes, drawn for the values at hand.

What a layer takes and gives is asked of its declaration; the text is what a spec would say.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc import samples
from bmc.ops.arithmetic import COMPARISONS, Arithmetic, Negate, Take
from bmc.ops.axes import Number, Optional, PaddingKind, SizeUpTo
from bmc.ops.base import Declaration, Layer
from bmc.ops.kinds import (
    REGISTRY,
    Bool,
    Float,
    Int,
    Kind,
    ListOf,
    Made,
    OneOf,
    Refusal,
    Word,
    Words,
)
from bmc.records import record, replace
from bmc.types.symbolic import Sym
from bmc.types.tensor import TensorType
from bmc.verify.chance import LENGTH

Types = tuple[TensorType, ...]
LARGEST = 1500  # elements of a value
MOST_WEIGHTS = 20_000
LEAST_TRIES = 60
# Numbers outside what these are defined for say nothing, and numbers that explode little.
RARE = {"log": 0.2, "sqrt": 0.2, "exp": 0.3, "square": 0.5, "argmax": 0.4, "sign": 0.4, "step": 0.4}
TABLES = {"embedding", "gather"}
MOVING = {  # layers after which ids are ids
    "rearrange", "reshape", "transpose", "flatten", "identity", "index", "roll", "expand",
    "squeeze", "stack", "concat", "split", "first", "last",
}  # fmt: skip
LAYERS = sorted(
    name
    for name, layer in REGISTRY["layer"].items()
    if issubclass(layer, Layer) and not layer.draws and not layer.sign
)
WEIGHED = [name for name in LAYERS for _ in range(1 + len(REGISTRY["layer"][name].settings))]
FLOATS = (1e-5, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0, 10.0, 0.0, -0.5, -1.0)


@record(eq=False)
class Step:
    """A layer as a spec says it, and what comes out."""

    text: str
    op: Layer
    outputs: Types

    def again(self, *types: TensorType) -> Types | None:
        """What it gives for other values; None where it does not take them."""
        return given(self.op, types)


def at_length(x: TensorType) -> TensorType:
    """The type with the length that free axes have in the tests."""
    sizes = [
        size.evaluate(dict.fromkeys(size.symbols(), LENGTH)) if isinstance(size, Sym) else size
        for size in x.shape
    ]
    return replace(x, shape=tuple(sizes))


def given(op: Layer, types: Types) -> Types | None:
    """What a layer gives, if it takes these and stays small, at the length that free axes have."""
    try:
        made = op.infer(*types)
        op.infer(*map(at_length, types))
        outputs = made if isinstance(made, tuple) else (made,)
        weights = op.weights(*types).values()
        for weight in weights:
            if weight.init is not None:
                weight.init.check_shape(weight.shape)
    except (Refusal, ArithmeticError):
        return None
    size = sum(math.prod(map(int, weight.shape)) for weight in weights)  # type: ignore[arg-type]
    fine = size <= MOST_WEIGHTS and all(small(kind) for kind in outputs)
    return outputs if fine else None


def small(kind: TensorType) -> bool:
    """Whether a value has few axes and elements."""
    known = [1 if isinstance(size, Sym) else int(size) for size in kind.shape]
    return kind.rank <= 5 and math.prod(known) <= LARGEST and min(known, default=1) > 0


def shown(value: Any) -> str:
    """A setting's value as a spec writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word):
        return value.id
    if value is None:
        return "none"
    if isinstance(value, Declaration):
        words = {key: Word(v) if isinstance(v, str) else v for key, v in value.values().items()}
        inner = ", ".join(f"{key}={shown(v)}" for key, v in words.items())
        return f"{value.name}({inner})" if inner else value.name
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    return json.dumps(value) if isinstance(value, str) else str(value)


def value(chance: random.Random, kind: Kind, rank: int) -> Any:
    """A value that a setting may have; None where only samples know one."""
    if isinstance(kind, Optional):
        return value(chance, kind.inner, rank)
    if isinstance(kind, Bool):
        return chance.random() < 0.5
    if isinstance(kind, Int):
        low = -3 if kind.min is None else int(kind.min)
        return chance.randint(low, min(low + 6, kind.max or 9))
    if isinstance(kind, Float | Number):
        return chance.choice(FLOATS)
    if isinstance(kind, SizeUpTo | PaddingKind):
        one = value(chance, kind.kinds[0], rank)
        lists = [value(chance, kind.kinds[0], rank) for _ in range(max(rank - 1, 1))]
        words = [Word(word) for word in kind.words()]
        return chance.choice([one, one, tuple(lists), *words])
    if isinstance(kind, Words):
        return Word(chance.choice(kind.choices))
    if isinstance(kind, OneOf):
        return value(chance, chance.choice(kind.kinds), rank)
    if isinstance(kind, ListOf):
        count = kind.length or chance.randint(1, max(rank, 1))
        return tuple(value(chance, kind.element, rank) for _ in range(count))
    if isinstance(kind, Made):
        return _made(chance, kind.family, rank)
    return None


def _made(chance: random.Random, family: str, rank: int) -> Any:
    name = chance.choice(sorted(REGISTRY[family]))
    declared = REGISTRY[family][name]
    drawn = {}
    for key, setting in declared.settings.items():
        if setting.required or chance.random() < 0.5:
            drawn[key] = value(chance, setting.kind, rank)
    try:
        return declared.make(drawn) if drawn else Word(name)
    except Refusal:
        return Word(name)


def _settings(chance: random.Random, declared: type[Layer], rank: int) -> dict[str, Any]:
    """A sample's settings, of which some are another sample's, some drawn, some left out."""
    every = [samples.settings(declared, sample) for sample in declared.samples]
    found = dict(chance.choice(every))
    for key, setting in declared.settings.items():
        dice = chance.random()
        if dice < 0.25:
            known = [one[key] for one in every if key in one]
            found |= {key: chance.choice(known)} if known else {}
        elif dice < 0.5:
            drawn = value(chance, setting.kind, rank)
            found |= {key: drawn} if drawn is not None else {}
        elif dice < 0.65 and not setting.required:
            found.pop(key, None)
    return {key: v for key, v in found.items() if not _unwritten(v)}


def _unwritten(value: Any) -> bool:
    return type(value).__name__ in ("SharedWeight", "BlockRef")


def layer(
    chance: random.Random, types: Types, names: list[str] | None = None, ids: bool = True
) -> Step | None:
    """A layer for these values; whole numbers that are no ids of a table go into none."""
    for _ in range(LEAST_TRIES):
        name = chance.choice(names or WEIGHED)
        if chance.random() > RARE.get(name, 1.0) or (name in TABLES and not ids):
            continue
        if name in PLAIN and len(types) == 1:
            drawn = PLAIN[name](chance, types[0])
        else:
            drawn = _settings(chance, REGISTRY["layer"][name], types[0].rank)  # type: ignore
        if drawn is None:
            continue
        made = _tried(name, drawn, types)
        if made is not None:
            return made
    return None


def _tried(name: str, settings: dict[str, Any], types: Types) -> Step | None:
    declared = REGISTRY["layer"][name]
    least, most = declared.inputs  # type: ignore[attr-defined]
    if len(types) < least or (most is not None and len(types) > most):
        return None
    try:
        op: Layer = declared.make(settings)
    except (Refusal, ArithmeticError):
        return None
    outputs = given(op, types)
    if outputs is None:
        return None
    inner = ", ".join(f"{key}={shown(v)}" for key, v in settings.items())
    return Step(f"{name}({inner})" if inner else name, op, outputs)


# --- layers whose settings are about the sizes at hand ---------------------------------------


def _rearrange(chance: random.Random, x: TensorType) -> dict[str, Any] | None:
    names = list("abcde"[: x.rank])
    order = chance.sample(names, len(names))
    if len(order) > 1 and chance.random() < 0.5:
        at = chance.randrange(len(order) - 1)
        order[at : at + 2] = [f"({order[at]} {order[at + 1]})"]
    if chance.random() < 0.2:
        order.insert(chance.randrange(len(order) + 1), "1")
    return {"pattern": f"{' '.join(names)} -> {' '.join(order)}"}


def _reshape(chance: random.Random, x: TensorType) -> dict[str, Any] | None:
    if any(isinstance(size, Sym) for size in x.shape) or not x.rank:
        return None
    whole = math.prod(map(int, x.shape))
    parts = [n for n in range(1, whole + 1) if whole % n == 0]
    first = chance.choice(parts)
    return {"shape": chance.choice([(whole,), (first, whole // first), (1, first, whole // first)])}


def _transpose(chance: random.Random, x: TensorType) -> dict[str, Any] | None:
    return {"order": tuple(chance.sample(range(x.rank), x.rank))} if x.rank else None


def _split(chance: random.Random, x: TensorType) -> dict[str, Any] | None:
    axis = chance.randrange(-x.rank, x.rank) if x.rank else 0
    size = x.shape[axis] if x.rank else 1
    if isinstance(size, Sym) or size < 2:
        return None
    cut = chance.randint(1, int(size) - 1)
    even = [n for n in (2, 3, 4) if size % n == 0]
    return {"parts": chance.choice([(cut, int(size) - cut), *even]), "axis": axis}


PLAIN: dict[str, Callable[[random.Random, TensorType], dict[str, Any] | None]] = {
    "rearrange": _rearrange,
    "reshape": _reshape,
    "transpose": _transpose,
    "split": _split,
}


# --- operators -------------------------------------------------------------------------------


def operation(chance: random.Random, one: str, other: str, types: Types) -> Step | None:
    """`one + other`, a number in place of one of the two, or `-one`."""
    sign = chance.choice(["+", "+", "-", "*", "*", "/", *COMPARISONS])
    form = chance.randrange(4)
    if form == 0:
        number = chance.choice([2, 0.5, -1, 3.0, 1])
        left = chance.random() < 0.5
        op = Arithmetic.make({"operator": sign, "left" if left else "right": number})
        text = f"{number} {sign} {one}" if left else f"{one} {sign} {number}"
        types = types[:1]
    elif form == 1 and chance.random() < 0.3:
        op, text, types = Negate.make({}), f"-{one}", types[:1]
    else:
        op, text = Arithmetic.make({"operator": sign}), f"{one} {sign} {other}"
    outputs = given(op, types)
    return Step(text, op, outputs) if outputs else None


def part(chance: random.Random, name: str, x: TensorType) -> Step | None:
    """`x[1, .., 0..2]`."""
    if not x.rank:
        return None
    count = chance.randint(1, x.rank)
    behind = chance.random() < 0.3  # `x[.., 0]`: the last axes
    items: list[Any] = [...] if behind else []
    texts: list[str] = [".."] if behind else []
    for size in x.shape[-count:] if behind else x.shape[:count]:
        known = 3 if isinstance(size, Sym) else int(size)
        start, stop = sorted(chance.sample(range(known + 1), 2))
        forms: list[tuple[Any, str]] = [
            (place := chance.randrange(-known, known), str(place)),
            ((start, stop), f"{start}..{stop}"),
            ((start, None), f"{start}.."),
            ((0, -1), "0..-1"),
        ]
        item, text = chance.choice(forms)
        items.append(item)
        texts.append(text)
    op = Take.make({"items": tuple(items)})
    outputs = given(op, (x,))
    return Step(f"{name}[{', '.join(texts)}]", op, outputs) if outputs else None
