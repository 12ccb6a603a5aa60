"""Name maps: tensors that somebody else named, as a model of ours expects them.

A map is a JSON object. A key is a name in the file, with `{words}` for what varies between dots;
its value says what becomes of such a tensor:

    "wte.weight": "embed.weight"                              another name
    "h.{n}.mlp.c_fc.weight": {"to": "layers.{n}.dense1.weight", "axes": [1, 0]}
    "h.{n}.attn.c_attn.bias": {"split": ["…query.bias", "…key.bias", "…value.bias"]}
    "h.{n}.attn.bias": null                                   left out

    "blocks.{n}.bias": "layers.{n-1}.bias"                    numbers that begin elsewhere
    "features.{n}.bias": "stages.{n//2-1}.bias"               every second number
    "{path*}.num_batches_tracked": null                       a word that goes over dots
    "{}": {"gamma": "weight", "beta": "bias"}                 what words become, in all targets
    "rnn.bias_ih": {"to": "lstm.bias_ih_l0", "add": true}     a sum of all that lead there
    "q.weight": {"to": "qkv.weight", "part": 0}               joined in order with parts 1, 2, …
    "norm.weight": {"to": "norm.weight", "plus": 1}           a number added to each element
    "conv.weight_g": {"to": "conv.weight", "length": true}    lengths that the rows there get
    "bn.{leaf}": {"to": "conv.weight", "fold": 1e-5}          a batch norm done by the layer before
    "": {"{path*}.bias": 0}                                   numbers for what the file lacks

`view` counts the elements by other axes first (-1 takes what is left), `axes` puts axes in another
order, `shape` counts the elements by other axes again, `split` cuts the first axis, after all that,
into parts of one size, or of `sizes`, of which one at null is left out; parts are joined along the
first axis. `fold` takes the norm's epsilon, and makes the layer's bias. The first key that fits a
name counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bmc.records import record

LARGEST = 2**20  # bytes of a map
MOST_PARTS = 1024  # that make one tensor
HOLE = re.compile(r"\\\{([a-z_]+)(\\\*)?\\\}")  # of an escaped key: `{n}`, or `{path*}`
WORD = re.compile(r"\{([a-z_]+)(?://([1-9]\d{0,3}))?([+-]\d{1,4})?\}")  # `{n}`, or `{n//2-1}`
KEYS = {"to", "split", "sizes", "view", "axes", "shape", "part", "add", "plus", "length", "fold"}
# What the parts of a batch norm are called.
FOLDED = {
    name: kind
    for kind, names in {
        "weight": "weight gamma scale",
        "bias": "bias beta offset",
        "mean": "running_mean moving_mean mean",
        "variance": "running_var moving_variance variance var",
    }.items()
    for name in names.split()
}


class BadMap(Exception):
    """A map that can't be read, or that does not fit a tensor; the message says why."""


@record
class Entry:
    """One line of a map."""

    pattern: re.Pattern[str]
    source: str
    targets: tuple[str, ...]  # none: left out
    view: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()  # of the parts that the first axis is cut into
    part: int | None = None  # its place among those that are joined
    add: bool = False  # whether it is added to others
    plus: float = 0.0  # what is added to each element
    length: bool = False  # whether it holds the lengths of another tensor's rows
    fold: float | None = None  # the epsilon of the batch norm that it is a part of


@record
class Missing:
    """What tensors take that the file lacks."""

    pattern: re.Pattern[str]  # of names in the model
    target: str
    number: float


@record
class NameMap:
    """A map: its lines, what words become in all their targets, and what a file may lack."""

    entries: tuple[Entry, ...]
    words: tuple[tuple[str, str], ...] = ()
    missing: tuple[Missing, ...] = ()

    def missing_number(self, target: str) -> float | None:
        """What fills a tensor of the model that the file lacks; None where nothing is said."""
        return next((m.number for m in self.missing if m.pattern.fullmatch(target)), None)


