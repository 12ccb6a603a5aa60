"""Numbers as targets: trained in two frameworks, scored and predicted in three."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.programs.project import BACKENDS, DATA, run, succeed, written

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
SPEC = """
model Net {{
  input x: float[3]
  output y = x -> dense(16) -> tanh -> dense(1) -> squeeze(axis=0)
}}
data {{
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  mass   = "body_mass_g" -> impute(median) -> standardize
  split  = random(train=70%, validation=15%, test=15%, seed=3)
}}
train {{
  loss      = (y, mass) -> {loss}
  metrics   = (y, mass) -> [rmse, r2]
  optimizer = adamw(lr=1e-2)
  epochs    = 10
  batch     = 16
}}
predict {{ mass = y -> undo(data.mass) }}
"""


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        pytest.param("mae", marks=pytest.mark.nightly),
        pytest.param("huber(delta=0.5)", marks=pytest.mark.nightly),
    ],
)
def test_a_number_is_learned(loss: str, tmp_path: Path) -> None:
    spec = tmp_path / "net.bm"
    spec.write_text(SPEC.format(loss=loss))
    programs = {name: written(tmp_path / name, spec, name) for name in BACKENDS}
    table = ("--data", DATA / "penguins.csv")
    for name in ("torch", "keras"):
        succeed(programs[name], "train.py", *table, "--out", tmp_path / f"run_{name}")
        lines = (tmp_path / f"run_{name}" / "metrics.jsonl").read_text().splitlines()
        losses = [json.loads(line)["validation_loss"] for line in lines]
        assert losses[-1] < losses[0]
    weights = ("--weights", tmp_path / "run_keras" / "weights.safetensors")
    scores, tables = {}, {}
    for name, program in programs.items():
        found = json.loads(succeed(program, "evaluate.py", *weights, *table))
        assert 0.3 < found["r2"] < 1 and 0 < found["rmse"] < 1
        scores[name] = found["loss"]
        done = run(program, "predict.py", *weights, *table, "-o", tmp_path / f"{name}.csv")
        assert done.returncode == 0, done.stderr
        tables[name] = np.loadtxt(tmp_path / f"{name}.csv", skiprows=1)
    for name in BACKENDS:
        assert abs(scores[name] - scores["torch"]) < 1e-5 * scores["torch"]
        np.testing.assert_allclose(tables[name], tables["torch"], rtol=1e-4)
    assert 2500 < tables["torch"].mean() < 6500  # grams: what was standardised is undone
