"""Yes or no, and several labels, from a spec to scores and predictions in three programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.programs.project import BACKENDS, DATA, run, succeed, written

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
TABLE = ("--data", DATA / "penguins.csv")
YES_OR_NO = """
model Net {
  input x: float[3]
  output logit = x -> dense(16) -> relu -> dense(1) -> squeeze
}
data {
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  adelie = "species" -> equals("Adelie")
  split  = random(train=70%, validation=15%, test=15%, seed=1)
}
train {
  loss      = (logit, adelie) -> binary_cross_entropy(pos_weight=2.0)
  metrics   = (logit, adelie) -> [accuracy, f1, roc_auc, brier, f1(average=macro), hamming]
  optimizer = adamw(lr=1e-2)
  schedule  = one_cycle
  epochs    = 12
}
predict {
  probability = logit -> sigmoid
  adelie      = (logit > 0) -> undo(data.adelie)
}
"""


def test_a_yes_or_no_is_learned(tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(YES_OR_NO)
    programs = {name: written(tmp_path / name, tmp_path / "net.bm", name) for name in BACKENDS}
    for trained in ("torch", "keras"):
        succeed(programs[trained], "train.py", *TABLE, "--out", tmp_path / trained / "run")
        weights = ("--weights", tmp_path / trained / "run" / "weights.safetensors")
        scores, tables = [], []
        for name, program in programs.items():
            scores.append(json.loads(succeed(program, "evaluate.py", *weights, *TABLE)))
            done = run(program, "predict.py", *weights, *TABLE, "-o", tmp_path / f"{name}.csv")
            assert done.returncode == 0, done.stderr
            lines = (tmp_path / f"{name}.csv").read_text().splitlines()
            tables.append([line.split(",") for line in lines])
        assert scores[0]["accuracy"] > 0.85 and scores[0]["roc_auc"] > 0.95
        assert scores[0]["accuracy"] == pytest.approx(1 - scores[0]["hamming"])
        assert list(scores[0])[-2:] == ["f1_macro", "hamming"]
        assert scores[1] == pytest.approx(scores[0], rel=1e-5)
        assert scores[2] == pytest.approx(scores[0], rel=1e-5)
        head, *rows = tables[0]
        assert head == ["probability", "adelie"]
        for probability, word in rows:
            assert word == ("Adelie" if float(probability) > 0.5 else "not Adelie")
        for table in tables[1:]:
            assert [row[1] for row in table] == [row[1] for row in tables[0]]
