"""Losses, metrics and predictions put together by hand: one meaning in every program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.programs.project import BACKENDS, DATA, compiled, run, succeed, written

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import open_project

SPEC = Path(__file__).with_name("expressions.bm")
TABLE = ("--data", DATA / "penguins.csv")


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_scores_and_predictions_are_one(tmp_path: Path) -> None:
    programs = {name: written(tmp_path / name, SPEC, name) for name in BACKENDS}
    succeed(programs["torch"], "train.py", *TABLE, "--out", tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert records[-1]["validation_loss"] < records[0]["validation_loss"]
    last = records[-1]
    both = last["validation_kind"] + last["validation_mass"]
    assert last["validation_loss"] == pytest.approx(both, rel=1e-6)
    weights = ("--weights", tmp_path / "run" / "weights.safetensors")
    for name, program in programs.items():
        scores = json.loads(succeed(program, "evaluate.py", *weights, *TABLE))
        done = run(program, "predict.py", *weights, *TABLE, "-o", tmp_path / f"{name}.csv")
        assert done.returncode == 0, done.stderr
        table = np.genfromtxt(tmp_path / f"{name}.csv", delimiter=",", names=True, dtype=None)
        if name == "torch":
            first, wanted = scores, table
        assert scores == pytest.approx(first, rel=1e-5)
        assert (table["kind"] == wanted["kind"]).all()
        np.testing.assert_allclose(table["p_adelie"], wanted["p_adelie"], rtol=1e-4)
        np.testing.assert_allclose(table["low"], wanted["low"], rtol=1e-4, atol=1e-5)
    assert set(scores) == {"loss", "kind", "mass", "accuracy", "spread_mae"}


def test_an_output_may_be_called_like_a_function() -> None:
    """`spread` and `softmax` are functions of the programs, too."""
    files = compiled(SPEC, "torch")
    assert "def spread(" not in files["predict.py"]
    assert "softmax(logits)[:, 1]" in files["predict.py"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("p_adelie = (logits -> softmax)[1]", "p_adelie = (logits -> softmax)[3]", "outside"),
        ("low = spread", "low = 3\n  lower = spread", "a prediction depends on the model"),
        ("(logits -> softmax)[1]", "logits -> dropout(0.5)", "draws random numbers"),
        ("(logits -> softmax)[1]", "logits -> dense(3)", "belongs into the model"),
        ("(logits -> softmax)[1]", "logits -> keep_top(2)", "`keep_top`"),
    ],
)
def test_what_cannot_be_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = SPEC.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "net.bm").write_text(text.replace(old, new), encoding="utf-8")
    project, source = open_project(str(tmp_path / "net.bm"))
    problems = Problems()
    program = driver.load(source, project, problems)
    if program is not None:
        driver.compile(program, "torch", problems)
    assert problems.failed
    assert said in render_all(problems, False)


AUTO = """
model Auto {
  input x: float[3]
  output again = x -> dense(2) -> tanh -> dense(3)
}
data {
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  kind   = "species" -> category
  split  = random(train=70%, validation=15%, test=15%, seed=1)
}
train {
  loss      = (again, x) -> mse
  metrics   = (again, x) -> [rmse, r2]
  optimizer = adam(lr=1e-2)
  epochs    = 3
}
predict { error = (again - x) -> square -> mean(axis=-1) }
"""


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_an_input_is_compared_with(tmp_path: Path) -> None:
    """Of an autoencoder the input is the target, too, and part of what is predicted."""
    (tmp_path / "auto.bm").write_text(AUTO, encoding="utf-8")
    programs = {name: written(tmp_path / name, tmp_path / "auto.bm", name) for name in BACKENDS}
    found = {}
    for trained in ("torch", "keras"):
        succeed(programs[trained], "train.py", *TABLE, "--out", tmp_path / f"run_{trained}")
    weights = ("--weights", tmp_path / "run_keras" / "weights.safetensors")
    for name, program in programs.items():
        scores = json.loads(succeed(program, "evaluate.py", *weights, *TABLE, "--all"))
        assert scores["rmse"] ** 2 == pytest.approx(scores["loss"], rel=1e-5)
        done = run(program, "predict.py", *weights, *TABLE, "-o", tmp_path / f"{name}.csv")
        assert done.returncode == 0, done.stderr
        found[name] = np.loadtxt(tmp_path / f"{name}.csv", skiprows=1)
        assert found[name].mean() == pytest.approx(scores["loss"], rel=1e-5)
        np.testing.assert_allclose(found[name], found["torch"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_prediction_reads_inputs_alone(backend: str, tmp_path: Path) -> None:
    text = AUTO.replace("predict {", "predict {\n  kind = kind\n ")
    (tmp_path / "auto.bm").write_text(text, encoding="utf-8")
    project, source = open_project(str(tmp_path / "auto.bm"))
    problems = Problems()
    program = driver.load(source, project, problems)
    assert program is not None
    driver.compile(program, backend, problems)
    assert "a file to predict has the model's inputs alone" in render_all(problems, False)