def read_map(path: Path) -> NameMap:
    """The map in a file. Raises `BadMap`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadMap((error.strerror or str(error)).lower()) from None
    return parse_map(data)


def parse_map(data: bytes | str) -> NameMap:
    """The map that a text is. Raises `BadMap`."""
    if len(data) > LARGEST:
        raise BadMap(f"it has over {LARGEST:,} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMap(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadMap("it is a JSON object, and this is something else")
    words, missing = _words(found.pop("{}", {})), _missing(found.pop("", {}))
    return NameMap(tuple(_entry(key, value) for key, value in found.items()), words, missing)


def _words(found: Any) -> tuple[tuple[str, str], ...]:
    """What words become. Raises `BadMap`."""
    texts = isinstance(found, dict) and all(isinstance(word, str) for word in found.values())
    if not texts or any(set(word) & set("{}") for word in found.values()):
        raise BadMap("`{}` says of words what they become, both texts")
    return tuple(found.items())


def _missing(found: Any) -> tuple[Missing, ...]:
    """What tensors take that the file lacks. Raises `BadMap`."""
    if not isinstance(found, dict) or not all(map(_is_number, found.values())):
        raise BadMap(
            '`""` says of names in the model which number fills them where the file has none'
        )
    return tuple(Missing(_pattern(name), name, float(number)) for name, number in found.items())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e6


def _entry(source: str, value: Any) -> Entry:
    pattern = _pattern(source)
    if value is None:
        return Entry(pattern, source, ())
    if isinstance(value, str):
        value = {"to": value}
    if (
        not isinstance(value, dict)
        or not set(value) <= KEYS
        or ("to" in value) == ("split" in value)
    ):
        raise BadMap(f"`{source}` takes a name, null, or an object with `to` or `split`")
    targets = _targets(source, value)
    known = set(pattern.groupindex)
    for name in targets:
        strange = set(re.findall(r"\{(.*?)\}", WORD.sub(_bare, name))) - known
        if strange:
            raise BadMap(f"`{name}` has `{{{sorted(strange)[0]}}}`, and `{source}` has not")
    return Entry(pattern, source, tuple(targets), **_kind(source, value, targets))


def _kind(source: str, value: dict[str, Any], targets: list[str]) -> dict[str, Any]:
    """How a tensor comes to its name: moved, joined, added, folded. Raises `BadMap`."""
    part, add, length = value.get("part"), value.get("add", False), value.get("length", False)
    fold, plus = value.get("fold"), value.get("plus", 0.0)
    if part is not None and (type(part) is not int or not 0 <= part < MOST_PARTS):
        raise BadMap(f"`part` of `{source}` is a number from 0")
    if type(add) is not bool or type(length) is not bool:
        raise BadMap(f"`add` and `length` of `{source}` are true or false")
    if fold is not None and (not _is_number(fold) or fold < 0):
        raise BadMap(f"`fold` of `{source}` is the norm's epsilon, such as 1e-5")
    if ("split" in value) + (part is not None) + add + length + (fold is not None) > 1:
        raise BadMap(f"`{source}` has one of `split`, `part`, `add`, `length` and `fold`")
    if fold is not None and not targets[0].endswith("weight"):
        raise BadMap(f"`{source}` is folded into a layer's weight, and `{targets[0]}` is none")
    moves = _moves(source, value)
    if moves["sizes"] and (len(moves["sizes"]) != len(targets) or min(moves["sizes"]) < 1):
        raise BadMap(f"`sizes` of `{source}` has a number for each name of `split`")
    if not _is_number(plus):
        raise BadMap(f"`plus` of `{source}` is a number")
    fold = fold if fold is None else float(fold)
    return {"part": part, "add": add, "length": length, "plus": float(plus), "fold": fold, **moves}


def _pattern(source: str) -> re.Pattern[str]:
    """What fits a key. Raises `BadMap`."""
    if source.count("*}") > 1:  # they would share a name's parts in many ways
        raise BadMap(f"`{source}` has one `{{path*}}` at most")
    try:
        return re.compile(HOLE.sub(_hole, re.escape(source)))
    except re.error:
        raise BadMap(f"`{source}` has one word twice") from None


def _hole(match: re.Match[str]) -> str:
    """What a word of a key fits: what stands between two dots, or with `*` dots, too."""
    return f"(?P<{match[1]}>{'.+' if match[2] else '[^.]+'})"


def _moves(source: str, value: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """How elements are counted, axes put, and the first axis cut."""
    numbers = {key: value.get(key, []) for key in ("view", "axes", "shape", "sizes")}
    for key, listed in numbers.items():
        if not isinstance(listed, list) or not all(type(n) is int for n in listed):
            raise BadMap(f"`{key}` of `{source}` is a list of whole numbers")
    return {key: tuple(listed) for key, listed in numbers.items()}


def _targets(source: str, value: dict[str, Any]) -> list[str]:
    """The names that an entry leads to; a part that is left out has an empty one."""
    targets = value["split"] if "split" in value else [value["to"]]
    if "split" in value and isinstance(targets, list):
        targets = ["" if name is None else name for name in targets]
    if not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
        raise BadMap(f"`{source}` leads to names, and one of them is no text")
    return targets


def _bare(match: re.Match[str]) -> str:
    return f"{{{match[1]}}}"


def filled(target: str, words: dict[str, str]) -> str:
    """A target with its words. Raises `BadMap` where one that counts is no number."""

    def word(match: re.Match[str]) -> str:
        text, step, more = words[match[1]], match[2], match[3]
        if step is None and more is None:
            return text
        number = int(text) // int(step or 1) + int(more or 0) if text.isdecimal() else -1
        if number < 0:
            raise BadMap(f"`{target}` counts on from `{text}`, which can't be")
        return str(number)

    return WORD.sub(word, target)


def astray(names: NameMap, known: tuple[str, ...]) -> list[str]:
    """The targets of a map that no tensor of a model has, for any words."""
    found: dict[str, None] = {}
    for entry in names.entries:
        for target in filter(None, entry.targets):
            free = WORD.split(target)  # text, word, two numbers, text, …
            kinds = [".+" if f"{{{word}*}}" in entry.source else "[^.]+" for word in free[1::4]]
            texts = [re.escape(text) for text in free[::4]]
            pattern = re.compile("".join(map("".join, zip(texts, [*kinds, ""]))))
            if not any(pattern.fullmatch(name) for name in known):
                found[target] = None
    for one in names.missing:
        if not any(one.pattern.fullmatch(name) for name in known):
            found[one.target] = None
    return list(found)
