"""L-BFGS takes all rows at once: what it goes with, how it ends up, and how it goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.language.test_entries import said
from tests.programs.project import succeed, written
from tests.programs.test_keys import BOTH, TABLE, records
from tests.programs.test_resume import same, told

SPEC = """
model Net {
  input x: float[4]
  output logits = x -> dense(8) -> tanh -> dense(3)
}
data {
  source = csv("penguins.csv")
  x = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    -> impute(mean) -> standardize
  species: int[] = "species" -> category
  split = random(train=70%, validation=30%)
}
train {
  loss      = (logits, species) -> cross_entropy
  metrics   = (logits, species) -> accuracy
  optimizer = lbfgs(iterations=8, history=4)
  epochs    = 6
}
predict { species = logits -> argmax -> undo(data.species) }
"""


def program(folder: Path, backend: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.bm").write_text(SPEC)
    return written(folder / backend, folder / "net.bm", backend)


@pytest.mark.parametrize("backend", BOTH)
def test_it_learns_in_few_epochs_and_goes_on_bit_for_bit(backend: str, tmp_path: Path) -> None:
    folder = program(tmp_path, backend)
    given = ("train.py", *TABLE, "--out")
    succeed(folder, *given, tmp_path / "whole")
    losses = [record["loss"] for record in records(tmp_path / "whole")]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.01
    assert records(tmp_path / "whole")[-1]["validation_accuracy"] > 0.97
    succeed(folder, *given, tmp_path / "cut", "--epochs", "3")
    succeed(folder, *given, tmp_path / "cut", "--resume")
    assert same(tmp_path / "whole/weights.safetensors", tmp_path / "cut/weights.safetensors")
    assert told(tmp_path / "whole") == told(tmp_path / "cut")


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("first", "second"), [("torch", "keras"), ("keras", "torch")])
def test_the_other_framework_goes_on(first: str, second: str, tmp_path: Path) -> None:
    folders = {backend: program(tmp_path, backend) for backend in (first, second)}
    for backend, out, epochs in (
        (first, "whole", 2), (first, "begun", 1), (second, "begun", 2),
    ):  # fmt: skip
        more = ["--resume"] if backend == second else []
        out_ = ("--out", tmp_path / out, "--epochs", epochs)
        succeed(folders[backend], "train.py", *TABLE, *out_, *more)
    left, right = (load_file(tmp_path / out / "weights.safetensors") for out in ("whole", "begun"))
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("batch = 20", "takes all rows at once"),
        ("accumulate = 2", "takes all rows at once"),
        ("schedule = cosine", "searches for the length of each step"),
        ("clip_norm = 1.0", "needs gradients as they are"),
        ("precision = bf16", "compares losses exactly"),
        ("optimizer dense1 = adam(lr=1e-3)", "changes all weights along one line"),
        ("sampler = balanced(data.species)", "takes every row once"),
    ],
)
def test_what_it_goes_without_is_refused(given: str, why: str, tmp_path: Path) -> None:
    text = said(SPEC.replace("epochs    = 6", f"epochs = 6\n  {given}"), tmp_path)
    assert text.count("error[BM411]") == 1, text
    assert f"another optimizer: `lbfgs` {why}" in text
    assert f"`{given.split()[0]}` needs" in text


def test_what_changes_nothing_is_taken(tmp_path: Path) -> None:
    spec = SPEC.replace("epochs    = 6", "epochs = 6\n  precision = fp32\n  accumulate = 1")
    assert said(spec, tmp_path) == ""
    assert "counts in `epochs`" in said(spec.replace("epochs = 6", "steps = 6"), tmp_path)


def test_a_key_that_is_none_is_not_given(tmp_path: Path) -> None:
    spec = SPEC.replace("epochs    = 6", "epochs = 6\n  schedule = none\n  clip_norm = none")
    assert said(spec, tmp_path) == ""
    more = "steps = none\n  sampler = none\n  weights = none"
    assert said(spec.replace("schedule = none", more), tmp_path) == ""


@pytest.mark.torch
@pytest.mark.keras
def test_a_run_with_a_frozen_part_goes_on_everywhere(tmp_path: Path) -> None:
    """Its vector has what learns, in both; and a history that was made shorter is cut."""
    spec = SPEC.replace("epochs    = 6", "epochs    = 4\n  freeze    = [dense1]")
    (tmp_path / "net.bm").write_text(spec)
    torch, keras = (written(tmp_path / b, tmp_path / "net.bm", b) for b in ("torch", "keras"))
    succeed(torch, "train.py", *TABLE, "--out", tmp_path / "run", "--epochs", "1")
    given = ("train.py", *TABLE, "--out", tmp_path / "run", "--resume", "--epochs")
    succeed(keras, *given, "2")
    for folder in (torch, keras):
        text = (folder / "train.py").read_text().replace("HISTORY = 4", "HISTORY = 2")
        (folder / "train.py").write_text(text)
    succeed(torch, *given, "3")
    succeed(keras, *given, "4")
    losses = [record["loss"] for record in records(tmp_path / "run")]
    assert len(losses) == 4 and losses == sorted(losses, reverse=True)
