"""The same weights and batches give the same training curve in PyTorch and in Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.programs.project import DATA, SPECS, succeed, written

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import weights as all_weights
from bmc.project import open_project

pytestmark = [pytest.mark.torch, pytest.mark.keras]
SCRIPT = Path(__file__).with_name("trajectory.py")
STEPS = 20
SEARCHED = 8  # of steps that search: each search makes more of what rounding began
GATE = {"float64": 1e-8, "float32": 1e-5}
SPEC = {
    "digits": (SPECS / "vision" / "digits.bm", DATA / "optdigits.npz", {"Digits__dropout": "0.0"}),
    "small_resnet": (SPECS / "vision" / "small_resnet.bm", DATA / "optdigits.npz", {}),
    "reviews": (SPECS / "text" / "reviews.bm", DATA / "reviews.csv", {}),
    "expressions": (
        SPECS.parent / "tests" / "programs" / "expressions.bm",
        DATA / "penguins.csv",
        {},
    ),
    "gates": (SPECS.parent / "tests" / "programs" / "gates.bm", DATA / "reviews.csv", {}),
    "mlp": (SPECS / "tabular" / "mlp.bm", DATA / "penguins.csv", {}),
    "clipped": (
        SPECS / "text" / "reviews.bm",
        DATA / "reviews.csv",
        {"train__clip_value": "1e-3", "train__clip_norm": "1e-2"},
    ),
    "weighted": (
        SPECS / "tabular" / "mlp.bm",
        DATA / "penguins.csv",
        {"train__loss": "(logits, species) -> cross_entropy(class_weight=balanced)"},
    ),
}
# In float32 a ReLU that flips makes any two runs differ; at a gentle rate none does.
CASES = [
    ("digits", "adamw(lr=2e-3, weight_decay=0.1)", "float64"),
    ("digits", "sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)", "float64"),
    ("digits", "adam(lr=2e-3, weight_decay=1e-2)", "float64"),
    ("small_resnet", "sgd(lr=0.1, momentum=0.9, nesterov=true, weight_decay=5e-4)", "float64"),
    ("mlp", "adamw(lr=1e-2)", "float64"),
    ("reviews", "adam(lr=1e-3)", "float64"),
    ("expressions", "adam(lr=1e-2)", "float64"),
    ("clipped", "sgd(lr=0.5)", "float64"),
    ("weighted", "adam(lr=1e-2)", "float64"),
    ("mlp", "lamb(lr=1e-2, weight_decay=0.1)", "float64"),
    ("mlp", "sgdw(lr=0.05, momentum=0.9, weight_decay=0.01)", "float64"),
    ("small_resnet", "nadam(lr=1e-3)", "float64"),
    ("digits", "rmsprop(lr=1e-3, centered=true, momentum=0.5)", "float64"),
    ("reviews", "lion(lr=1e-4, weight_decay=0.1)", "float64"),
    ("reviews", "muon(lr=1e-3, weight_decay=0.1)", "float64"),
    ("mlp", "muon(lr=1e-3)", "float64"),
    ("gates", "lamb(lr=1e-2, weight_decay=0.1)", "float64"),
    ("gates", "adafactor(lr=0.05, weight_decay=0.1)", "float64"),
    ("gates", "lbfgs(iterations=5)", "float64"),
    ("reviews", "adafactor(lr=0.02)", "float64"),
    ("small_resnet", "adafactor(lr=0.02, decay=0.7)", "float64"),
    ("digits", "adamw(lr=1e-5, weight_decay=0.1)", "float32"),
    ("digits", "sgd(lr=1e-4, momentum=0.9)", "float32"),
]
DAILY = ("expressions", "clipped", "weighted", "gates")  # and a few of the others
SOME = ("digits-adamw", "digits-sgd", "small_resnet-sgd", "mlp-lamb", "mlp-muon", "reviews-muon")


def at_times(name: str, optimizer: str, dtype: str) -> Any:
    """A case: daily, or among the long runs."""
    case = f"{name}-{optimizer}"
    daily = name in DAILY or (dtype == "float64" and case.startswith(SOME))
    return pytest.param(name, optimizer, dtype, marks=[] if daily else pytest.mark.nightly)


def start(spec: Path, path: Path) -> None:
    """Random weights of a sensible size, in a file."""
    project, source = open_project(str(spec))
    program = driver.load(source, project, Problems())
    assert program is not None
    random = np.random.default_rng(5)
    found = {}
    for name, weight in all_weights(program.main):
        shape = tuple(map(int, weight.shape))
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        values = random.normal(size=shape) / np.sqrt(fan)
        if len(shape) == 1:
            values = np.ones(shape) if "var" in name or "norm" in name else np.zeros(shape)
        found[name] = values
    save_file(found, path)


@pytest.mark.parametrize(("name", "optimizer", "dtype"), [at_times(*case) for case in CASES])
def test_losses_agree(name: str, optimizer: str, dtype: str, tmp_path: Path) -> None:
    spec, data, settings = SPEC[name]
    steps = SEARCHED if optimizer.startswith("lbfgs") else STEPS
    start(spec, tmp_path / "start.safetensors")
    losses = {}
    for backend in ("torch", "keras"):
        more = {**settings, "train__optimizer": optimizer}
        more |= {} if steps == SEARCHED else {"train__schedule": "constant"}
        folder = written(tmp_path / backend, spec, backend, **more)
        given = (backend, folder, tmp_path / "start.safetensors", data, dtype, steps)
        losses[backend] = np.array(json.loads(succeed(tmp_path, SCRIPT, *given).splitlines()[-1]))
    mine, theirs = losses["keras"], losses["torch"]
    assert len(mine) == steps
    assert not np.allclose(theirs, theirs[0], rtol=1e-6)
    assert (np.abs(mine - theirs) / np.abs(theirs)).max() <= GATE[dtype]
