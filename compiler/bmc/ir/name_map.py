"""Name maps: tensors that somebody else named, as a model of ours expects them.

A map is a JSON object. A key is a name in the file, with `{words}` for what varies between dots;
its value says what becomes of such a tensor:

    "wte.weight": "embed.weight"                              another name
    "h.{n}.mlp.c_fc.weight": {"to": "layers.{n}.dense1.weight", "axes": [1, 0]}
    "h.{n}.attn.c_attn.bias": {"split": ["…query.bias", "…key.bias", "…value.bias"]}
    "h.{n}.attn.bias": null                                   left out

`view` counts the elements by other axes first (-1 takes what is left), `axes` puts axes in another
order, `shape` counts the elements by other axes again, `split` cuts the first axis, after all that,
into parts of one size. The first key that fits a name counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmc.records import field, record

if TYPE_CHECKING:
    import numpy as np

LARGEST = 2**20  # bytes of a map
HOLE = re.compile(r"\\\{([a-z_]+)\\\}")
KEYS = {"to", "split", "view", "axes", "shape"}


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
    return [_entry(key, value) for key, value in found.items()]


def _entry(source: str, value: Any) -> Entry:
    pattern = re.compile(HOLE.sub(r"(?P<\1>[^.]+)", re.escape(source)))
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
    targets = value["split"] if "split" in value else [value["to"]]
    if not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
        raise BadMap(f"`{source}` leads to names, and one of them is no text")
    known = set(pattern.groupindex)
    for name in targets:
        strange = set(re.findall(r"\{(.*?)\}", name)) - known
        if strange:
            raise BadMap(f"`{name}` has `{{{sorted(strange)[0]}}}`, and `{source}` has not")
    numbers = {key: value.get(key, []) for key in ("view", "axes", "shape")}
    for key, listed in numbers.items():
        if not isinstance(listed, list) or not all(type(n) is int for n in listed):
            raise BadMap(f"`{key}` of `{source}` is a list of whole numbers")
    moves = {key: tuple(listed) for key, listed in numbers.items()}
    return Entry(pattern, source, tuple(targets), **moves)


def astray(entries: list[Entry], names: tuple[str, ...]) -> list[str]:
    """The targets of a map that no tensor of a model has, for any words."""
    found: list[str] = []
    for target in dict.fromkeys(target for entry in entries for target in entry.targets):
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^.]+", re.escape(target)))
        if not any(pattern.fullmatch(name) for name in names):
            found.append(target)
    return found


def apply_map(entries: list[Entry], tensors: dict[str, np.ndarray]) -> Mapped:
    """The tensors under the names of the map. Raises `BadMap` where one does not fit."""
    found = Mapped()
    used: set[str] = set()
    for name, tensor in tensors.items():
        for entry in entries:
            match = entry.pattern.fullmatch(name)
            if match is not None:
                used.add(entry.source)
                _place(entry, match.groupdict(), name, tensor, found)
                break
        else:
            found.unknown.append(name)
    found.unused = [entry.source for entry in entries if entry.source not in used]
    return found


def _place(
    entry: Entry, words: dict[str, str], name: str, tensor: np.ndarray, found: Mapped
) -> None:
    if not entry.targets:
        found.dropped.append(name)
        return
    try:
        made = tensor.reshape(entry.view) if entry.view else tensor
        made = made.transpose(entry.axes) if entry.axes else made
        made = made.reshape(entry.shape) if entry.shape else made
        count = len(entry.targets)
        if count > 1 and (not made.ndim or made.shape[0] % count):
            raise ValueError(f"can't cut {list(made.shape)} into {count} parts")
    except ValueError as error:
        raise BadMap(f"`{name}` {list(tensor.shape)}: {error}") from None
    size = made.shape[0] // count if made.ndim else 0
    for place, target in enumerate(entry.targets):
        for word, text in words.items():
            target = target.replace(f"{{{word}}}", text)
        if target in found.tensors:
            raise BadMap(f"two tensors become `{target}`, the second is `{name}`")
        part = made[place * size : (place + 1) * size] if count > 1 else made
        found.tensors[target] = part.copy(order="C")
