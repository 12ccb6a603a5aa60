"""A last batch of one row, of which a norm over the batch learns nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.project import run, succeed, written

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.project import open_project

TRAINED = [pytest.param(b, marks=getattr(pytest.mark, b)) for b in ("torch", "keras")]
SPEC = """
model Net {{
  input x: float[{shape}]
  output y = x -> {layer} -> relu -> flatten -> dense(3)
}}
data {{
  source = npz("rows.npz", train="*_train", validation="*_test")
  x = "x"
  target = "target"
}}
train {{
  loss = (y, target) -> cross_entropy
  optimizer = sgd(lr=0.01)
  epochs = 2
  batch = {batch}
}}
predict {{
  y = y
}}
"""


def made(folder: Path, backend: str, *, shape: str = "4", layer: str = "batch_norm") -> Path:
    """A program, and 21 rows to train on: two batches of ten, and a row."""
    spec = folder / "net.bm"
    spec.write_text(SPEC.format(shape=shape, layer=layer, batch=10))
    sizes = tuple(map(int, shape.split(",")))
    chance = np.random.default_rng(0)
    arrays = {}
    for split, rows in (("train", 21), ("test", 5)):
        arrays[f"x_{split}"] = chance.standard_normal((rows, *sizes)).astype("float32")
        arrays[f"target_{split}"] = chance.integers(0, 3, rows)
    np.savez(folder / "rows.npz", **arrays)
    return written(folder / "program", spec, backend)


@pytest.mark.parametrize("backend", TRAINED)
def test_a_lone_row_is_left_out(backend: str, tmp_path: Path) -> None:
    program = made(tmp_path, backend)
    out = tmp_path / "run"
    succeed(program, "train.py", "--data", tmp_path / "rows.npz", "--out", out)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert len(records) == 2 and all(math.isfinite(record["loss"]) for record in records)
    assert all(np.isfinite(a).all() for a in load_file(out / "weights.safetensors").values())
    assert "steps_per_epoch = math.ceil((data.sizes" in (program / "train.py").read_text()


@pytest.mark.parametrize("backend", TRAINED)
def test_a_batch_of_one_row_is_said(backend: str, tmp_path: Path) -> None:
    program = made(tmp_path, backend)
    text = (program / "train.py").read_text()
    (program / "train.py").write_text(text.replace("BATCH = 10", "BATCH = 1"))
    done = run(program, "train.py", "--data", tmp_path / "rows.npz", "--out", tmp_path / "run")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "training needs two rows in a batch" in done.stderr


@pytest.mark.parametrize("backend", TRAINED)
def test_a_row_with_several_positions_is_learned_from(backend: str, tmp_path: Path) -> None:
    program = made(tmp_path, backend, shape="4, 3")
    assert "without_lone_row" not in (program / "data.py").read_text()
    succeed(program, "train.py", "--data", tmp_path / "rows.npz", "--out", tmp_path / "run")


@pytest.mark.parametrize(("shape", "fine"), [("4", False), ("4, 1", False), ("4, 2", True)])
def test_a_batch_of_one_row_is_refused_where_it_says_nothing(
    shape: str, fine: bool, tmp_path: Path
) -> None:
    path = tmp_path / "net.bm"
    path.write_text(SPEC.format(shape=shape, layer="(batch_norm) * 2", batch=1))
    problems = Problems()
    project, source = open_project(str(path))
    assert (driver.load(source, project, problems) is not None) == fine
    assert {problem.code for problem in problems} == (set() if fine else {"BM411"})
