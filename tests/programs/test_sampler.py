"""`sampler`: training rows drawn by weights, or so that every class comes as often."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.drawn import table
from tests.programs.project import run, succeed, written
from tests.programs.test_keys import BOTH
from tests.programs.test_parts import problems_of

SPEC = """
model Net {
  input x: float[4]
  output logits = x -> dense(8) -> relu -> dense(3)
}
data {
  source = csv("rows.csv")
  x      = ["a".."d"] -> standardize
  kind   = "kind" -> category
  w      = "w"
  num    = "num"
  split  = random(train=80%, validation=20%, seed=1)
}
train {
  loss      = (logits, kind) -> cross_entropy
  metrics   = (logits, kind) -> accuracy
  optimizer = adam(lr=1e-2)
  epochs    = 3
  batch     = 16
  sampler   = SAMPLER
}
predict { kind = logits -> argmax }
"""
LOOK = """
import json, sys
import numpy as np
from data import load
data = load(sys.argv[1])
rows = np.concatenate([data.order("train", 3, epoch) for epoch in range(400)])
again = data.order("train", 3, 5)
assert (again == data.order("train", 3, 5)).all() and (again != data.order("train", 3, 6)).any()
batch = next(data.batches("train", 7, seed=3, epoch=5))
assert (batch["x"] == data.columns["x"][again[:7]]).all() and set(batch) == {"x", "kind"}
plain = next(data.batches("train", 7))
assert (plain["x"] == data.columns["x"][data.rows["train"][:7]]).all()
assert len(again) == len(data.rows["train"]) and set(rows) <= set(data.rows["train"])
kinds = np.bincount(data.columns["kind"][rows], minlength=3) / len(rows)
counts = np.bincount(rows, minlength=100)
print(json.dumps({"kinds": kinds.tolist(), "rows": (counts / len(rows)).tolist(),
                  "train": data.rows["train"].tolist()}))
"""


def spec(folder: Path, sampler: str) -> Path:
    table(folder / "rows.csv")
    (folder / "net.bm").write_text(SPEC.replace("SAMPLER", sampler))
    return folder / "net.bm"


def test_every_class_comes_as_often(tmp_path: Path) -> None:
    made = written(tmp_path / "torch", spec(tmp_path, "balanced(data.kind)"), "torch")
    (made / "look.py").write_text(LOOK)
    found = json.loads(succeed(made, "look.py", tmp_path / "rows.csv"))
    assert found["kinds"] == pytest.approx([1 / 3] * 3, abs=0.02)


def test_rows_come_by_their_weights(tmp_path: Path) -> None:
    path = spec(tmp_path, "weighted(data.w)")
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    weights = np.array([0.0 if row % 5 == 0 else float(row % 7 + 1) for row in range(100)])
    changed = [f"{line.rpartition(',')[0]},{weights[row]}" for row, line in enumerate(lines[1:])]
    (tmp_path / "rows.csv").write_text("\n".join([lines[0], *changed]) + "\n")
    made = written(tmp_path / "torch", path, "torch")
    (made / "look.py").write_text(LOOK)
    found = json.loads(succeed(made, "look.py", tmp_path / "rows.csv"))
    chosen = np.zeros(100)
    chosen[found["train"]] = weights[found["train"]]
    expected = chosen / chosen.sum()
    share = np.array(found["rows"])
    assert (share[expected == 0] == 0).all()
    # 32,000 draws: four deviations of a binomial.
    assert (np.abs(share - expected) <= 4 * np.sqrt(expected / 32000)).all()


@pytest.mark.nightly
@pytest.mark.parametrize("backend", BOTH)
def test_a_run_goes_on_with_the_same_rows(backend: str, tmp_path: Path) -> None:
    path = spec(tmp_path, "balanced(data.kind)")
    made, given = written(tmp_path / backend, path, backend), ("--data", tmp_path / "rows.csv")
    succeed(made, "train.py", *given, "--out", tmp_path / "whole")
    succeed(made, "train.py", *given, "--out", tmp_path / "parts", "--epochs", "1")
    succeed(made, "train.py", *given, "--out", tmp_path / "parts", "--resume")
    one, other = (load_file(tmp_path / run / "weights.safetensors") for run in ("whole", "parts"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    succeed(made, "predict.py", "--weights", tmp_path / "whole" / "weights.safetensors", *given)


@pytest.mark.torch
def test_weights_below_zero_are_refused(tmp_path: Path) -> None:
    made = written(tmp_path / "torch", spec(tmp_path, "weighted(data.num)"), "torch")
    done = run(made, "train.py", "--data", tmp_path / "rows.csv", "--out", tmp_path / "run")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "the sampler's weights: expected numbers from 0" in done.stderr


@pytest.mark.parametrize(("sampler", "expected"), [
    ("weighted(data.nothing)", "is no sampler"),
    ("weighted(w)", "is no sampler"),
    ("random", "is no sampler"),
    ("balanced(data.w)", "`w` is no target of a loss over classes"),
    ("weighted(data.w)", ""),
])  # fmt: skip
def test_samplers_are_checked(sampler: str, expected: str, tmp_path: Path) -> None:
    found = problems_of(spec(tmp_path, sampler))
    assert expected in found if expected else not found
