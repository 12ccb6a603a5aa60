"""Runs the programs of several backends on the same numbers, and compares what comes out."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmc.records import record
from bmc.verify.probe import Arrays, pack, unpack

PACKAGES = {
    "torch": ("torch",),
    "keras": ("keras", "tensorflow"),
    "onnx": ("onnx", "onnxruntime"),
}
OUTPUTS = {"float32": 1e-5, "float64": 1e-8}
# Of a deep network of rectifiers: a value near zero may fall on either side.
GRADIENTS = {"float32": 1e-3, "float64": 1e-7}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
SECONDS = 600
ERROR = re.compile(r"[A-Za-z_.]*(Error|Exception|Fail|Interrupt)\b")
LONGEST = 300


@record
class Answer:
    """What one program gave."""

    outputs: list[np.ndarray]
    layers: Arrays
    gradients: Arrays
    order: list[str]  # of the layers


@record
class Difference:
    """How far an array is apart in two programs: the largest difference, as a share of the largest
    element; for all gradients together, the length of the difference as a share of theirs.
    """

    name: str
    share: float
    bound: float

    @property
    def fine(self) -> bool:
        """Whether it is within its bound."""
        return self.share <= self.bound


class Failed(Exception):
    """A program did not run; the message is what it said last."""


def missing(backend: str) -> list[str]:
    """The packages that a backend's programs need and that are not installed."""
    return [name for name in PACKAGES.get(backend, ()) if importlib.util.find_spec(name) is None]


def run(
    package: str,
    program: Path,
    header: Mapping[str, Any],
    weights: Arrays,
    inputs: list[np.ndarray],
) -> Answer:
    """Runs the program in a folder on weights and inputs, in a process of its own.

    `package` is the backend's, which has the module `probe`.
    """
    request, answer = program / "request.npz", program / "answer.npz"
    pack(request, dict(header), weights=weights, inputs=inputs)
    execute(f"{package}.probe", program, request, answer)
    found, groups = unpack(answer)
    outputs = groups.get("outputs", {})
    return Answer(
        [outputs[key] for key in sorted(outputs, key=int)],
        groups.get("layers", {}),
        groups.get("gradients", {}),
        found["layers"],
    )


def execute(module: str, *words: Any) -> None:
    """Runs `python -m module words` in a process of its own. Raises Failed with what it said last."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, words)],
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"it took more than {SECONDS} seconds") from None
    if not done.returncode:
        return
    lines = done.stderr.strip().splitlines()
    said = [line for line in lines if ERROR.match(line)]
    if not said and done.returncode == 1:  # a message of the program's own
        said = lines[-1:]
    raise Failed(said[-1][:LONGEST] if said else f"it ended with code {done.returncode}")


def difference(name: str, mine: np.ndarray, theirs: np.ndarray, bound: float) -> Difference:
    """How far two arrays are apart; infinitely where shapes or what is finite differ."""
    if mine.shape != theirs.shape:
        return Difference(name, float("inf"), bound)
    if theirs.dtype.kind != "f":
        return Difference(name, 0.0 if np.array_equal(mine, theirs) else float("inf"), 0.0)
    finite = np.isfinite(theirs)
    if not np.array_equal(finite, np.isfinite(mine)):
        return Difference(name, float("inf"), bound)
    scale = float(np.abs(theirs[finite]).max(initial=0.0)) or 1.0
    apart = float(np.abs(mine[finite].astype(np.float64) - theirs[finite]).max(initial=0.0))
    return Difference(name, apart / scale, bound)


def compare(mine: Answer, theirs: Answer, names: list[str], dtype: str) -> list[Difference]:
    """The differences of outputs, and of gradients where both programs train.

    `dtype` is the coarser of both programs'.
    """
    found = [
        difference(name, one, other, OUTPUTS[dtype])
        for name, one, other in zip(names, mine.outputs, theirs.outputs)
    ]
    shared = [key for key in theirs.gradients if key in mine.gradients]
    if shared:
        apart = sum(_square(mine.gradients[key] - theirs.gradients[key]) for key in shared)
        whole = sum(_square(theirs.gradients[key]) for key in shared)
        share = math.sqrt(apart / whole) if whole else math.sqrt(apart)
        found.append(Difference("gradients", share, GRADIENTS[dtype]))
    return found


def _square(array: np.ndarray) -> float:
    return float(np.sum(np.square(array, dtype=np.float64)))


def first_difference(mine: Answer, theirs: Answer, dtype: str) -> Difference | None:
    """The first layer, in the order of the other program, whose values differ."""
    for name in theirs.order:
        if name not in mine.layers:
            continue
        one, other = mine.layers[name], theirs.layers[name]
        if one.shape != other.shape and one.ndim == other.ndim > 2:
            one = np.moveaxis(one, -1, 1)  # channels last in Keras
        found = difference(name, one, other, OUTPUTS[dtype])
        if not found.fine:
            return found
    return None
