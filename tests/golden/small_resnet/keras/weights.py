# Written by bmc from a .bm file; the file is yours to edit.
"""Read and write weights.safetensors, the same file for every framework."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

Tensors = dict[str, NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]
LEARNED_FILE = "learned.json"
STATES = "states"
# How numpy reads the types of a file; BF16 is the upper half of a float32.
TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


def read_bytes(path: Path) -> bytes:
    """The content of a file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such file") from None
    except OSError as error:
        raise SystemExit(f"{path}: can't be read: {error.strerror}") from None


def read_tensors(path: Path) -> Tensors:
    """All tensors of a .safetensors file, floats as float32."""
    content = read_bytes(path)
    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise SystemExit(f"{path}: not a .safetensors file: {error}") from None
    tensors: Tensors = {}
    for name, entry in entries:
        if entry["dtype"] not in TYPES:
            raise SystemExit(f"{path}: {name} is of type {entry['dtype']}")
        array = np.frombuffer(entry["data"], TYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        kind = np.dtype("<f4") if array.dtype.kind == "f" else array.dtype
        tensors[name] = array.reshape(entry["shape"]).astype(kind)
    written = read_notes(path).get("digest")
    if written is not None and written != digest_tensors(tensors):
        raise SystemExit(
            f"{path}: damaged: its tensors are not those that were written"
        )
    return tensors


def read_notes(path: Path) -> dict[str, str]:
    """What a .safetensors file says of itself, in its first bytes."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        notes: dict[str, str] = json.loads(file.read(size)).get("__metadata__") or {}
    return notes


def read_weights(path: Path, wanted: Shapes) -> Tensors:
    """The weights of a model; refuses what does not fit it, each by name."""
    tensors = read_tensors(path)
    faults = find_misfits(tensors, wanted)
    faults += find_no_floats(
        {name: tensors[name] for name in tensors if name in wanted}
    )
    if faults:
        raise SystemExit("\n  ".join([f"{path} does not fit the model:", *faults]))
    return tensors


def find_misfits(tensors: Tensors, wanted: Shapes) -> list[str]:
    """What is missing, too much, or of another shape than a model has."""
    found = {name: tensor.shape for name, tensor in tensors.items()}
    faults = [f"{name} is missing" for name in wanted if name not in found]
    spare = [name for name in found if name not in wanted]
    faults += [f"{name} is no weight of the model" for name in spare]
    return faults + [
        f"{name} is {found[name]}, and the model has {shape}"
        for name, shape in wanted.items()
        if found.get(name, shape) != shape
    ]


def find_no_floats(tensors: Tensors) -> list[str]:
    """What is wrong with the numbers of weights."""
    faults = []
    for name, tensor in tensors.items():
        if tensor.dtype.kind != "f":
            faults.append(f"{name} holds {tensor.dtype}, and a weight is a float")
        elif not np.isfinite(tensor).all():
            faults.append(f"{name} holds numbers that are not finite")
    return faults


def digest_tensors(tensors: Tensors) -> str:
    """A number that any change of a name, a shape or a value changes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_weights(
    path: Path, tensors: Tensors, learned: dict[str, Any] | None = None
) -> None:
    """Write weights, and what was learned from the data beside them."""
    notes = {"digest": digest_tensors(tensors)}
    if learned is not None:
        text = json.dumps(learned, indent=2).encode()
        notes[LEARNED_FILE] = hashlib.sha256(text).hexdigest()
        write_atomically(path.with_name(LEARNED_FILE), text)
    write_atomically(path, save(tensors, notes))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a neighbour file, then swap it in: `path` is never half-written."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SystemExit(f"{path}: can't be written: {error.strerror}") from None


def write_state(
    folder: Path, tensors: Tensors, notes: dict[str, Any], keep: int
) -> None:
    """Write the state of a run after an update; of the earlier ones the newest stay.

    One with a weight that is not finite is none to go on from: the earlier ones stay.
    """
    weights = [array for name, array in tensors.items() if name.startswith("model.")]
    if not all(np.isfinite(array).all() for array in weights):
        return
    text = json.dumps(notes)
    about = {
        "state": text,
        "state_digest": hashlib.sha256(text.encode()).hexdigest(),
        "digest": digest_tensors(tensors),
    }
    try:
        (folder / STATES).mkdir(exist_ok=True)
    except OSError as error:
        raise SystemExit(f"{folder / STATES}: {error.strerror}") from None
    path = folder / STATES / f"step-{notes['step']:08d}.safetensors"
    write_atomically(path, save(tensors, about))
    states = list_states(folder)
    place = states.index(path)
    for other in states[:place] + states[place + keep :]:  # a newer one was damaged
        other.unlink()


def list_states(folder: Path) -> list[Path]:
    """The states of a run, the newest first."""
    return sorted((folder / STATES).glob("step-*.safetensors"), reverse=True)


def read_state(
    folder: Path, settings: dict[str, Any]
) -> tuple[Tensors, dict[str, Any]] | None:
    """The newest state that is whole; None where a run has none yet.

    A run goes on with the settings that it began with: another is refused by its name.
    """
    damaged = []
    for path in list_states(folder):
        try:
            tensors, notes = read_whole(path)
        except SystemExit:
            damaged.append(str(path))
            continue
        if damaged:
            print(
                f"damaged: {', '.join(damaged)}; going on from {path}", file=sys.stderr
            )
        for name, value in settings.items():
            other = notes["settings"].get(name)
            if other != value:
                raise SystemExit(
                    f"{path}: of a run whose {name} is {other}, and it is {value} here"
                )
        return tensors, notes
    if damaged:
        raise SystemExit(f"{folder}: no state is whole: {', '.join(damaged)}")
    return None


def check_state(tensors: Tensors, wanted: Shapes) -> None:
    """Refuse a state of another model, or of other settings of it."""
    faults = find_misfits(tensors, wanted)
    if faults:
        raise SystemExit("\n  ".join(["the state is of another model:", *faults]))


def read_whole(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """A state and its notes, both as they were written."""
    tensors = read_tensors(path)
    about = read_notes(path)
    text = about.get("state", "")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if "digest" not in about or about.get("state_digest") != digest:
        raise SystemExit(f"{path}: damaged: its notes are not those that were written")
    notes: dict[str, Any] = json.loads(text)
    return tensors, notes


def split_state(tensors: Tensors, part: str) -> Tensors:
    """The tensors of a part of a state, by their names in it."""
    names = [name for name in tensors if name.startswith(f"{part}.")]
    return {name.removeprefix(f"{part}."): tensors[name] for name in names}
