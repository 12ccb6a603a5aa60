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

`view` counts the elements by other axes first (-1 takes what is left), `axes` puts axes in another
order, `shape` counts the elements by other axes again, `split` cuts the first axis, after all that,
into parts of one size, or of `sizes`, of which one at null is left out; parts are joined along the
first axis. The first key that fits a name counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmc.records import field, record, replace

if TYPE_CHECKING:
    import numpy as np

LARGEST = 2**20  # bytes of a map
MOST_PARTS = 1024  # that make one tensor
HOLE = re.compile(r"\\\{([a-z_]+)(\\\*)?\\\}")  # of an escaped key: `{n}`, or `{path*}`
WORD = re.compile(r"\{([a-z_]+)(?://([1-9]\d{0,3}))?([+-]\d{1,4})?\}")  # `{n}`, or `{n//2-1}`
KEYS = {"to", "split", "sizes", "view", "axes", "shape", "part", "add", "plus", "length"}


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
    words: tuple[tuple[str, str], ...] = ()  # what words become, the same in all entries


@record(frozen=False)
class Mapped:
    """What a map made of a file."""

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # names that no key fits
    unused: list[str] = field(default_factory=list)  # keys that fit no name


def read_map(path: Path) -> list[Entry]:
    """The entries of a file. Raises `BadMap`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadMap((error.strerror or str(error)).lower()) from None
    return parse_map(data)


def parse_map(data: bytes | str) -> list[Entry]:
    """The entries of a map's text. Raises `BadMap`."""
    if len(data) > LARGEST:
        raise BadMap(f"it has over {LARGEST:,} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMap(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadMap("it is a JSON object, and this is something else")
    words = _words(found.pop("{}", {}))
    return [replace(_entry(key, value), words=words) for key, value in found.items()]


def _words(found: Any) -> tuple[tuple[str, str], ...]:
    """What words become. Raises `BadMap`."""
    texts = isinstance(found, dict) and all(isinstance(word, str) for word in found.values())
    if not texts or any(set(word) & set("{}") for word in found.values()):
        raise BadMap("`{}` says of words what they become, both texts")
    return tuple(found.items())


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
    part, add, length = value.get("part"), value.get("add", False), value.get("length", False)
    if part is not None and (type(part) is not int or not 0 <= part < MOST_PARTS):
        raise BadMap(f"`part` of `{source}` is a number from 0")
    if type(add) is not bool or type(length) is not bool:
        raise BadMap(f"`add` and `length` of `{source}` are true or false")
    if ("split" in value) + (part is not None) + add + length > 1:
        raise BadMap(f"`{source}` has one of `split`, `part`, `add` and `length`")
    moves = _moves(source, value)
    if moves["sizes"] and (len(moves["sizes"]) != len(targets) or min(moves["sizes"]) < 1):
        raise BadMap(f"`sizes` of `{source}` has a number for each name of `split`")
    plus = value.get("plus", 0.0)
    if type(plus) not in (int, float) or not abs(plus) < 1e6:
        raise BadMap(f"`plus` of `{source}` is a number")
    more: dict[str, Any] = {"part": part, "add": add, "length": length, "plus": float(plus)} | moves
    return Entry(pattern, source, tuple(targets), **more)


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


def astray(entries: list[Entry], names: tuple[str, ...]) -> list[str]:
    """The targets of a map that no tensor of a model has, for any words."""
    found: dict[str, None] = {}
    for entry in entries:
        for target in filter(None, entry.targets):
            free = WORD.split(target)  # text, word, two numbers, text, …
            kinds = [".+" if f"{{{word}*}}" in entry.source else "[^.]+" for word in free[1::4]]
            texts = [re.escape(text) for text in free[::4]]
            pattern = re.compile("".join(map("".join, zip(texts, [*kinds, ""]))))
            if not any(pattern.fullmatch(name) for name in names):
                found[target] = None
    return list(found)


def apply_map(entries: list[Entry], tensors: dict[str, np.ndarray]) -> Mapped:
    """The tensors under the names of the map. Raises `BadMap` where one does not fit."""
    found = Mapped()
    used: set[str] = set()
    held = _Held()
    for name, tensor in tensors.items():
        for entry in entries:
            match = entry.pattern.fullmatch(name)
            if match is not None:
                used.add(entry.source)
                table = dict(entry.words)
                words = {key: table.get(word, word) for key, word in match.groupdict().items()}
                _place(entry, words, name, tensor, found, held)
                break
        else:
            found.unknown.append(name)
    for target, parts in held.parts.items():
        _join(target, parts, found)
    for target, lengths in held.lengths.items():
        _scale(target, lengths, found)
    found.unused = [entry.source for entry in entries if entry.source not in used]
    return found


@record(frozen=False)
class _Held:
    """What waits for the other tensors that lead to the same name."""

    parts: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    lengths: dict[str, np.ndarray] = field(default_factory=dict)


def _scale(target: str, lengths: np.ndarray, found: Mapped) -> None:
    """Gives the rows of a tensor, all its elements but those along the first axis, a length."""
    import numpy as np

    if target not in found.tensors:
        raise BadMap(f"no tensor leads to `{target}`, whose lengths are there")
    rows = found.tensors[target]
    if not rows.ndim or lengths.size != rows.shape[0]:
        raise BadMap(f"`{target}` {list(rows.shape)} has no {lengths.size} rows")
    wide = (-1, *(1,) * (rows.ndim - 1))
    norms = np.linalg.norm(rows.reshape(rows.shape[0], -1), axis=1)
    found.tensors[target] = rows * (lengths.reshape(-1) / norms).reshape(wide)


def _join(target: str, parts: dict[int, np.ndarray], found: Mapped) -> None:
    """Puts parts one after the other along their first axis."""
    import numpy as np

    lacking = next((n for n in range(len(parts)) if n not in parts), None)
    if lacking is not None:
        raise BadMap(f"`{target}` has no part {lacking}")
    if target in found.tensors:
        raise BadMap(f"`{target}` is a tensor, and is joined of others")
    try:
        found.tensors[target] = np.concatenate([parts[n] for n in range(len(parts))])
    except ValueError as error:
        raise BadMap(f"parts of `{target}`: {error}") from None


def _place(
    entry: Entry,
    words: dict[str, str],
    name: str,
    tensor: np.ndarray,
    found: Mapped,
    held: _Held,
) -> None:
    if not entry.targets:
        found.dropped.append(name)
        return
    try:
        made = tensor.reshape(entry.view) if entry.view else tensor
        made = made.transpose(entry.axes) if entry.axes else made
        made = made.reshape(entry.shape) if entry.shape else made
        made = made + made.dtype.type(entry.plus) if entry.plus else made
        ends = _ends(entry, made)
    except ValueError as error:
        raise BadMap(f"`{name}` {list(tensor.shape)}: {error}") from None
    for (start, end), target in zip(ends, entry.targets):
        if not target:
            continue
        target = filled(target, words)
        taken: Any = found.tensors if entry.part is None else held.parts.get(target, {})
        taken = held.lengths if entry.length else taken
        if not entry.add and (target if entry.part is None else entry.part) in taken:
            raise BadMap(f"two tensors become `{target}`, the second is `{name}`")
        part = made[start:end] if len(ends) > 1 else made
        if entry.part is not None:
            held.parts.setdefault(target, {})[entry.part] = part
        elif entry.length:
            held.lengths[target] = part
        elif entry.add and target in found.tensors:
            if found.tensors[target].shape != part.shape:
                raise BadMap(f"`{name}` {list(part.shape)} is added to another shape")
            found.tensors[target] = found.tensors[target] + part
        else:
            found.tensors[target] = part.copy(order="C")


def _ends(entry: Entry, made: np.ndarray) -> list[tuple[int, int]]:
    """Where the parts of a tensor begin and end. Raises `ValueError`."""
    count = len(entry.targets)
    if count == 1:
        return [(0, 0)]
    sizes = list(entry.sizes)
    if not sizes:
        if not made.ndim or made.shape[0] % count:
            raise ValueError(f"can't cut {list(made.shape)} into {count} parts")
        sizes = [made.shape[0] // count] * count
    if not made.ndim or sum(sizes) != made.shape[0]:
        raise ValueError(f"can't cut {list(made.shape)} into parts of {sizes}")
    starts = [sum(sizes[:place]) for place in range(count)]
    return [(start, start + size) for start, size in zip(starts, sizes)]
