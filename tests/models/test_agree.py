"""Models drawn at random: three programs with the same weights give the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.agree import Rejected, differences, shrunk
from tests.models.generator import draw

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]


def agree(seeds: range, folder: Path) -> None:
    """Compares the models of seeds; the first that differs is shrunk and shown."""
    rejected = 0
    for seed in seeds:
        try:
            wrong = differences(draw(seed), folder, seed)
        except Rejected:
            rejected += 1
            continue
        assert not wrong, f"seed {seed}: {wrong}\n\n{shrunk(draw(seed), folder)}"
    assert rejected < len(seeds) / 10


@pytest.mark.parametrize("start", range(0, 50, 25))
def test_drawn_models_agree(start: int, tmp_path: Path) -> None:
    agree(range(start, start + 25), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(1000, 2000, 50))
def test_many_drawn_models_agree(start: int, tmp_path: Path) -> None:
    agree(range(start, start + 50), tmp_path)


SHARED = """
block Tower(width) {
  input x: float[C, H, W]
  h = x -> conv(width, kernel=3, padding=same) -> batch_norm -> relu -> global_avg_pool
  output y = h -> dense(width)
}
model Siamese {
  input left: float[3, 16, 16]
  input right: float[3, 16, 16]
  layer tower = Tower(8)
  layer head = dense(8)
  a = left -> tower -> head -> tanh -> head
  b = right -> tower -> head
  output distance = ((a - b) ** 2) -> sum(axis=0)
}
"""
TIED = """
model Language {
  input tokens: int[T <= 12]
  layer embed = embedding(20, 8)
  h = tokens -> embed -> learned_positions(12) -> self_attention(heads=2, causal=true)
  output logits = h -> dense(20, weight=embed.weight, bias=false)
}
"""
STATEFUL = """
model Tagger {
  input words: int[T <= 50]
  h = words -> embedding(100, 16) -> lstm(24, bidirectional=true) -> gru(12) -> dropout(0.1)
  param scale: float[12] = ones
  output logits = (h * scale) -> dense(7)
  output final = h -> lstm(8, bias=false) -> last
}
"""


@pytest.mark.parametrize("text", [SHARED, TIED, STATEFUL], ids=["shared", "tied", "stateful"])
def test_written_models_agree(text: str, tmp_path: Path) -> None:
    assert differences(text, tmp_path) == []


def test_a_difference_is_found_and_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong rule shows: this test would fail if the comparison compared nothing."""
    from bmc.emit.backend import Function
    from bmc.emit.pyexpr import call
    from bmc.ops.activation import Tanh
    from bmc_keras.lower.table import LOWERINGS

    LOWERINGS.load("activation")
    wrong = lambda op, site: Function(lambda args: call("ops.sigmoid", args[0]))  # noqa: E731
    monkeypatch.setitem(LOWERINGS.rules, Tanh, wrong)
    text = """model Net {
  input x: float[6]
  input z: float[4]
  a = x -> dense(5) -> relu
  b = a -> dense(7)
  output y = b -> tanh
  output w = z -> dense(3)
}
"""
    assert any("keras: y differs" in line for line in differences(text, tmp_path))
    small = shrunk(text, tmp_path)
    assert "tanh" in small and "z -> dense(3)" not in small
