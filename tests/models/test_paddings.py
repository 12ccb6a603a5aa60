"""Blocks whose convolutions move and pad as a setting says are one function in Keras."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_scan import load
from tests.models.agree import differences

from bmc import driver

NET = """
block Norm(out, kernel, stride = 1) {
  input x: float[C, H, W]
  output y = x -> conv(out, kernel, stride=stride, padding=kernel // 2) -> batch_norm
}
block Part(width, stride) {
  input x: float[C, H, W]
  body = x -> Norm(width, 1) -> relu -> Norm(width, 3, stride) -> Norm(4 * width, 1)
  shortcut = if C == 4 * width and stride == 1 then x else x -> Norm(4 * width, 1, stride)
  output y = (body + shortcut) -> relu
}
model Net(width = 4) {
  input image: float[3, 24, 24]
  input other: float[width, 9, 9]
  x = image -> Norm(5, 7, 2) -> relu -> Part(2, 1) -> Part(2, 1) -> Part(3, 2) -> Norm(8, 5, 3)
  even = other -> Norm(3, 2) -> Norm(2, 4, 2) -> global_avg_pool
  output y = (x -> global_avg_pool, even) -> concat
}
"""


def test_strides_make_no_functions_of_their_own(tmp_path: Path) -> None:
    program, problems = load(NET, tmp_path)
    assert program is not None, problems
    made = driver.compile(program, "keras", problems)["model.py"]
    assert made.count("\ndef part") == 1, made
    assert made.count("\ndef norm_block") <= 2, made  # even kernels apart
    assert 'padding="same" if stride == 1 else "valid"' in made
    assert made.count("layers.Permute((2, 3, 1))") == 2  # each picture once


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_strides_agree(tmp_path: Path) -> None:
    assert not differences(NET, tmp_path, 2)
