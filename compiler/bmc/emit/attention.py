"""Which kind of attention a layer is: what backends write a class of its own for."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from typing import Any

from bmc.emit.pyexpr import call
from bmc.emit.values import fixed, unless
from bmc.ops.attention import ROLES, Attention, SelfAttention
from bmc.ops.attention_core import AttentionCore
from bmc.ops.positions import Alibi, Relative2d, Rope, ShiftedWindows
from bmc.records import record
from bmc.types.tensor import TensorType


@record
class Configuration:
    """What of attention is fixed while compiling."""

    cross: bool = False
    grouped: bool = False
    causal: bool = False
    scaled: bool = False
    dropout: bool = False
    bias: bool = True
    chosen: bool = False  # some of the projections have a bias, others none
    sized: bool = False  # the heads have a size of their own
    normed: bool = False
    rotary: bool = False
    interleaved: bool = False
    partial: bool = False  # the first elements of a head turn alone
    scaling: str = ""  # how the angles of positions reach further
    alibi: bool = False
    relative: bool = False
    windows: bool = False
    given: bool = False  # what is added to the scores comes with the values
    batched: bool = False  # and each sample has its own
    near: bool = False  # positions see those less than `window` places away
    capped: bool = False
    padded: bool = False
    shown: bool = False
    deep: bool = False  # more than one axis between the batch and the sequence

    @property
    def stretched(self) -> bool:
        """Whether pairs turn by rates that are worked out before."""
        return bool(self.scaling)

    @property
    def gained(self) -> bool:
        """Whether what has turned is multiplied."""
        return self.scaling == "yarn"

    @property
    def turn(self) -> str:
        """The function that turns pairs of a head."""
        if self.stretched:
            return "rotate_by"
        return "rotate_neighbours" if self.interleaved else "rotate"

    @property
    def by(self) -> str:
        """What it takes after the heads, of a class."""
        if not self.stretched:
            return "self.theta"
        return "self.rates, self.gain" if self.gained else "self.rates"

    @property
    def helpers(self) -> tuple[str, ...]:
        """The functions that the class, and the call of its constructor, need."""
        found = {
            f"{self.scaling}_rates": self.stretched,
            self.turn: self.rotary,
            "alibi": self.alibi,
            "relative_places": self.relative,
            "shifted_windows": self.windows,
            self.look: self.near,
        }
        return tuple(name for name, on in found.items() if on)

    @property
    def inner(self) -> tuple[str, str]:
        """The features of all heads of queries, and of all heads of keys."""
        asked = "heads * head_dim" if self.sized else "width"
        return asked, "kv_heads * self.size" if self.grouped else asked

    def uses_bias(self, role: str) -> str:
        """What says whether a projection has a bias; empty where all have."""
        if self.chosen:
            return f'"{role}" in bias'
        return "" if self.bias else "bias"

    @property
    def seen(self) -> bool:
        """Whether true and false say what a position sees."""
        return self.padded or self.near

    @property
    def written_out(self) -> bool:
        """Whether scores and weights are worked out one by one."""
        return self.shown or self.capped

    @property
    def look(self) -> str:
        """The function that says what a position sees of a window."""
        return "see_recent" if self.causal else "see_near"

    @property
    def scored(self) -> bool:
        """Whether something is added to the scores."""
        return self.alibi or self.relative or self.windows or self.given

    @property
    def name(self) -> str:
        """The name of the class: `CausalSelfAttention`."""
        words = {
            "Causal": self.causal,
            "Grouped": self.grouped,
            "Biased": self.chosen,
            "Sized": self.sized,
            "Normed": self.normed,
            "Scaled": self.scaled,
            "Dropout": self.dropout,
            "Interleaved": self.interleaved,
            "Stretched": self.stretched,
            "Gained": self.gained,
            "Partial": self.partial,
            "Rotary": self.rotary,
            "Alibi": self.alibi,
            "Relative": self.relative,
            "Windowed": self.windows,
            "Given": self.given,
            "Local": self.near,
            "Capped": self.capped,
            "Padded": self.padded,
            "Deep": self.deep,
        }
        kind = "CrossAttention" if self.cross else "SelfAttention"
        return "".join(word for word, on in words.items() if on) + kind + "Weights" * self.shown

    @property
    def doc(self) -> str:
        """One line on the class."""
        what = "Attention to another sequence" if self.cross else "Self-attention"
        what = f"Causal {what.lower()}" if self.causal else what
        if self.shown:
            return f"{what}; also returns its weights, (B, heads, T, S)."
        if self.padded:
            return f"{what} that sees no padding: (B, T, width) -> the same."
        if self.cross:
            return f"{what}, (..., T, width) -> the same."
        return f"{what} with several heads, (..., T, width) -> the same."


def sight(op: AttentionCore) -> str:
    """The function of a program that says which keys a query's place allows it to see."""
    if op.window is None:
        return "see_earlier"
    return "see_recent" if op.causal else "see_near"


