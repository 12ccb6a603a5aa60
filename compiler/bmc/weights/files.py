"""Reads `weights.safetensors` against what a model expects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import VerifyFailed, WeightsDiffer
from bmc.diagnostics.problems.files import CannotRead, nowhere
from bmc.ir.model import BlockSpec, weights
from bmc.ir.name_map import BadMap, read_map

if TYPE_CHECKING:
    import numpy as np

    from bmc.weights.rename import Mapped

MOST = 8  # names in one message
HEADER = 100_000_000  # bytes that a file may say of itself
SIZES = (8, 16, 32, 64)  # bits of whole numbers


def expected(model: BlockSpec) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor of a model's weights file, in order of creation."""
    return {name: tuple(int(n) for n in w.shape) for name, w in weights(model)}  # type: ignore[arg-type]


def read_weights(
    path: Path, model: BlockSpec, problems: Problems, names: Path | None = None
) -> Mapped | None:
    """The tensors of a file, renamed by a map if there is one.

    None, and a problem for each kind of fault, where they do not fit the model.
    """
    before = len(problems)
    told = shapes_of(path) if names is None else {}
    for problem in differences(told, expected(model), str(path)) if told else ():
        problems.add(problem)
    if len(problems) > before:  # a large file need not be read for that
        return None
    tensors = _read(path, model, problems)
    if tensors is None:
        return None
    from bmc.weights.rename import Mapped, apply_map

    found = Mapped(tensors)
    if names is not None:
        try:
            found = apply_map(read_map(names), tensors, expected(model))
        except BadMap as error:
            problems.add(
                WeightsDiffer(nowhere(str(names)), "the map of names fails", (str(error),))
            )
            return None
    shapes = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()}
    shapes |= {name: tuple(tensors[name].shape) for name in found.unknown}
    for problem in differences(shapes, expected(model), str(path)):
        problems.add(problem)
    return found if len(problems) == before else None


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's tensors, from its first bytes; none where they can't be read."""
    found: dict[str, tuple[int, ...]] = {}
    try:
        for part in shards(path) if path.suffix == ".json" else [path]:
            with part.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(size, HEADER)))
            header.pop("__metadata__", None)
            found |= {name: tuple(map(int, entry["shape"])) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, BadMap):
        return {}
    return found


def _read(path: Path, model: BlockSpec, problems: Problems) -> dict[str, np.ndarray] | None:
    try:
        from safetensors import SafetensorError, deserialize
    except ModuleNotFoundError:
        what = "needs `safetensors`, which this Python has not"
        problems.add(VerifyFailed(model.span, "weights", what, "pip install safetensors"))
        return None
    where = nowhere(str(path))
    found: dict[str, np.ndarray] = {}
    try:
        for part in shards(path) if path.suffix == ".json" else [path]:
            where = nowhere(str(part))
            entries = deserialize(part.read_bytes())  # type: ignore[no-untyped-call]
            found |= {name: _array(entry) for name, entry in entries}
        return found
    except FileNotFoundError:
        problems.add(CannotRead(where, where.source.name, "there is no such file"))
    except BadMap as error:
        problems.add(WeightsDiffer(where, "it is no index of safetensors files", (str(error),)))
    except (SafetensorError, OSError, ValueError) as error:
        problems.add(WeightsDiffer(where, "it is no safetensors file", (str(error)[:100],)))
    return None


def shards(path: Path) -> list[Path]:
    """The files that an index names, all beside it. Raises `BadMap`."""
    try:
        table = json.loads(path.read_bytes())["weight_map"]
        names = list(dict.fromkeys(table.values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadMap("it has no `weight_map` of names and files") from None
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
            raise BadMap(f"{str(name)[:80]!r} is no safetensors file beside it")
    return [path.parent / name for name in names]


def _array(entry: dict[str, Any]) -> np.ndarray:
    """A tensor of a file; floats of any precision as float32, and others as they are."""
    import numpy as np

    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?"}
    kinds |= {f"{sign}{size}": f"<{sign.lower()}{size // 8}" for sign in "IU" for size in SIZES}
    kind = entry["dtype"]
    if kind not in kinds:
        raise ValueError(f"a tensor is of type {kind}")
    array = np.frombuffer(entry["data"], kinds[kind])
    if kind == "BF16":  # the upper half of a float32
        array = (array.astype("<u4") << 16).view("<f4")
    kept = np.dtype("<f4") if array.dtype.kind == "f" else array.dtype
    return array.reshape(entry["shape"]).astype(kept)


def differences(
    found: dict[str, tuple[int, ...]], wanted: dict[str, tuple[int, ...]], path: str
) -> list[WeightsDiffer]:
    """What is missing, what is too much and what has another shape."""
    where = nowhere(path)
    missing = [f"{name} {_shape(wanted[name])}" for name in wanted if name not in found]
    surplus = [f"{name} {_shape(found[name])}" for name in found if name not in wanted]
    other = [
        f"{name} is {_shape(found[name])}, and the model has {_shape(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    kinds = {
        "tensors are missing from the file": missing,
        "tensors belong to no layer of the model": surplus,
        "tensors have another shape than the model": other,
    }
    return [
        WeightsDiffer(where, f"{len(names)} {what}", few(names))
        for what, names in kinds.items()
        if names
    ]


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def few(names: list[str]) -> tuple[str, ...]:
    """The first of so many names, and how many more there are."""
    more = len(names) - MOST
    return (*names[:MOST], *([f"and {more} more"] if more > 0 else []))
