"""`bmc verify --steps`: the training of two programs, update by update."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.programs.project import DATA, succeed, written

from bmc import cli, driver
from bmc.verify import compare

SPEC = """
model Net {
  input x: float[3]
  hidden = x -> dense(16) -> batch_norm -> relu -> dropout(0.3)
  output logits = hidden -> dense(3)
}
data {
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  kind   = "species" -> category
  split  = random(train=70%, validation=15%, test=15%, seed=1)
}
train {
  loss      = (logits, kind) -> cross_entropy(class_weight=balanced)
  metrics   = (logits, kind) -> accuracy
  optimizer = adamw(lr=1e-2, weight_decay=0.1)
  optimizer dense2 = sgd(lr=0.1, momentum=0.9)
  schedule  = cosine(warmup=10%)
  epochs    = 4
  batch     = 16
  MORE
}
predict { kind = logits -> argmax -> undo(data.kind) }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    shutil.copy(DATA / "penguins.csv", tmp_path)
    path = tmp_path / "net.bm"
    path.write_text(SPEC.replace("MORE", "accumulate = 2\n  ema = 0.9\n  clip_norm = 0.5"))
    return path


@pytest.mark.torch
@pytest.mark.keras
def test_every_update_is_compared(spec: Path, capfd: Any) -> None:
    given = ["verify", str(spec), "--backends", "torch,keras", "--steps", "7"]
    assert cli.main([*given, "--format", "json"]) == 0
    updates = json.loads(capfd.readouterr().out)["updates"]
    assert [one["update"] for one in updates] == list(range(1, 8))
    for one in updates:
        assert one["equal"] and {"loss", "dense1.weight", "norm.running_var"} <= set(
            one["differences"]
        )
        assert max(one["differences"].values()) < 1e-6


@pytest.mark.torch
@pytest.mark.keras
def test_a_fault_is_found_where_it_begins(spec: Path, capfd: Any, monkeypatch: Any) -> None:
    made = driver.compile

    def faulty(program: Any, backend: str, problems: Any) -> dict[str, str]:
        files = made(program, backend, problems)
        if backend == "keras" and "train.py" in files:
            assert "DENSE2_MOMENTUM = 0.9" in files["train.py"]
            text = files["train.py"].replace("DENSE2_MOMENTUM = 0.9", "DENSE2_MOMENTUM = 0.8")
            files = {**files, "train.py": text}
        return files

    monkeypatch.setattr(driver, "compile", faulty)
    given = ["verify", str(spec), "--backends", "torch,keras", "--steps", "3"]
    assert cli.main(given) == 1
    told = capfd.readouterr().out
    # Momentum acts from the second update on, and on this part alone.
    assert "the first difference is in update 2: dense2." in told
    assert "update 1 " in told and told.count("DIFFERS") == 2


@pytest.mark.nightly
@pytest.mark.torch
@pytest.mark.keras
def test_what_each_framework_draws_is_refused(spec: Path, capfd: Any) -> None:
    text = spec.read_text().replace(
        "= hidden -> dense(3)", "= (hidden, hidden) -> sample_normal -> dense(3)"
    )
    spec.write_text(text)
    given = ["verify", str(spec), "--backends", "torch,keras", "--steps", "1"]
    code = cli.main(given)
    told = capfd.readouterr()
    assert code == 1
    assert (
        "training has `sample_normal`, which each framework draws its own numbers for" in told.err
    )


@pytest.mark.parametrize("steps", ["0", "x", "100000"])
def test_steps_are_checked(spec: Path, steps: str, capfd: Any) -> None:
    assert cli.main(["verify", str(spec), "--steps", steps]) == 2
    assert "--steps" in capfd.readouterr().err


def test_data_without_steps_is_refused(spec: Path, capfd: Any) -> None:
    assert cli.main(["verify", str(spec), "--data", "penguins.csv"]) == 1
    assert "--data is for training, which `--steps` compares" in capfd.readouterr().err


@pytest.mark.torch
@pytest.mark.keras
def test_a_program_that_takes_too_long_is_said(spec: Path, capfd: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(compare, "SECONDS", 0.01)
    given = ["verify", str(spec), "--backends", "torch,keras", "--steps", "1"]
    assert cli.main(given) == 1
    assert "torch its program failed: it took more than 0.01 seconds" in capfd.readouterr().err


@pytest.mark.nightly
@pytest.mark.torch
@pytest.mark.keras
def test_a_program_that_fails_says_what_it_said(spec: Path, capfd: Any) -> None:
    (spec.parent / "penguins.csv").write_text("species\nAdelie\n")
    given = ["verify", str(spec), "--backends", "torch,keras", "--steps", "1"]
    assert cli.main(given) == 1
    assert "torch its program failed" in capfd.readouterr().err


TOWERS = """
model Pairs {
  input bill: float[2]
  input body: float[2]
  output one = bill -> dense(8) -> tanh -> dense(4)
  output other = body -> dense(8) -> tanh -> dense(4)
}
data {
  source = csv("penguins.csv")
  bill   = ["bill_length_mm", "bill_depth_mm"] -> impute(median) -> standardize
  body   = ["flipper_length_mm", "body_mass_g"] -> impute(median) -> standardize
  split  = random(train=70%, validation=30%, seed=1)
}
train {
  loss      = (one, other) -> contrastive(temperature=0.5)
  optimizer = muon(lr=1e-2)
  epochs    = 20
  batch     = 32
}
predict { vector = one -> l2_normalize }
"""


@pytest.mark.nightly
@pytest.mark.torch
@pytest.mark.keras
def test_two_towers_learn_each_other(tmp_path: Path, capfd: Any) -> None:
    shutil.copy(DATA / "penguins.csv", tmp_path)
    spec = tmp_path / "net.bm"
    spec.write_text(TOWERS)
    assert cli.main(["verify", str(spec), "--backends", "torch,keras", "--steps", "4"]) == 0
    scores = []
    out = tmp_path / "run"
    for backend in ("torch", "keras"):
        made = written(tmp_path / backend, spec, backend)
        given = ("--data", tmp_path / "penguins.csv")
        if backend == "torch":
            succeed(made, "train.py", *given, "--out", out)
        given = ("--weights", out / "weights.safetensors", *given)
        scores.append(json.loads(succeed(made, "evaluate.py", *given))["loss"])
        told = succeed(made, "report.py", *given).split()
        assert told == [str(out / "curves.png")]  # a row alone has no loss
    # Guessing among 104 rows would cost log(104) = 4.64.
    assert scores[0] == pytest.approx(scores[1], rel=1e-5) and scores[0] < 4.5
