"""`--set`: every setting of every call of a file has a key, and a key of nothing is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import open_project

SPEC = """
block Body(width, depth = 1) {
  input x: float[N]
  output y = x -> dense(width) -> relu
}
model Net(width = 8) {
  input x: float[4]
  h = x -> Body(width) -> dropout(0.1) -> dense(6) -> tanh -> dense(5, bias=false)
  layer head = dense(3)
  output logits = h -> head
}
data {
  source  = csv("rows.csv")
  x       = ["a".."d"] -> impute(mean) -> standardize
  species: int[] = "kind" -> category
  split   = random(train=70%, validation=30%)
}
train {
  loss      = (logits, species) -> cross_entropy
  metrics   = [(logits, species) -> f1, (logits, species) -> f1(average=micro)]
  optimizer = adam(lr=1e-2)
  optimizer head = adam(lr=1e-3)
  schedule  = cosine
  epochs    = 6
  batch     = 16
}
predict { species = logits -> argmax -> undo(data.species) }
"""


def loaded(folder: Path, text: str = SPEC, **settings: str):
    (folder / "net.bm").write_text(text, encoding="utf-8")
    project, source = open_project(str(folder / "net.bm"))
    problems = Problems()
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return driver.load(source, project, problems, given), render_all(problems, False)


def taken(folder: Path, key: str, value: str):
    program, told = loaded(folder, **{key: value})
    assert program is not None, told
    return program


def test_settings_of_train_are_set(tmp_path: Path) -> None:
    train = taken(tmp_path, "train.optimizer.lr", "0.5").train
    assert [group.optimizer.lr for group in train.optimizers] == [1e-3, 0.5]
    train = taken(tmp_path, "train.optimizer.head.lr", "0.5").train
    assert [group.optimizer.lr for group in train.optimizers] == [0.5, 1e-2]
    program, told = loaded(
        tmp_path,
        text=SPEC.replace("optimizer head", "optimizer body.dense"),
        **{"train.optimizer.body.dense.lr": "0.5", "train.optimizer.lr": "0.25"},
    )
    assert program is not None, told
    assert [group.optimizer.lr for group in program.train.optimizers] == [0.5, 0.25]
    train = taken(tmp_path, "train.optimizer.betas", "[0.8, 0.9]").train
    assert train.main_optimizer.betas == (0.8, 0.9)
    train = taken(tmp_path, "train.schedule.warmup", "10%").train
    assert train.schedule.warmup.value == 0.1
    train = taken(tmp_path, "train.loss.label_smoothing", "0.2").train
    assert train.losses[0].value.op.label_smoothing == 0.2
    train = taken(tmp_path, "train.metrics.f1[1].average", "macro").train
    assert [report.name for report in train.metrics] == ["f1", "f1_macro"]


@pytest.mark.parametrize(("key", "other"), [("steps", "epochs"), ("epochs", "steps")])
def test_one_length_stands_for_the_other(key: str, other: str, tmp_path: Path) -> None:
    train = taken(tmp_path, f"train.{key}", "40").train
    assert getattr(train, key) == 40 and getattr(train, other) is None
    program, told = loaded(tmp_path, **{"train.steps": "40", "train.epochs": "4"})
    assert program is None and "is given twice" in told


def test_settings_of_data_are_set(tmp_path: Path) -> None:
    data = taken(tmp_path, "data.split.seed", "4").data
    assert data.split.seed == 4
    data = taken(tmp_path, "data.split.train", "60%").data
    assert data.split.train == 0.6


def test_settings_of_layers_are_set(tmp_path: Path) -> None:
    def shapes(key: str, value: str) -> list[tuple[int, ...]]:
        from bmc.ir.model import weights

        return [tuple(w.shape) for _, w in weights(taken(tmp_path, key, value).main)]

    assert (7, 8) in shapes("Net.h.dense[0].units", "7")
    assert (7, 6) in shapes("Net.h.dense[1].units", "7")
    assert (7, 4) in shapes("Net.h.Body.width", "7")
    assert (7, 5) in shapes("Net.head.units", "7")
    assert (9, 4) in shapes("Body.y.dense.units", "9")
    assert (9, 4) in shapes("Body.y.units", "9")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("train.optimizer.lrr", "`train.optimizer.lr`"),
        ("Net.h.units", "`Net.h.dense[0].units`"),
        ("Net.h.dense.units", "`Net.h.dense[0].units`"),
        ("data.split.sed", "`data.split.seed`"),
        ("train.optimizer.tail.lr", "`train.optimizer.head.lr`"),
        ("Nett.h.units", ""),
        ("train.optimizer.lr.x", ""),
        ("Net.h.dense[9].units", ""),
    ],
)
def test_what_names_no_one_call_is_refused(key: str, hint: str, tmp_path: Path) -> None:
    program, told = loaded(tmp_path, **{key: "1"})
    assert program is None
    assert f"there is no setting to override `{key}`" in told and hint in told


def test_values_are_checked_where_they_are_given(tmp_path: Path) -> None:
    program, told = loaded(tmp_path, **{"train.optimizer.lr": "fast"})
    assert program is None and "--set train.optimizer.lr:1:1" in told
