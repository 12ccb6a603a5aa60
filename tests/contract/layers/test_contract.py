"""Every declared layer with every sample: what is declared is what every backend runs.

A backend lowers a layer or refuses it by name. Where it lowers it, shapes and weights are those
that were declared, and outputs and gradients are those of the other backends.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.contract.layers import sample as samples

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc.diagnostics.diagnostic import Problems
from bmc.emit.backend import find_backend
from bmc.ir.model import weights as all_weights
from bmc.ops.base import Sample
from bmc.ops.kinds import REGISTRY

LENGTHS = (7, 10)  # of free axes
OUTPUTS = {"float32": 1e-5, "float64": 1e-10}
GRADIENTS = {"float32": 1e-4, "float64": 1e-9}
# The frameworks hold constants of these in single precision, in double precision too: TensorFlow
# the root of two and slopes, PyTorch the sixth in the gradient of hard_sigmoid. TensorFlow
# interpolates pictures in single precision.
SINGLE = {
    "gelu": 1e-7,
    "glu": 1e-7,  # whose gate may be gelu
    "leaky_relu": 1e-7,
    "hard_sigmoid": 1e-7,
    "upsample": 1e-6,
}
NUMBERS = itertools.count()


def built(backend: str, program: Any, folder: Path, weights: Any, dtype: str) -> Any:
    """A program of one layer, compiled for a backend, loaded and given weights; None if refused."""
    return loaded(backend, program, folder, "One", weights, dtype)


def loaded(backend: str, program: Any, folder: Path, name: str, weights: Any, dtype: str) -> Any:
    """The program compiled for a backend, loaded and given weights; None if it was refused."""
    runner = pytest.importorskip(f"bmc_{backend}.probe", reason=f"no {backend}")
    problems = Problems()
    text = find_backend(backend).compile(program, problems).get("model.py", "")  # type: ignore
    if problems.failed:
        assert {problem.code for problem in problems} == {"BM501"}
        return None
    path = folder / f"{backend}_{next(NUMBERS)}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return runner.Model(module, name, weights, dtype)


def cases() -> list[Any]:
    return [
        pytest.param(name, sample, id=f"{name}-{number}")
        for name, declared in sorted(REGISTRY["layer"].items())
        for number, sample in enumerate(declared.samples)
    ]


def close(mine: np.ndarray, theirs: np.ndarray, bound: float) -> bool:
    """Whether two arrays differ by at most `bound` of the largest element."""
    if theirs.dtype.kind != "f":
        return mine.dtype == theirs.dtype and bool(np.array_equal(mine, theirs))
    scale = max(float(np.abs(theirs).max(initial=0.0)), 1e-3)
    same = np.array_equal(np.isfinite(mine), np.isfinite(theirs))
    return same and bool(np.nanmax(np.abs(mine - theirs), initial=0.0) <= bound * scale)


def precision(name: str, sample: Sample) -> str:
    """The finest in which Keras runs a layer: TensorFlow pools three axes in single only."""
    return "float32" if name.endswith("_pool") and len(sample.inputs[0]) == 4 else "float64"


def same_outputs(mine: Any, theirs: Any, arrays: list[np.ndarray], bound: float) -> None:
    for one, other in zip(mine.run(arrays), theirs.run(arrays), strict=True):
        assert one.shape == other.shape
        assert close(one, other, bound)


def same_gradients(
    mine: Any, theirs: Any, arrays: list[np.ndarray], name: str, bound: float
) -> None:
    training = not REGISTRY["layer"][name].random  # which draws differently while it trains
    found, expected = mine.gradients(arrays, training), theirs.gradients(arrays, training)
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        assert close(found[key], gradient, bound), key


@pytest.mark.parametrize("name", sorted(REGISTRY["layer"]))
def test_every_layer_has_samples_and_rules(name: str) -> None:
    declared = REGISTRY["layer"][name]
    assert declared.samples
    for backend in ("torch", "keras", "onnx"):
        rules = importlib.import_module(f"bmc_{backend}.lower.table").LOWERINGS
        rules.load(declared.__module__.rpartition(".")[2])
        assert declared in rules.rules, f"{backend} neither lowers nor refuses it by name"


@pytest.mark.torch
@pytest.mark.parametrize(("name", "sample"), cases())
def test_declared_is_what_runs(name: str, sample: Sample, tmp_path: Path) -> None:
    program = samples.program(name, sample)
    weights = samples.weights(program, "float64")
    model = built("torch", program, tmp_path, weights, "float64")
    if model is None:
        pytest.skip("refused by name")
    declared = {key: tuple(map(int, w.shape)) for key, w in all_weights(program.main)}
    assert model.weights() == declared
    for length in LENGTHS:
        arrays = samples.inputs(sample, length, "float64")
        made = model.run(arrays)
        kinds = [output.value.type for output in program.main.outputs]
        assert [value.shape for value in made] == [samples.shape(kind, length) for kind in kinds]
        assert all(np.isfinite(value).all() for value in made)
        assert set(model.gradients(arrays)) >= set(declared)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("name", "sample"), cases())
def test_keras_is_torch(name: str, sample: Sample, tmp_path: Path) -> None:
    program = samples.program(name, sample)
    dtype = precision(name, sample)
    weights = samples.weights(program, dtype)
    mine = built("keras", program, tmp_path, weights, dtype)
    theirs = built("torch", program, tmp_path, weights, dtype)
    if mine is None or theirs is None:
        pytest.skip("refused by name")
    assert mine.weights() == theirs.weights()
    for length in LENGTHS:
        arrays = samples.inputs(sample, length, dtype)
        if REGISTRY["layer"][name].draws:
            arrays[-1] = np.zeros_like(arrays[-1])  # of the noise
        same_outputs(mine, theirs, arrays, SINGLE.get(name, OUTPUTS[dtype]))
        if REGISTRY["layer"][name].draws:
            continue  # the gradient of a spread is its noise
        same_gradients(mine, theirs, arrays, name, SINGLE.get(name, GRADIENTS[dtype]))


@pytest.mark.torch
@pytest.mark.onnx
@pytest.mark.parametrize(("name", "sample"), cases())
def test_onnx_is_torch(name: str, sample: Sample, tmp_path: Path) -> None:
    program = samples.program(name, sample)
    weights = samples.weights(program, "float32")
    mine = built("onnx", program, tmp_path, weights, "float32")
    theirs = built("torch", program, tmp_path, weights, "float32")
    if mine is None or theirs is None:
        pytest.skip("refused by name")
    assert mine.weights() == theirs.weights()
    for length in LENGTHS:
        arrays = samples.inputs(sample, length, "float32")
        same_outputs(mine, theirs, arrays, OUTPUTS["float32"])
