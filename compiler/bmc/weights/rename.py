"""Applies a map of names to the tensors of a file: what `bmc.ir.name_map` reads, done in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bmc.ir.name_map import FOLDED, BadMap, Entry, NameMap, filled
from bmc.records import field, record

Arrays = dict[str, np.ndarray]


@record(frozen=False)
class Mapped:
    """What a map made of a file."""

    tensors: Arrays = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # names that no key fits
    unused: list[str] = field(default_factory=list)  # keys that fit no name


@record(frozen=False)
class _Held:
    """What waits for the other tensors that lead to the same name."""

    parts: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    lengths: Arrays = field(default_factory=dict)
    folds: dict[str, tuple[float, Arrays]] = field(default_factory=dict)


def apply_map(
    names: NameMap, tensors: Arrays, wanted: Mapping[str, tuple[int, ...]] | None = None
) -> Mapped:
    """The tensors under the names of the map, and what it gives of those `wanted` besides.

    Raises `BadMap` where one does not fit.
    """
    found = Mapped()
    used: set[str] = set()
    held = _Held()
    table = dict(names.words)
    for name, tensor in tensors.items():
        for entry in names.entries:
            match = entry.pattern.fullmatch(name)
            if match is not None:
                used.add(entry.source)
                words = {key: table.get(word, word) for key, word in match.groupdict().items()}
                _place(entry, words, name, tensor, found, held)
                break
        else:
            found.unknown.append(name)
    for target, parts in held.parts.items():
        _join(target, parts, found)
    for target, lengths in held.lengths.items():
        _scale(target, lengths, found)
    for target, (epsilon, norm) in held.folds.items():
        _fold(target, epsilon, norm, found.tensors)
    for target, shape in (wanted or {}).items():
        number = names.missing_number(target)
        if number is not None and target not in found.tensors:
            found.tensors[target] = np.full(shape, number, "float32")
    found.unused = [entry.source for entry in names.entries if entry.source not in used]
    return found


def _scale(target: str, lengths: np.ndarray, found: Mapped) -> None:
    """Gives the rows of a tensor, all its elements but those along the first axis, a length."""
    if target not in found.tensors:
        raise BadMap(f"no tensor leads to `{target}`, whose lengths are there")
    rows = found.tensors[target]
    if not rows.ndim or lengths.size != rows.shape[0]:
        raise BadMap(f"`{target}` {list(rows.shape)} has no {lengths.size} rows")
    wide = (-1, *(1,) * (rows.ndim - 1))
    norms = np.linalg.norm(rows.reshape(rows.shape[0], -1), axis=1)
    found.tensors[target] = rows * (lengths.reshape(-1) / norms).reshape(wide)


def _fold(target: str, epsilon: float, norm: Arrays, found: Arrays) -> None:
    """Gives a layer what a batch norm behind it does in evaluation: scaled rows, another bias."""
    if target not in found:
        raise BadMap(f"no tensor leads to `{target}`, into which a norm is folded")
    rows, bias = found[target], f"{target.removesuffix('weight')}bias"
    lacking = next((kind for kind in ("mean", "variance") if kind not in norm), None)
    if lacking is not None:
        raise BadMap(f"the norm that is folded into `{target}` has no {lacking}")
    if any(part.shape != rows.shape[:1] for part in norm.values()):
        raise BadMap(f"`{target}` {list(rows.shape)} has other rows than the norm folded into it")
    scale = norm.get("weight", 1.0) / np.sqrt(norm["variance"] + epsilon)
    shift = norm.get("bias", 0.0) + (found.get(bias, 0.0) - norm["mean"]) * scale
    found[target] = (rows * scale.reshape(-1, *(1,) * (rows.ndim - 1))).astype(rows.dtype)
    found[bias] = shift.astype(rows.dtype)


def _join(target: str, parts: dict[int, np.ndarray], found: Mapped) -> None:
    """Puts parts one after the other along their first axis."""
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
        where, key = _where(entry, target, name, found, held)
        if not entry.add and key in where:
            raise BadMap(f"two tensors become `{target}`, the second is `{name}`")
        part = made[start:end] if len(ends) > 1 else made
        if where is not found.tensors:
            where[key] = part
        elif target in where:
            if where[target].shape != part.shape:
                raise BadMap(f"`{name}` {list(part.shape)} is added to another shape")
            where[target] = where[target] + part
        else:
            where[target] = part.copy(order="C")


def _where(
    entry: Entry, target: str, name: str, found: Mapped, held: _Held
) -> tuple[dict[Any, np.ndarray], Any]:
    """What a tensor goes into, and under which key."""
    if entry.part is not None:
        return held.parts.setdefault(target, {}), entry.part
    if entry.length:
        return held.lengths, target
    if entry.fold is None:
        return found.tensors, target
    kind = FOLDED.get(name.rpartition(".")[2])
    if kind is None:
        raise BadMap(f"`{name}` is no part of a batch norm that can be folded")
    return held.folds.setdefault(target, (entry.fold, {}))[1], kind


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
