"""Members of a family that follow each other are called in a loop, and do what they did."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_scan import load
from tests.models.agree import differences

from bmc import driver

BLOCKS = """
block Part(n) {
  input x: float[D]
  output y = (x + (x -> dense(n) -> tanh -> dense(D))) -> layer_norm
}
block Import {
  input x: float[D]
  output y = x -> dense(D) -> tanh
}
block Row {
  input x: float[D]
  for i in 0..3 { x = x -> Part(4) * 2 -> dense(D) }
  output y = x
}
"""
# Of each: what a model does, and the heads of loops in PyTorch's forward and in a function of Keras.
MODELS = {
    "one after the other": (
        "for i in 0..4 { x = x -> Part(i + 2) }",
        ["for layer in self.parts:"], [],
    ),
    "alike": (
        "for i in 0..4 { x = x -> Part(3) -> relu }",
        ["for layer in self.parts:"], ["for i in range(4):"],
    ),
    "two families, one longer": (
        "for i in 0..3 { x = if i > 0 then x -> Import else x\n x = x -> Part(3) }",
        ["for part, import_ in zip(self.parts[:2], self.imports, strict=True):"],
        ["for i in range(2):"],
    ),
    "loops in loops": (
        "for i in 0..2 { x = x -> Row * 2 -> dense(6) }\n  for i in 0..2 { x = x -> Row }",
        ["for part, dense in zip(self.parts, self.denses, strict=True):",
         "for row1, dense in zip(self.rows1, self.denses, strict=True):",
         "for layer in self.rows2:"],
        ["for j in range(3):", "for i in range(2):"],
    ),
    "numbers of one's own": (
        "layer p[2] = Part(3)\n  layer p[3] = Import\n  x = x -> p[2] -> p[3]",
        ["for layer in self.p.values():"], [],
    ),
    "some of them": (
        "for i in 0..3 { layer p[i] = Part(3) }\n  x = x -> p[1] -> p[2] -> p[0] -> p[1]",
        ["for layer in self.p[1:]:", "for layer in self.p[:2]:"], [],
    ),
    "values that are called alike": (
        "i = x -> tanh\n  part = i -> dense(6)\n"
        "  for k in 0..2 { x = x -> Part(3) -> Import }\n  x = x + i * part",
        ["for part_, import_ in zip(self.parts, self.imports, strict=True):"],
        ["for j in range(2):"],
    ),
}  # fmt: skip


def model(kind: str) -> str:
    body = MODELS[kind][0]
    begin = "input start: float[6]\n  x = start -> tanh"
    return f"{BLOCKS}model Net {{\n  {begin}\n  {body}\n  output y = x\n}}\n"


@pytest.mark.parametrize("kind", MODELS)
def test_loops_are_found_again(kind: str, tmp_path: Path) -> None:
    program, problems = load(model(kind), tmp_path)
    assert program is not None, problems
    _, torch, keras = MODELS[kind]
    for backend, heads in (("torch", torch), ("keras", keras), ("onnx", keras)):
        made = driver.compile(program, backend, problems)["model.py"]
        for head in heads:
            assert f"{head}\n" in made, made


STEPS = """
block Cell(n) {
  input x: float[D]
  z = x -> dense(n)
  output y = if n > 3 then z -> tanh else z -> relu -> dense(n) -> sigmoid
}
model Net {
  input start: float[T, 4]
  input v: float[6]
  a = start -> scan(Cell(3)) -> last -> dense(5)
  output y = (v -> Cell(5)) + a
}
"""


def test_steps_of_scans_are_no_classes_of_their_own(tmp_path: Path) -> None:
    """A block that is a scan's step in one place, and stands alone in another."""
    program, problems = load(STEPS, tmp_path)
    assert program is not None
    made = driver.compile(program, "torch", problems)["model.py"]
    assert made.count("\nclass Cell") == 2 and "if self." not in made


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_steps_of_scans_agree(tmp_path: Path) -> None:
    assert not differences(STEPS, tmp_path, 3)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", MODELS)
def test_loops_do_what_their_lines_did(kind: str, tmp_path: Path) -> None:
    assert not differences(model(kind), tmp_path, 3)
