"""Layers on sequences of different lengths, as the text of a spec."""

from __future__ import annotations

import random

from tests.models.layers import BROKEN, SMOOTH

TURN, BACK = 'rearrange("t d -> d t")', 'rearrange("d t -> t d")'
Step = tuple[str, int]  # a layer on [T, size], and the size of what comes out


def step(chance: random.Random, size: int) -> Step:
    """One layer, or a few with channels first between two turns."""
    if chance.random() < 0.35:
        return _channels_first(chance, size)
    units = chance.randint(1, 8)
    heads = chance.choice([n for n in (1, 2, 3) if size % n == 0])
    both = ", bidirectional=true" if chance.random() < 0.6 else ""
    layers = chance.choice(["", "", ", layers=2"])
    kind = chance.choice(["lstm", "gru", "rnn"])
    made = [
        (f"dense({units}) -> {chance.choice(SMOOTH)}", units),
        (f"self_attention(heads={heads})", size),
        (f"self_attention(heads={heads}, causal=true)", size),
        (f"{kind}({units}{both}{layers})", units * (2 if both else 1)),
        ("batch_norm(axis=-1)", size),
        ("dropout(0.1)", size),
    ]
    made += [("layer_norm", size)] if size > 3 else []
    made += [(f"self_attention(heads={heads}, positions=rope)", size)] if size == 2 * heads else []
    made += [(f"self_attention(heads={heads}, positions=alibi)", size)]
    return chance.choice(made)


def _channels_first(chance: random.Random, size: int) -> Step:
    filters = chance.randint(1, 6)
    conv = chance.choice(
        ["kernel=3, padding=1", "kernel=3, padding=same", "kernel=2, padding=causal",
         "kernel=3, stride=2, padding=1", "kernel=1, stride=2", "kernel=5, padding=4, dilation=2"]
    )  # fmt: skip
    parts = [TURN, f"conv({filters}, {conv})"]
    parts += ["batch_norm"] if chance.random() < 0.5 else []
    parts += [chance.choice(SMOOTH + BROKEN)]
    parts += [
        chance.choice(["max_pool(3, stride=1, padding=1)", "max_pool(2, stride=1, padding=same)"])
    ] * (chance.random() < 0.4)
    return " -> ".join([*parts, BACK]), filters


def ending(chance: random.Random, size: int) -> str:
    """A layer that makes one vector of [T, size]."""
    return chance.choice(
        [
            "mean(axis=0)",
            "max(axis=0)",
            "min(axis=0)",
            "sum(axis=0)",
            "last",
            "first",
            f"{TURN} -> global_avg_pool",
            f"{TURN} -> global_max_pool",
            f"{TURN} -> mean(axis=1)",
            "softmax(axis=0) -> max(axis=0)",
        ]
    )


def block(name: str, chance: random.Random) -> str:
    """A block that keeps [T, D], of which several may stand in a row."""
    inside = chance.choice(
        [
            "x -> self_attention(heads=1)",
            "x -> gru(D, bidirectional=true) -> dense(D)",
            f"x -> {TURN} -> conv(D, kernel=3, padding=1) -> {BACK}",
            "x -> dense(2 * D) -> batch_norm(axis=-1) -> tanh -> dense(D)",
        ]
    )
    return f"block {name} {{ input x: float[T, D]\noutput y = x + ({inside}) }}"
