"""Proposes a map of names: which tensors of another's file may be which of a model.

Tensors with one stem are a module, and modules whose names differ in numbers alone are a group. Two
groups fit where they have as many modules of tensors of the same shapes. Of those that fit, words
and order decide. What is cut, joined or left out stays open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bmc.records import record

Shapes = Mapping[str, tuple[int, ...]]
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.)")
WORD = re.compile(r"[a-z]+|\d+")
# What is called in many ways.
MEANING = {
    word: meaning
    for meaning, words in {
        "query": "q query",
        "key": "k key",
        "value": "v value",
        "output": "o out output",
        "weight": "weight kernel gamma scale w",
        "bias": "bias beta b offset",
        "norm": "norm layernorm ln rms bn batchnorm",
        "dense": "dense fc linear lin mlp ffn",
        "attention": "attention attn",
        "embed": "embed embedding embeddings wte tokens",
        "positions": "positions position wpe pos",
        "conv": "conv convolution projection",
        "mean": "mean moving_mean running_mean",
        "variance": "var variance moving_variance running_var",
        "head": "head classifier logits lm",
    }.items()
    for word in words.split()
}
# Words that say what comes first where nothing else does.
LATER = {"decoder": (1, 0, 0), "feedforward": (0, 1, 0), "after": (0, 0, 1), "post": (0, 0, 1),
         "final": (0, 2, 1)}  # fmt: skip


@record
class Group:
    """Modules whose names differ in numbers alone."""

    pattern: str  # with `{n}`, `{m}` for the numbers
    count: int
    leaves: tuple[tuple[str, tuple[int, ...]], ...]  # what a tensor is, and its shape
    names: tuple[str, ...]  # of the tensors, in that order
    turned: tuple[bool, ...]  # whether the file has a matrix as (in, out)
    place: tuple[Any, ...]

    def words(self) -> set[str]:
        """What the name says, in common words."""
        found = WORD.findall(NUMBER.sub("", self.pattern.lower()))
        return {MEANING.get(word, word) for word in found if len(word) > 1 or word in MEANING}


@record
class Proposal:
    """A map, and what it leaves open."""

    names: dict[str, Any]
    missing: list[str]  # of the model
    spare: list[str]  # of the file


def propose(theirs: Shapes, ours: Shapes) -> Proposal:
    """A map from the names of a file to those of a model."""
    given, wanted = _groups(theirs), _groups(ours)
    pairs = [
        (-_likeness(one, other), one.place, other.place, place, target)
        for place, one in enumerate(given)
        for target, other in enumerate(wanted)
        if (one.count, one.leaves) == (other.count, other.leaves)
    ]
    taken: dict[int, int] = {}
    for *_, source, target in sorted(pairs):  # of those alike the first of both
        if source not in taken and target not in taken.values():
            taken[source] = target
    names: dict[str, Any] = {}
    for source, target in sorted(taken.items()):
        names |= _entries(given[source], wanted[target])
    missing = [_shown(one) for place, one in enumerate(wanted) if place not in taken.values()]
    spare = [_shown(one) for place, one in enumerate(given) if place not in taken]
    return Proposal(names, missing, spare)


def _entries(one: Group, other: Group) -> dict[str, Any]:
    """The lines of a map for two groups; one line where the tensors have the same last words."""
    if one.names == other.names and len(one.names) > 1 and not any(one.turned):
        return {f"{one.pattern}.{{leaf}}": f"{other.pattern}.{{leaf}}"}
    found: dict[str, Any] = {}
    for name, target, turned in zip(one.names, other.names, one.turned):
        to = f"{other.pattern}.{target}" if target else other.pattern
        source = f"{one.pattern}.{name}" if name else one.pattern
        found[source] = {"to": to, "axes": [1, 0]} if turned else to
    return found


def _shown(group: Group) -> str:
    names = ", ".join(group.names)
    return f"{group.pattern}.{names}" if names else group.pattern


def _groups(shapes: Shapes) -> list[Group]:
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        stem, _, leaf = name.rpartition(".")
        stem, leaf = (stem, leaf) if stem else (leaf, "")
        modules.setdefault(stem, {})[leaf] = shape
    found: dict[tuple[str, Any, Any, Any], list[str]] = {}
    for stem, tensors in modules.items():
        found.setdefault((_pattern(stem), *_module(tensors)), []).append(stem)
    many = Counter(pattern for pattern, *_ in found)
    groups = []
    for (pattern, leaves, names, turned), stems in found.items():
        # Copies that differ in shape go by their own names.
        alike = many[pattern] == 1
        for one, count in [(pattern, len(stems))] if alike else [(stem, 1) for stem in stems]:
            groups.append(Group(one, count, leaves, names, turned, _place(one)))
    return groups


def _pattern(stem: str) -> str:
    """A name with letters for its numbers, as long as there are letters."""
    letters = iter("nmkhij")

    def letter(match: re.Match[str]) -> str:
        word = next(letters, None)
        return match[0] if word is None else f"{{{word}}}"

    return NUMBER.sub(letter, stem)


def _module(tensors: dict[str, tuple[int, ...]]) -> tuple[Any, Any, Any]:
    """What the tensors of a module are, their names, and which matrices are turned.

    The bias beside a matrix says which size is that of the outputs.
    """
    ordered = sorted(tensors, key=lambda leaf: MEANING.get(leaf.lower(), leaf))
    bias = next((tensors[one] for one in ordered if MEANING.get(one.lower()) == "bias"), None)
    leaves, turned = [], []
    for leaf in ordered:
        shape = tensors[leaf]
        turns = len(shape) == 2 and shape[1:] == bias != shape[:1]
        leaves.append((MEANING.get(leaf.lower(), leaf), shape[::-1] if turns else shape))
        turned.append(turns)
    return tuple(leaves), tuple(ordered), tuple(turned)


def _place(pattern: str) -> tuple[Any, ...]:
    """Where a name may stand in order: by what its words say, then as it is written."""
    later = [LATER[word] for word in WORD.findall(pattern.lower()) if word in LATER]
    said = tuple(max((one[axis] for one in later), default=0) for axis in range(3))
    parts = [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pattern.split(".")]
    return said, parts


def _likeness(one: Group, other: Group) -> float:
    """How much two names say the same."""
    mine, theirs = one.words(), other.words()
    return round(len(mine & theirs) / max(len(mine | theirs), 1), 6)
