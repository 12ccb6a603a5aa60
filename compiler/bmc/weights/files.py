"""Reads `weights.safetensors` against what a model expects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import VerifyFailed, WeightsDiffer
from bmc.diagnostics.problems.files import CannotRead, nowhere
from bmc.ir.model import BlockSpec, weights

if TYPE_CHECKING:
    import numpy as np

MOST = 8  # names in one message


def expected(model: BlockSpec) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor of a model's weights file, in order of creation."""
    return {name: tuple(int(n) for n in w.shape) for name, w in weights(model)}  # type: ignore[arg-type]


def read_weights(path: Path, model: BlockSpec, problems: Problems) -> dict[str, np.ndarray] | None:
    """The tensors of a file; None, and a problem for each kind of fault, where they do not fit."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ModuleNotFoundError:
        what = "needs `safetensors`, which this Python has not"
        problems.add(VerifyFailed(model.span, "weights", what, "pip install safetensors"))
        return None
    where = nowhere(str(path))
    try:
        found: dict[str, np.ndarray] = load_file(path)
    except FileNotFoundError:
        problems.add(CannotRead(where, str(path), "there is no such file"))
        return None
    except (SafetensorError, OSError) as error:
        problems.add(WeightsDiffer(where, "it is no safetensors file", (str(error)[:100],)))
        return None
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    before = len(problems)
    for problem in differences(shapes, expected(model), str(path)):
        problems.add(problem)
    return found if len(problems) == before else None


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
        WeightsDiffer(where, f"{len(names)} {what}", _few(names))
        for what, names in kinds.items()
        if names
    ]


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _few(names: list[str]) -> tuple[str, ...]:
    more = len(names) - MOST
    return (*names[:MOST], *([f"and {more} more"] if more > 0 else []))
