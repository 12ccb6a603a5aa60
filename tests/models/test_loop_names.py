"""Copies of a block in a loop: the names of what goes round and of what stays are kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.agree import differences

BLOCKS = """
block Step(n) {
  input a: float[n]
  input b: float[n]
  input c: float[n]
  output x = (a + c) -> dense(n) -> tanh
  output y = (b * a) -> sigmoid
}
block Mix(n) {
  input a: float[n]
  input b: float[n]
  output x = a -> dense(n) -> tanh
  output y = (b + a) -> dense(n)
}
block One(n) {
  input a: float[n]
  input b: float[n]
  output y = (a * b) -> dense(n) -> tanh
}
"""
MODELS = {
    "what stays has no name": "y = (p, p -> dense(4)) -> One(4) * 3",
    "neither has a name": "y = (p -> dense(4), p -> tanh -> dense(4)) -> One(4) * 2 -> relu",
    "one value for both": "q = p -> dense(4)\n  y = (q, q) -> One(4) * 2",
    "two go round, one stays": "a = p -> relu -> dense(4)\n"
    "  u, v = (p -> dense(4), a, p -> tanh) -> Step(4) * 3\n"
    "  y = u + v",
    "they change places": "u, v = (p -> dense(4), p -> tanh -> dense(4)) -> Mix(4) * 2\n"
    "  s, t = (v, u) -> Mix(4) * 3\n  y = s - t",
    "without names in between": "u, v = (p -> dense(4), p) -> Mix(4) * 2 -> Mix(4) * 2\n  y = u * v",
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", MODELS)
def test_loops_agree(kind: str, tmp_path: Path) -> None:
    text = (
        f"{BLOCKS}\nmodel Net {{\n  input p: float[4]\n  {MODELS[kind]}\n  output out = y * 2\n}}\n"
    )
    assert not differences(text, tmp_path, 3)
