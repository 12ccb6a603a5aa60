"""Layers that fit a shape, as the text of a spec, and the shape that comes out.

The shapes are worked out here, apart from the compiler: a generated spec asserts them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

Shape = tuple[int, ...]
Move = tuple[str, Shape]
Draw = Callable[[random.Random, Shape], Move]

SMOOTH = ("gelu", "silu", "tanh", "sigmoid", "softplus", "mish", "selu", "elu(alpha=0.5)")
BROKEN = ("relu", "leaky_relu(0.2)", "hard_swish", "relu6")
LONGEST = 24  # of an axis


def keeping(text: str) -> Draw:
    """A layer that keeps the shape."""
    return lambda chance, shape: (text, shape)


def activation(chance: random.Random, shape: Shape) -> Move:
    return chance.choice(SMOOTH + BROKEN), shape


def normed(text: str) -> Draw:
    """A norm of the last axis, where that has enough elements for rounding not to matter."""
    return lambda chance, shape: (text if shape[-1] > 3 else "tanh", shape)


def dense(chance: random.Random, shape: Shape) -> Move:
    units = chance.randint(1, LONGEST)
    bias = chance.choice(["", "", ", bias=false"])
    return f"dense({units}{bias})", (*shape[:-1], units)


def attention(chance: random.Random, shape: Shape) -> Move:
    heads = chance.choice([n for n in (1, 2, 3, 4) if shape[-1] % n == 0])
    return f"self_attention(heads={heads}{chance.choice(['', ', causal=true'])})", shape


def recurrent(chance: random.Random, shape: Shape) -> Move:
    units = chance.randint(1, 8)
    both = chance.random() < 0.3
    kind = chance.choice(["lstm", "gru", "rnn"])
    text = f"{kind}({units}{', bidirectional=true' if both else ''})"
    return text, (shape[0], units * (2 if both else 1))


def conv(chance: random.Random, shape: Shape) -> Move:
    filters, kernel = chance.randint(1, 8), chance.choice([1, 3])
    if min(shape[1:]) < 3 or chance.random() < 0.4:
        return f"conv({filters}, kernel={kernel}, padding=same)", (filters, *shape[1:])
    stride, padding = chance.choice([1, 2]), chance.choice([0, 1])
    sizes = tuple((n + 2 * padding - 3) // stride + 1 for n in shape[1:])
    text = f"conv({filters}, kernel=3, stride={stride}, padding={padding})"
    return text, (filters, *sizes)


def pool(chance: random.Random, shape: Shape) -> Move:
    if min(shape[1:]) < 2:
        return "relu", shape
    return f"{chance.choice(['max', 'avg'])}_pool(2)", (shape[0], *(n // 2 for n in shape[1:]))


def upsample(chance: random.Random, shape: Shape) -> Move:
    if max(shape[1:]) * 2 > LONGEST:
        return "tanh", shape
    return "upsample(2)", (shape[0], *(2 * n for n in shape[1:]))


def transpose(chance: random.Random, shape: Shape) -> Move:
    order = chance.sample(range(len(shape)), len(shape))
    return f"transpose([{', '.join(map(str, order))}])", tuple(shape[n] for n in order)


def lower(chance: random.Random, shape: Shape) -> Move:
    """Takes one axis away."""
    axis = chance.randrange(len(shape))
    kind = chance.choice(["mean", "max", "sum"])
    return f"{kind}(axis={axis})", (*shape[:axis], *shape[axis + 1 :])


def flatten(chance: random.Random, shape: Shape) -> Move:
    size = 1
    for n in shape:
        size *= n
    return ("flatten", (size,)) if size <= 20 * LONGEST else lower(chance, shape)


def tokens(chance: random.Random, shape: Shape) -> Move:
    """The cells of a map as a sequence."""
    channels, height, width = shape
    if height * width > 2 * LONGEST:
        return "global_avg_pool", (channels,)
    return 'rearrange("c h w -> (h w) c")', (height * width, channels)


def heads(chance: random.Random, shape: Shape) -> Move:
    """A vector as a sequence of pieces."""
    pieces = max(n for n in (1, 2, 3, 4) if shape[0] % n == 0)
    return f"reshape([{pieces}, {shape[0] // pieces}])", (pieces, shape[0] // pieces)


KEEP: dict[int, list[Draw]] = {
    1: [activation, normed("layer_norm"), keeping("dropout(0.1)"), keeping("batch_norm")],
    2: [activation, attention, normed("layer_norm"), normed("rms_norm"), keeping("softmax")],
    3: [activation, keeping("batch_norm"), keeping("dropout(0.2)"), keeping("identity")],
}
CHANGE: dict[int, list[Draw]] = {
    1: [dense, dense, heads],
    2: [dense, dense, recurrent, transpose, flatten, lower],
    3: [conv, conv, pool, upsample, transpose, tokens, flatten, lower],
}


def fit(chance: random.Random, shape: Shape) -> Move:
    """Any layer for this shape."""
    table = KEEP if chance.random() < 0.4 else CHANGE
    return chance.choice(table[len(shape)])(chance, shape)


def keep(chance: random.Random, shape: Shape) -> str:
    """A layer that leaves this shape as it is."""
    return chance.choice(KEEP[len(shape)])(chance, shape)[0]


def restore(shape: Shape) -> str:
    """A layer after which any value of the same shape but its last axis or channels has `shape`."""
    if len(shape) == 3:
        return f"conv({shape[0]}, kernel=1)"
    return f"dense({shape[-1]})"


def inner(chance: random.Random, shape: Shape) -> Move:
    """A layer that changes only what `restore` mends."""
    if len(shape) == 3:
        filters = chance.randint(1, 8)
        return f"conv({filters}, kernel=3, padding=same)", (filters, *shape[1:])
    return dense(chance, shape)
