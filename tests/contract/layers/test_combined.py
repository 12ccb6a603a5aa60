"""Layers in company: all samples of a kind in one model, repeated, and shared at other shapes.

What one sample shows alone is the contract's; here layers that differ in settings, ranks, starts
or shapes meet in one file, where they share classes, helpers and names.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.contract.layers import sample as samples
from tests.contract.layers.test_contract import built, cases, close, loaded

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.emit.backend import find_backend
from bmc.ir.model import Program
from bmc.ops.base import Sample
from bmc.ops.kinds import REGISTRY
from bmc.project import open_project
from bmc.verify.chance import draw_weights

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
BACKENDS = ("torch", "keras", "onnx")
BOUND = 2e-5
# Layers that draw numbers in prediction, and one that is defined for few numbers twice.
LEFT_OUT = {name for name, declared in REGISTRY["layer"].items() if declared.draws}
TWICE = {"log", "gather"}


def refused(name: str, sample: Sample) -> bool:
    """Whether any backend refuses the sample by name."""
    for backend in BACKENDS:
        problems = Problems()
        find_backend(backend).compile(samples.program(name, sample), problems)  # type: ignore
        if problems.failed:
            return True
    return False


def agree(program: Any, arrays: list[np.ndarray], folder: Path) -> None:
    """Three programs with the same weights give the same."""
    weights = samples.weights(program(), "float32")
    models = {b: built(b, program(), folder, weights, "float32") for b in BACKENDS}
    found = {b: model.run(arrays) for b, model in models.items() if model is not None}
    assert "torch" in found
    for backend in found.keys() - {"torch"}:
        for mine, theirs in zip(found[backend], found["torch"], strict=True):
            assert mine.shape == theirs.shape
            assert close(mine, theirs, BOUND), backend


def kinds() -> list[str]:
    return sorted(name for name in REGISTRY["layer"] if name not in LEFT_OUT)


@pytest.mark.parametrize("name", kinds())
def test_samples_together(name: str, tmp_path: Path) -> None:
    """Twice the samples of a layer in one model, the second time last to first."""
    chosen = [one for one in REGISTRY["layer"][name].samples if not refused(name, one)]
    chosen = [*chosen, *reversed(chosen)]
    if not chosen:
        pytest.skip("refused by name")
    arrays = [
        array
        for number, one in enumerate(chosen)
        for array in samples.inputs(one, 7, "float32", number)
    ]
    agree(lambda: samples.together(name, chosen), arrays, tmp_path)


@pytest.mark.parametrize(("name", "sample"), cases())
def test_repeated(name: str, sample: Sample, tmp_path: Path) -> None:
    """`x -> layer * 2`, where the layer takes what it gives."""
    if name in LEFT_OUT | TWICE or samples.repeated(name, sample) is None:
        pytest.skip("does not take what it gives")
    if refused(name, sample):
        pytest.skip("refused by name")

    def program() -> Program:
        made = samples.repeated(name, sample)
        assert made is not None
        return made

    agree(program, samples.inputs(sample, 7, "float32"), tmp_path)


# A layer with the same weights at several shapes: `layer f = …`, used on each of these inputs.
SHARED = {
    "flatten": ["3", "3, 4", "2, 3, 4"],
    "mean": ["3", "3, 4", "2, 3, 4"],
    "max": ["3", "3, 4"],
    "sum(axis=0)": ["3", "3, 4", "2, 3, 4"],
    "variance": ["3", "3, 4"],
    "transpose([1, 0])": ["3, 4", "5, 2"],
    "pad(1, after=2)": ["3", "5, 4", "2, 3, 4"],
    "max_pool(2)": ["3, 8", "2, 8, 6", "3, 9"],
    "avg_pool(2)": ["2, 8, 6", "3, 8"],
    "global_avg_pool": ["3, 8", "2, 8, 6"],
    "softmax": ["3", "3, 4"],
    "cumulative_sum": ["3", "3, 4"],
    "last": ["3, 4", "6, 4", "2, 3, 4"],
    "split(2)": ["4", "3, 4"],
    "glu": ["4", "3, 4"],
    "l2_normalize": ["4", "3, 4"],
    "dense(5)": ["4", "3, 4", "2, 3, 4", "6, 4"],
    "dense(5, axis=0)": ["4, 3", "4, 6", "4, 2, 2"],
    "conv(4, kernel=3)": ["3, 8, 9", "3, 5, 5"],
    "conv(4, kernel=3, padding=same)": ["3, 8, 9", "3, 6, 6"],
    "conv(4, kernel=3, stride=2, padding=same)": ["3, 8, 9", "3, 7, 7"],
    "layer_norm": ["4", "3, 4", "2, 3, 4"],
    "layer_norm(axis=0)": ["4, 3", "4, 6"],
    "rms_norm": ["4", "3, 4"],
    "batch_norm": ["4", "4, 3", "4, 3, 3"],
    "batch_norm(axis=-1)": ["3, 4", "6, 4"],
    "prelu": ["4", "4, 3", "4, 3, 3"],
    "lstm(4)": ["3, 5", "6, 5"],
    "gru(4, bidirectional=true)": ["3, 5", "6, 5"],
    "self_attention(heads=2)": ["3, 4", "6, 4", "2, 3, 4"],
    "self_attention(heads=2, positions=rope)": ["3, 4", "6, 4", "2, 3, 4"],
    "learned_positions(9)": ["3, 4", "6, 4", "2, 3, 4"],
    "sinusoidal_positions": ["3, 4", "6, 4", "2, 3, 4"],
    "upsample(2)": ["3, 4", "2, 4, 4"],
    "dropout(0.5)": ["3", "3, 4"],
    "reshape([2, 6])": ["12", "3, 4", "2, 3, 2"],
}  # fmt: skip


@pytest.mark.parametrize("layer", SHARED)
def test_shared_at_several_shapes(layer: str, tmp_path: Path) -> None:
    """Right, or refused by name: each backend on the shapes that it takes together."""
    shapes = SHARED[layer]
    inputs = "".join(f"  input x{n}: float[{shape}]\n" for n, shape in enumerate(shapes))
    many = " -> [identity]" if not layer.startswith("split") else " -> concat"
    uses = "".join(f"  output y{n} = x{n} -> f{many}\n" for n in range(len(shapes)))
    text = f"model Net {{\n{inputs}  layer f = {layer}\n{uses}}}\n"
    path = tmp_path / "shared.bm"
    path.write_text(text)
    project, source = open_project(str(path))
    problems = Problems()
    program = driver.load(source, project, problems)
    if program is None:
        assert {problem.code for problem in problems} <= {"BM310", "BM301"}
        return
    numbers = draw_weights(program.main, "float32", 0)
    random = np.random.default_rng(0)
    sizes = [[int(size) for size in shape.split(",")] for shape in shapes]
    arrays = [random.normal(size=(4, *size)).astype("float32") for size in sizes]
    found = {}
    for backend in BACKENDS:
        model = loaded(backend, program, tmp_path, "Net", numbers, "float32")
        if model is not None:
            found[backend] = model.run(arrays)
    for one, other in itertools.combinations(found, 2):
        for mine, theirs in zip(found[one], found[other], strict=True):
            assert mine.shape == theirs.shape
            assert close(mine, theirs, BOUND), (one, other)
