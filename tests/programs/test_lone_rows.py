"""A last batch of one row, of which a norm over the batch learns nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.project import run, succeed, written
from tests.programs.test_short_texts import SPEC as TEXT_SPEC
from tests.programs.test_short_texts import table

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


def made(
    folder: Path, backend: str, *, shape: str = "4", layer: str = "batch_norm", text: str = SPEC
) -> Path:
    """A program, and 21 rows to train on: two batches of ten, and a row."""
    spec = folder / "net.bm"
    spec.write_text(text.format(shape=shape, layer=layer, batch=10))
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


@pytest.mark.torch
def test_a_norm_that_sees_rows_of_two_shapes(tmp_path: Path) -> None:
    """It counts what it sees at its second use, too."""
    chain = "{layer} -> relu -> flatten -> dense(3)"
    twice = "n -> flatten\n  b = x -> mean(axis=1) -> n\n  output y = (a, b) -> concat -> dense(3)"
    text = SPEC.replace("  output y = x -> " + chain, f"  layer n = batch_norm\n  a = x -> {twice}")
    assert "layer n" in text
    program = made(tmp_path, "torch", shape="4, 3", text=text)
    succeed(program, "train.py", "--data", tmp_path / "rows.npz", "--out", tmp_path / "run")


@pytest.mark.parametrize("backend", TRAINED)
def test_a_lone_text_of_one_word(backend: str, tmp_path: Path) -> None:
    """Of a padded row only what is data counts, and that may be one step."""
    spec = tmp_path / "short.bm"
    text = TEXT_SPEC.replace("conv(4, kernel=5) -> conv(4, kernel=3)", "batch_norm")
    spec.write_text(text.replace("batch     = 1", "batch     = 2"))
    program = written(tmp_path / "program", spec, backend)
    data = table(tmp_path / "texts.csv", list("abcdefg"))  # five of them are trained on
    succeed(program, "train.py", "--data", data, "--out", tmp_path / "run")
    found = load_file(tmp_path / "run" / "weights.safetensors").values()
    assert all(np.isfinite(array).all() for array in found)
    assert "without_lone_row" in (program / "data.py").read_text()


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
