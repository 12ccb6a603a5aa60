"""Families of values are lists, filled and walked by loops, and do what single values did."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_scan import load
from tests.models.agree import differences

from bmc import driver

UNET = """
block Double(out) {
  input x: float[C, H, W]
  output y = x -> conv(out, kernel=3, padding=1) -> relu
}
model Net(width = 4) {
  input image: float[3, 16, 16]
  x = image
  for i in 0..4 {
    skips[i] = x -> Double(width * 2 ** i)
    x = skips[i] -> max_pool(2)
  }
  x = x -> Double(16 * width)
  for i in [3, 2, 1, 0] {
    up = x -> conv_transpose(width * 2 ** i, kernel=2, stride=2)
    x = (skips[i], up) -> concat(axis=0) -> Double(width * 2 ** i)
  }
  output y = x -> conv(2, kernel=1)
}
"""
BRANCHES = """
model Net {
  input x: float[6, 9]
  for n in 0..4 { f[n] = x -> conv(3 + n, kernel=2 * n + 1, padding=n) -> relu -> global_max_pool }
  y = f -> concat
  for n in 0..3 { g[n] = f[n] -> dense(4) }
  h = g[0] + g[2] * 2
  output a = (y, h) -> concat -> dense(3)
  output b = g[1]
}
"""
MIXED = """
model Net {
  input a: float[4]
  for i in 0..3 {
    parts[i] = a -> dense(5)
    part = parts[i] -> tanh
    kept[i] = (part + parts[0]) -> relu
    for j in 0..2 { kept[i + 10 * j + 10] = part -> dense(2) }
  }
  for i in 0..3 { both[i] = parts[i] + kept[i] }
  skip = both[1] -> sigmoid
  for i in 0..3 { last[i] = both[i] -> dense(5) -> tanh }
  x = (last, skip) -> concat
  output y = x -> dense(2)
  output z = (kept[10], kept[21], both[0]) -> concat
}
"""
OVERWRITTEN = """
model Net {
  input x: float[4]
  for i in 0..3 {
    f[i] = x -> dense(4)
    x = f[i] -> relu
  }
  for i in 0..3 { f[i] = f[i] -> tanh -> dense(3 + i) }
  output y = f -> concat
}
"""
WAVES = """
block Gated(dilation) {
  input x: float[C, T]
  gate = x -> conv(C, kernel=2, dilation=dilation, padding=causal) -> tanh
  output residual = x + (gate -> conv(C, kernel=1))
  output skip = gate -> conv(C, kernel=1)
}
model Net(channels = 4, depth = 4) {
  input wave: float[1, T]
  x = wave -> conv(channels, kernel=1)
  for i in 0..depth { x, skip[i] = x -> Gated(2 ** i) }
  output y = (x * (skip -> add)) -> relu -> conv(2, kernel=1)
}
"""
ALL = {
    "waves": WAVES,
    "unet": UNET,
    "branches": BRANCHES,
    "mixed": MIXED,
    "overwritten": OVERWRITTEN,
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", ALL)
def test_lists_agree(kind: str, tmp_path: Path) -> None:
    assert not differences(ALL[kind], tmp_path, 1)


def written(text: str, backend: str, folder: Path) -> str:
    program, problems = load(text, folder)
    assert program is not None, problems
    return driver.compile(program, backend, problems)["model.py"]


def test_a_net_with_skips_is_two_loops(tmp_path: Path) -> None:
    made = written(UNET, "torch", tmp_path)
    assert "        for layer in self.doubles1:\n            skip = layer(x)\n" in made, made
    assert "reversed(skips)" in made and "x_2" not in made and "skip_" not in made
    for backend in ("keras", "onnx"):
        made = written(UNET, backend, tmp_path)
        assert "skips[3 - i]" in made and "WIDTH * 2**i" in made
        assert made.count("def double(") == 1 and "double_2" not in made and 'name="x"' not in made


def test_branches_are_a_list(tmp_path: Path) -> None:
    made = written(BRANCHES, "torch", tmp_path)
    assert "torch.cat(fs, dim=-1)" in made and "for dense, f in zip(self.denses, fs[:3]" in made
    assert "for layer in self.convs:" in made, made
    assert "*fs" in written(BRANCHES, "onnx", tmp_path)


def test_members_of_several_outputs_are_kept(tmp_path: Path) -> None:
    made = written(WAVES, "torch", tmp_path)
    loop = "for layer in self.gateds:\n            x, skip = layer(x)\n            skips.append(skip)\n"
    assert loop in made and "sum(skips[1:], skips[0])" in made, made
    assert "Gated(in_channels=CHANNELS, dilation=2**i) for i in range(DEPTH)" in made
    assert '"Sum", *skips' in written(WAVES, "onnx", tmp_path)
