"""Layers in company: all samples of a kind in one model, repeated, and shared at other shapes.

What one sample shows alone is the contract's; here layers that differ in settings, ranks, starts
or shapes meet in one file, where they share classes, helpers and names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.layers import sample as samples
from tests.layers.test_contract import built, cases, close

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc.diagnostics.diagnostic import Problems
from bmc.emit.backend import find_backend
from bmc.ir.model import Program
from bmc.ops.base import REGISTRY, Sample

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
