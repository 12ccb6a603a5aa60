"""Training in other numbers than 32 bits: what it computes in, scaled losses, resuming."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.project import run, succeed, written
from tests.programs.test_keys import BOTH, TABLE, program, records

MORE = """precision = KIND
  schedule = cosine
  clip_norm = 1
  clip_value = 0.5
  accumulate = 2
  ema = 0.9"""


@pytest.mark.parametrize("kind", ["bf16", pytest.param("fp16", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("backend", BOTH)
def test_it_learns_as_in_32_bits(backend: str, kind: str, tmp_path: Path) -> None:
    losses = {}
    for precision in (kind, "fp32"):
        made = program(tmp_path / precision, backend, MORE.replace("KIND", precision), "epochs = 6")
        succeed(made, "train.py", *TABLE, "--out", tmp_path / precision / "run")
        losses[precision] = [
            one["validation_loss"] for one in records(tmp_path / precision / "run")
        ]
        weights = load_file(tmp_path / precision / "run" / "weights.safetensors")
        assert all(tensor.dtype == np.float32 for tensor in weights.values())
    # The first updates of fp16 may be left out, until the scale fits.
    near = {"bf16": 0.03, "fp16": 0.1}[kind]
    assert losses[kind] == pytest.approx(losses["fp32"], rel=near)
    assert losses[kind] != losses["fp32"]
    # The saved weights are evaluated and used in 32 bits.
    given = ("--weights", tmp_path / kind / "run" / "weights.safetensors")
    made = tmp_path / kind / backend
    scores = json.loads(succeed(made, "evaluate.py", *given, *TABLE, "--split", "validation"))
    assert scores["loss"] == pytest.approx(losses[kind][-1], rel=0.02)
    succeed(made, "predict.py", *given, *TABLE, "-o", tmp_path / "predictions.csv")


@pytest.mark.nightly
@pytest.mark.parametrize("backend", BOTH)
def test_a_scaled_run_goes_on_as_it_was(backend: str, tmp_path: Path) -> None:
    made = program(tmp_path, backend, "precision = fp16\n  clip_norm = 1", "epochs = 4")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "whole")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "parts", "--epochs", "2")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "parts", "--resume")
    one, other = (load_file(tmp_path / run / "weights.safetensors") for run in ("whole", "parts"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.nightly
@pytest.mark.torch
@pytest.mark.keras
def test_a_scaled_run_goes_on_in_the_other_framework(tmp_path: Path) -> None:
    programs = {b: program(tmp_path / b, b, "precision = fp16") for b in ("torch", "keras")}
    out = tmp_path / "run"
    for backend, epochs in (("torch", "2"), ("keras", "3"), ("torch", "4")):
        more = ("--resume",) if out.exists() else ()
        succeed(programs[backend], "train.py", *TABLE, "--out", out, "--epochs", epochs, *more)
    losses = [record["loss"] for record in records(out)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("clip", ["clip_value = 0.01", *(
    pytest.param(one, marks=pytest.mark.nightly) for one in ("clip_norm = 1", ""))
])  # fmt: skip
@pytest.mark.parametrize("backend", BOTH)
def test_an_update_that_overflows_is_left_out(backend: str, clip: str, tmp_path: Path) -> None:
    """Weights stay as they are, and the scale falls; a scale that never fits never updates."""
    made = program(tmp_path, backend, f"precision = fp16\n  {clip}", "epochs = 1")
    text = (made / "train.py").read_text()
    if backend == "torch":
        changed = text.replace("GradScaler(device.type)", "GradScaler(device.type, 2.0**120)")
    else:
        changed = text.replace("initial_scale=2.0**16", "initial_scale=2.0**120")
    assert changed != text
    # The norm's running statistics move, as in any forward pass; what learns does not.
    (made / "train.py").write_text(changed)
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "run")
    (made / "train.py").write_text(changed.replace("LEARNING_RATE = 0.01", "LEARNING_RATE = 1e-30"))
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "still")
    one, other = (load_file(tmp_path / run / "weights.safetensors") for run in ("run", "still"))
    assert all(np.array_equal(one[name], other[name]) for name in one if "running" not in name)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["bf16", "fp16"])
def test_an_lstm_on_a_processor_is_refused_before_the_data(kind: str, tmp_path: Path) -> None:
    spec = """
model Net {
  input x: float[4, 3]
  output logits = x -> lstm(8) -> last -> dense(3)
}
data {
  source = npz("x.npz")
  x = "x"
  y = "y"
  split = random(train=80%, validation=20%, seed=1)
}
train {
  loss = (logits, y) -> cross_entropy
  optimizer = adam(lr=0.01)
  epochs = 1
  precision = KIND
}
predict { y = logits -> argmax }
"""
    (tmp_path / "net.bm").write_text(spec.replace("KIND", kind))
    made = written(tmp_path / "torch", tmp_path / "net.bm", "torch")
    done = run(made, "train.py", "--data", tmp_path / "nothing.npz", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert done.stderr == f"precision {kind}: PyTorch has no LSTM of 16 bits on CPUs\n"


@pytest.mark.parametrize("backend", BOTH)
def test_products_are_rounded_only_where_it_says_so(backend: str, tmp_path: Path) -> None:
    words = {
        "torch": 'torch.backends.fp32_precision = "{}"',
        "keras": "tf.config.experimental.enable_tensor_float_32_execution({})",
    }[backend]
    values = {"torch": ("ieee", "tf32"), "keras": ("False", "True")}[backend]
    for kind, value in zip(("fp32", "tf32"), values, strict=True):
        made = program(tmp_path / kind, backend, f"precision = {kind}", "epochs = 1")
        assert words.format(value) in (made / "train.py").read_text()
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "run")
    shutil.rmtree(tmp_path / "fp32" / backend)
    made = program(tmp_path / "fp32", backend, length="epochs = 1")
    assert words.split("{")[0] not in (made / "train.py").read_text()
