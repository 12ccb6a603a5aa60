"""Proposes a map of names: which tensors of another's file may be which of a model.

Tensors with one stem are a module, and modules whose names differ in numbers alone are a group. Of
modules with the same tensors, groups of one size fit, by what their names say; where they leave
some over, and there are as many modules on both sides, their order decides. What is cut, joined or
left out stays open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bmc.ir.name_map import FOLDED, BadMap, Entry, filled, parse_map
from bmc.records import record

Shapes = Mapping[str, tuple[int, ...]]
NUMBER = re.compile(r"0(?!\d)|[1-9]\d*")  # zeros before it are letters
BETWEEN = re.compile(rf"(?<![^.])(?:{NUMBER.pattern})(?![^.])")  # that stands between dots
WORD = re.compile(r"[a-z]+|\d+")
# What is called in many ways.
MEANING = FOLDED | {
    word: meaning
    for meaning, words in {
        "query": "q query",
        "key": "k key",
        "value": "v value",
        "output": "o out output",
        "weight": "kernel w",
        "bias": "b",
        "norm": "norm layernorm ln rms bn batchnorm",
        "dense": "dense fc linear lin mlp ffn",
        "attention": "attention attn",
        "embed": "embed embedding embeddings wte tokens",
        "positions": "positions position wpe pos",
        "conv": "conv convolution projection",
        "head": "head classifier logits lm",
    }.items()
    for word in words.split()
}
# Words that say what comes first where nothing else does.
LATER = {"decoder": (1, 0, 0), "feedforward": (0, 1, 0), "after": (0, 0, 1), "post": (0, 0, 1),
         "final": (0, 2, 1)}  # fmt: skip
COUNTED = "num_batches_tracked"  # which nothing but PyTorch's batch norm has
LETTERS = "nmkhij"


@record
class Module:
    """The tensors of one stem."""

    stem: str
    leaves: tuple[tuple[str, tuple[int, ...]], ...]  # what a tensor is, and its shape
    names: tuple[str, ...]  # of the tensors, in that order
    turned: tuple[bool, ...]  # whether the file has a matrix as (in, out)
    place: tuple[Any, ...]

    def numbers(self) -> list[int]:
        """Those in its name."""
        return [int(number) for number in NUMBER.findall(self.stem)]


Pair = tuple[Module, Module]


@record
class Proposal:
    """A map, and what it leaves open."""

    names: dict[str, Any]
    missing: list[str]  # of the model
    spare: list[str]  # of the file


def propose(theirs: Shapes, ours: Shapes) -> Proposal:
    """A map from the names of a file to those of a model."""
    counted = [name for name in theirs if name.rpartition(".")[2] == COUNTED]
    given = _modules({name: shape for name, shape in theirs.items() if name not in counted})
    wanted = _modules(ours)
    pairs: list[Pair] = []
    for leaves in dict.fromkeys(one.leaves for one in given):
        mine = [one for one in given if one.leaves == leaves]
        mine.sort(key=lambda one: one.place)
        pairs += _paired(mine, [one for one in wanted if one.leaves == leaves])
    pairs.sort(key=lambda pair: pair[0].place)
    names: dict[str, Any] = {f"{{path*}}.{COUNTED}": None} if counted else {}
    names |= _lines(pairs)
    taken = {one.stem for one, _ in pairs}, {other.stem for _, other in pairs}
    spare, missing = (
        _shown([one for one in modules if one.stem not in stems])
        for modules, stems in zip((given, wanted), taken)
    )
    return Proposal(names, missing, spare)


def _paired(given: list[Module], wanted: list[Module]) -> list[Pair]:
    """Which module of those with the same tensors is which; one of the same name is that one."""
    known = {one.stem: one for one in wanted}
    same = [(one, known[one.stem]) for one in given if one.stem in known]
    if same:
        named = {one.stem for one, _ in same}
        rest = ([one for one in some if one.stem not in named] for some in (given, wanted))
        return same + _paired(*rest)
    pairs: list[Pair] = []
    for number in (NUMBER, BETWEEN):
        pairs = _alike(_groups(given, number), _groups(wanted, number))
        if len(pairs) == min(len(given), len(wanted)):
            return pairs
    if len(given) == len(wanted):
        return list(zip(given, wanted))
    return pairs


def _alike(given: dict[str, list[Module]], wanted: dict[str, list[Module]]) -> list[Pair]:
    """The modules of groups of one size, by what their names say, then in order."""
    places = {key: place for place, key in enumerate(given)}
    fitting = [
        (-_likeness(one, other), places[one], place, one, other)
        for one, members in given.items()
        for place, (other, others) in enumerate(wanted.items())
        if len(members) == len(others)
    ]
    pairs: list[Pair] = []
    taken: set[tuple[str, str]] = set()
    for *_, one, other in sorted(fitting):
        if ("given", one) not in taken and ("wanted", other) not in taken:
            pairs += zip(given[one], wanted[other])
            taken |= {("given", one), ("wanted", other)}
    return pairs


def _groups(modules: list[Module], number: re.Pattern[str] = NUMBER) -> dict[str, list[Module]]:
    """Modules by their names without numbers."""
    found: dict[str, list[Module]] = {}
    for one in modules:
        found.setdefault(number.sub("#", one.stem), []).append(one)
    return found


def _lines(pairs: list[Pair]) -> dict[str, Any]:
    """The lines of a map, as few as say it."""
    buckets: dict[Any, list[Pair]] = {}
    for one, other in pairs:
        kinds = (NUMBER.sub("#", one.stem), NUMBER.sub("#", other.stem))
        buckets.setdefault((kinds, one.names, other.names, one.turned), []).append((one, other))
    found: dict[str, Any] = {}
    for bucket in buckets.values():
        for source, target, pair in _said(bucket):
            found |= _entries(source, target, *pair)
    exact: dict[str, Any] = {}
    entries = parse_map(json.dumps(found)).entries
    for one, other in pairs:  # that another line takes first
        if any(_leads(entries, f"{one.stem}.{name}".strip(".")) != _target(other, place)
               for place, name in enumerate(one.names)):  # fmt: skip
            exact |= _entries(one.stem, other.stem, one, other)
    return {**exact, **found}


def _leads(entries: tuple[Entry, ...], name: str) -> str:
    """Where the lines of a map lead a name."""
    for entry in entries:
        match = entry.pattern.fullmatch(name)
        if match:
            try:
                return filled(entry.targets[0], match.groupdict())
            except BadMap:
                return ""
    return ""


def _target(module: Module, place: int) -> str:
    return f"{module.stem}.{module.names[place]}".strip(".")


def _said(pairs: list[Pair]) -> Iterator[tuple[str, str, Pair]]:
    """Names with words for numbers that say all pairs; several where one says not all."""
    numbers = [(one.numbers(), other.numbers()) for one, other in pairs]
    varied = [len(set(column)) > 1 for column in zip(*(mine for mine, _ in numbers))]
    used: set[int] = set()
    told: list[str | tuple[int, int]] = []
    for column, target in enumerate(zip(*(theirs for _, theirs in numbers))):
        if len(set(target)) == 1:
            told.append(str(target[0]))
            continue
        fits = (
            (place, target[0] - numbers[0][0][place])
            for place, varies in enumerate(varied)
            if varies and len({theirs[column] - mine[place] for mine, theirs in numbers}) == 1
        )
        place, more = next(fits, (-1, 0))
        if place < 0:
            break
        used.add(place)
        told.append((place, more))
    one, other = pairs[0]
    if len(told) == len(numbers[0][1]) and len(used) == sum(varied) <= len(LETTERS):
        words = dict(zip(sorted(used), LETTERS))
        own = [f"{{{words[n]}}}" if n in words else str(m) for n, m in enumerate(numbers[0][0])]
        counted = [_counted(words, number) for number in told]
        yield _filled(one.stem, own), _filled(other.stem, counted), pairs[0]
        return
    apart = varied.index(True) if True in varied else 0
    for number in dict.fromkeys(mine[apart] for mine, _ in numbers):
        yield from _said([p for p, (mine, _) in zip(pairs, numbers) if mine[apart] == number])


def _counted(words: dict[int, str], number: str | tuple[int, int]) -> str:
    """A number as it is, or `{n-1}`."""
    if isinstance(number, str):
        return number
    place, more = number
    return f"{{{words[place]}{more:+d}}}" if more else f"{{{words[place]}}}"


def _filled(stem: str, numbers: list[str]) -> str:
    """A name with others for its numbers."""
    left = iter(numbers)
    return NUMBER.sub(lambda _: next(left), stem)


def _entries(source: str, target: str, one: Module, other: Module) -> dict[str, Any]:
    """The lines for two modules; one line where the tensors have the same last words."""
    if one.names == other.names and len(one.names) > 1 and not any(one.turned):
        return {f"{source}.{{leaf}}": f"{target}.{{leaf}}"}
    found: dict[str, Any] = {}
    for name, kept, turned in zip(one.names, other.names, one.turned):
        to = f"{target}.{kept}".strip(".")
        found[f"{source}.{name}".strip(".")] = {"to": to, "axes": [1, 0]} if turned else to
    return found


def _shown(modules: list[Module]) -> list[str]:
    """Modules that stay open, those alike in one line."""
    found = []
    for pattern, alike in _groups(modules).items():
        stem = pattern.replace("#", "*") if len(alike) > 1 else alike[0].stem
        names = ", ".join(dict.fromkeys(name for one in alike for name in one.names))
        found.append(f"{stem}.{names}" if names else stem)
    return found


def _modules(shapes: Shapes) -> list[Module]:
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        stem, _, leaf = name.rpartition(".")
        stem, leaf = (stem, leaf) if stem else (leaf, "")
        found.setdefault(stem, {})[leaf] = shape
    return [Module(stem, *_module(tensors), _place(stem)) for stem, tensors in found.items()]


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


def _place(stem: str) -> tuple[Any, ...]:
    """Where a name may stand in order: by what its words say, then by its numbers and letters."""
    later = [LATER[word] for word in WORD.findall(stem.lower()) if word in LATER]
    said = tuple(max((one[axis] for one in later), default=0) for axis in range(3))
    parts = re.split(r"(\d+)", stem)
    return said, [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _words(pattern: str) -> set[str]:
    """What a name says, in common words."""
    found = WORD.findall(pattern.lower())
    return {MEANING.get(word, word) for word in found if len(word) > 1 or word in MEANING}


def _likeness(one: str, other: str) -> float:
    """How much two names say the same."""
    mine, theirs = _words(one), _words(other)
    return round(len(mine & theirs) / max(len(mine | theirs), 1), 6)
