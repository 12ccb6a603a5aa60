"""Specs changed in what they mean: stages swapped, sizes and axes at their edges, arrows put in."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from tests.models.steps import shown

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc.ops.kinds import REGISTRY
from bmc.samples import settings

STAGE = re.compile(r"-> *([A-Za-z_]\w*(?:\[[^\]]*\])?(?:\((?:[^()]|\([^()]*\))*\))?)(?: *\* *\d+)?")
WHOLE = re.compile(r"(?<![\w.])-?\d+(?![\w.])")
REAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")
TYPE = re.compile(r"\b(float|int|bool)\[([^\]]*)\]")
CALL = re.compile(r"-> *[a-z_]\w*\(")
Change = Callable[[str, random.Random], str]


def _stages() -> list[str]:
    """Every layer that takes one value, with the settings of its samples."""
    found = []
    for name, declared in sorted(REGISTRY["layer"].items()):
        for sample in () if declared.sign else declared.samples:
            if len(sample.inputs) == 1:
                given = settings(declared, sample).items()
                words = ", ".join(f"{key}={shown(value)}" for key, value in given)
                found.append(f"{name}({words})" if words else name)
    return found


STAGES = _stages()


def _swap(text: str, chance: random.Random) -> str:
    """Two stages of a pipeline, or of two."""
    spans = [match.span(1) for match in STAGE.finditer(text)]
    if len(spans) < 2:
        return text
    (a, b), (c, d) = sorted(chance.sample(spans, 2))
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def _insert(text: str, chance: random.Random) -> str:
    """An arrow and a layer behind a stage; sometimes repeated."""
    ends = [match.end() for match in STAGE.finditer(text)]
    if not ends:
        return text
    at, stage = chance.choice(ends), chance.choice(STAGES)
    stage = f"({stage}) * {chance.randint(2, 3)}" if chance.random() < 0.2 else stage
    return f"{text[:at]} -> {stage}{text[at:]}"


def _drop(text: str, chance: random.Random) -> str:
    spans = [match.span() for match in STAGE.finditer(text)]
    if not spans:
        return text
    start, end = chance.choice(spans)
    return text[:start] + text[end:]


def _number(text: str, chance: random.Random) -> str:
    """A size, an axis or a count at an edge."""
    found = list(WHOLE.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    old = int(match.group())
    near = (old - 1, old + 1, 2 * old, -old, 7 * old)
    edge = (0, 1, -1, 2, 3, 8, 64, -2, 2**31, 10**19)
    return text[: match.start()] + str(chance.choice((*near, *edge))) + text[match.end() :]


def _real(text: str, chance: random.Random) -> str:
    found = list(REAL.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    new = chance.choice(("0.0", "1.0", "1e-30", "1e30", "-0.5", "0.999999999", "inf"))
    return text[: match.start()] + new + text[match.end() :]


def _type(text: str, chance: random.Random) -> str:
    """Another type, or other axes, of an input or a parameter."""
    found = list(TYPE.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    kind, axes = match.group(1), [axis for axis in match.group(2).split(",") if axis.strip()]
    if chance.random() < 0.4:
        kind = chance.choice(("float", "int", "bool"))
    elif axes and chance.random() < 0.5:
        axes.pop(chance.randrange(len(axes)))
    else:
        axes.insert(chance.randint(0, len(axes)), chance.choice(("1", "2", "3", "T", "U", "0")))
    return (
        f"{text[: match.start()]}{kind}[{', '.join(a.strip() for a in axes)}]{text[match.end() :]}"
    )


def _setting(text: str, chance: random.Random) -> str:
    """A setting more."""
    found = list(CALL.finditer(text))
    if not found:
        return text
    at = chance.choice(found).end()
    more = (
        "axis=-1", "axis=0", "axis=1", "axis=batch", "axis=[0, -1]", "keep=true", "bias=false",
        "affine=false", "padding=same", "stride=2", "dilation=2", "groups=depthwise", "epsilon=0.5",
        "bidirectional=true", "causal=true", "dropout=0.5", "init=zeros", "units=0", "layers=2",
    )  # fmt: skip
    return f"{text[:at]}{chance.choice(more)}, {text[at:]}"


CHANGES: tuple[Change, ...] = (
    _swap,
    _insert,
    _insert,
    _drop,
    _number,
    _number,
    _real,
    _type,
    _setting,
)


def mutant(text: str, chance: random.Random) -> str:
    """The text with one to three changes."""
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(CHANGES)(text, chance)
    return text
