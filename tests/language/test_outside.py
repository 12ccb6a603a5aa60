"""Pipelines outside the model are typed like those inside: whatever is written, a message."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.ops.kinds import REGISTRY
from bmc.project import open_project

SPEC = """
model Net {{
  input x: float[4]
  input words: int[5]
  output logits = x -> dense(3)
  output one = x -> dense(1)
  output number = x -> mean
  output map = x -> reshape([2, 2])
  output tokens = words -> embedding(9, 4) -> dense(9)
}}
data {{
  source = csv("rows.csv")
  x = ["a".."d"]
  words = ["e".."i"]
  label = "label" -> category
  value: float[] = "value"
  split = random(train=80%, validation=20%, seed=0)
}}
train {{
  loss = {loss}
  metrics = {metric}
  optimizer = adam(lr=1e-3)
  epochs = 1
  batch = 8
}}
predict {{ y = {predicted} }}
"""
FINE = {
    "loss": "(logits, label) -> cross_entropy",
    "metric": "(logits, label) -> accuracy",
    "predicted": "logits -> softmax",
}
INPUTS = (
    "logits", "one", "number", "map", "tokens", "label", "value", "words", "(logits, label)", "(number, value)",
    "(one, value)", "(map, label)", "(tokens, words)", "(logits, logits)", "(logits, label, value)",
    "(label, label, label, label)", "(logits, 3)", "3",
)  # fmt: skip
NAMES = sorted({n for f in ("layer", "loss", "metric", "reduction") for n in REGISTRY[f]})
SETTINGS = {
    "conv": "(3, kernel=1)", "conv_transpose": "(3, kernel=1)", "dense": "(3)", "embedding": "(9, 3)",
    "split": "(2)", "reshape": "([1, 3])", "max_pool": "(2)", "avg_pool": "(2)", "upsample": "(2)",
    "dropout": "(0.5)", "transpose": "([1, 0])", "lstm": "(3)", "gru": "(3)", "rnn": "(3)", "cast": "(int)",
    "self_attention": "(heads=1)", "attention": "(heads=1)", "one_hot": "(9)", "repeat": "(2)", "roll": "(1)",
    "group_norm": "(groups=1)", "rearrange": '("a -> a")', "keep_top": "(1)", "patches": "(2)",
}  # fmt: skip


def survives(text: str, path: Path) -> None:
    path.write_text(text)
    problems = Problems()
    project, source = open_project(str(path))
    try:
        program = driver.load(source, project, problems)
        for backend in ("torch", "keras", "onnx") if program else ():
            driver.compile(program, backend, problems)  # type: ignore[arg-type]
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error
    assert "BM699" not in {problem.code for problem in problems}
    render_all(problems, False)


@pytest.mark.parametrize("place", ["loss", "metric", "predicted"])
@pytest.mark.parametrize("name", NAMES)
def test_everything_on_everything(name: str, place: str, tmp_path: Path) -> None:
    for given, settings in itertools.product(INPUTS, {"", SETTINGS.get(name, "")}):
        text = SPEC.format(**{**FINE, place: f"{given} -> {name}{settings}"})
        survives(text, tmp_path / "net.bm")


def said(tmp_path: Path, **changes: str) -> str:
    path = tmp_path / "net.bm"
    path.write_text(SPEC.format(**{**FINE, **changes}))
    problems = Problems()
    project, source = open_project(str(path))
    program = driver.load(source, project, problems)
    if program is not None:
        driver.compile(program, "torch", problems)
    return render_all(problems, False)


def test_a_layer_with_too_few_inputs_is_named(tmp_path: Path) -> None:
    text = said(tmp_path, predicted="logits -> gather")
    assert "`gather` takes 2 tensors, and got 1" in text and "net.bm:26:25" in text


def test_what_a_refusal_blames(tmp_path: Path) -> None:
    text = said(tmp_path, loss="(logits, label) -> cross_entropy(class_weight=balanced, ignore=1)")
    assert "class_weight" in text and "row of scores" not in text
    assert "error" not in said(
        tmp_path, loss="(logits, label) -> cross_entropy(class_weight=balanced)"
    )
    text = said(
        tmp_path,
        loss="(logits, label) -> cross_entropy(class_weight=balanced, label_smoothing=0.1)",
    )
    assert text.count("error[") == 1


def test_the_weight_of_a_loss_is_one_of_its_settings(tmp_path: Path) -> None:
    text = said(tmp_path, loss="(logits, label) -> cross_entropy(wieght=data.label)")
    assert "did you mean `weight`?" in text
    twice = "cross_entropy(weight=data.label, weight=data.label)"
    assert "is given `weight` twice" in said(tmp_path, loss=f"(logits, label) -> {twice}")


def test_an_error_of_one_loss_points_at_its_line(tmp_path: Path) -> None:
    for first, second, line in (
        ("cross_entropy(class_weight=balanced, ignore=1)", "cross_entropy", 20),
        ("cross_entropy", "cross_entropy(class_weight=balanced, ignore=1)", 21),
    ):
        losses = f"(logits, label) -> {first}\n  loss more = (one, label) -> {second}"
        text = said(tmp_path, loss=losses.replace("(one, label)", "(logits, label)"))
        assert f"net.bm:{line}:" in text, text