def _scaling(positions: object) -> str:
    """How angles are worked out where it is more than a power of another base."""
    scaling = positions.scaling if isinstance(positions, Rope) else None
    return "" if scaling in (None, "ntk") else str(scaling)


def _turns(rope: Rope, size: int, prefix: str) -> dict[str, Any]:
    """What a class takes to turn heads of a size."""
    count = rope.turned(size)
    more: dict[str, Any] = {} if count == size else {"turned": count}
    if not _scaling(rope):
        return {"theta": rope.base(count), **more}
    given: dict[str, Any] = {}
    if rope.scaling == "llama3":
        given = {
            "context": rope.context,
            **unless(1.0, low=rope.low),
            **unless(4.0, high=rope.high),
        }
    elif rope.scaling == "yarn":
        given = {"context": rope.context, **unless(1.0, slow=rope.slow)}
        given |= unless(32.0, fast=rope.fast)
        more["gain"] = rope.gain()
    name = f"{prefix}{rope.scaling}_rates"
    return {"rates": call(name, count, rope.theta, rope.factor, **given), **more}


def configuration(
    op: SelfAttention | Attention,
    padded: bool,
    inputs: Sequence[TensorType],
    prefix: str = "",
) -> tuple[Configuration, dict[str, Any]]:
    """The kind of an attention layer, and the settings that its class takes after the sizes.

    `padded` says whether it takes a mask of what it looks at; `prefix` is what calls of functions
    of the program begin with.
    """
    named: dict[str, Any] = {} if op.kv_heads is None else {"kv_heads": op.kv_heads}
    named |= {} if op.head_dim is None else {"head_dim": op.head_dim}
    biased = op.biased()
    chosen = biased not in ((), ROLES)
    named |= {"bias": biased} if chosen else unless(True, bias=bool(biased))
    named |= {} if op.qk_norm is None else {"qk_norm": op.qk_norm}
    named |= unless(0.0, dropout=op.dropout)
    if op.scale is not None:
        named["scale"] = op.scale
    if op.softcap is not None:
        named["softcap"] = op.softcap
    positions = getattr(op, "positions", None)
    if isinstance(positions, Rope):
        named |= _turns(positions, op.head_size(inputs[0]), prefix)
    elif isinstance(positions, Relative2d):
        named["window"] = positions.window
    scaling = _scaling(positions)
    near = getattr(op, "window", None)
    if near is not None:
        named["window"] = near
    hidden = getattr(op, "mask", None)
    windows = isinstance(hidden, ShiftedWindows) and (hidden.shift != 0 or not fixed(hidden.shift))
    if isinstance(hidden, ShiftedWindows) and windows:
        named |= {"window": hidden.window, "height": hidden.height}
        named |= {"columns": hidden.width, "shift": hidden.shift}
    plan = Configuration(
        cross=isinstance(op, Attention),
        grouped=op.kv_heads is not None,
        causal=op.causal,
        scaled=op.scale is not None,
        dropout="dropout" in named,
        bias="bias" not in named or chosen,
        chosen=chosen,
        sized=op.head_dim is not None,
        normed=op.qk_norm is not None,
        rotary=isinstance(positions, Rope),
        interleaved=isinstance(positions, Rope) and positions.interleaved,
        partial="turned" in named,
        scaling=scaling,
        alibi=isinstance(positions, Alibi),
        relative=isinstance(positions, Relative2d),
        windows=windows,
        given=len(inputs) > op.inputs[0],
        batched=len(inputs) > op.inputs[0] and inputs[-1].batched,
        near=near is not None,
        capped=op.softcap is not None,
        padded=padded,
        shown=op.return_weights,
    )
    return plan, named


KINDS = re.compile(r"(\w+?)?((?:Self|Cross)Attention(?:Weights)?(?:InParts)?)")


def shorter(names: Iterable[str], taken: Container[str]) -> dict[str, str]:
    """Names of attention classes without the words that tell none of a file's apart.

    Whether it is causal is said in any case; a name in `taken` is not given.
    """
    words = {
        name: [*re.findall(r"[A-Z][a-z]+", match[1] or ""), match[2]]
        for name in names
        if (match := KINDS.fullmatch(name))
    }
    for word in dict.fromkeys(word for said in words.values() for word in said[:-1]):
        without = {name: [one for one in said if one != word] for name, said in words.items()}
        if word != "Causal" and len(set(map(tuple, without.values()))) == len(words):
            words = without
    found = {name: "".join(said) for name, said in words.items()}
    return {name: short for name, short in found.items() if short != name and short not in taken}
