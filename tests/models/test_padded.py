"""Models of padded inputs: masks go through blocks, repeats and shared layers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.agree import differences

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.project import open_project

TRANSLATION = """
block Encoder(heads) {
  input x: float[T, D]
  h = x + (x -> layer_norm -> self_attention(heads))
  output y = h + (h -> layer_norm -> dense(D * 2) -> gelu -> dense(D))
}
block Decoder(heads) {
  input x: float[T, D]
  input memory: float[S, D]
  h = x + (x -> layer_norm -> self_attention(heads, causal=true))
  h = h + ((h -> layer_norm, memory) -> attention(heads))
  output y = h + (h -> layer_norm -> dense(D * 2) -> relu -> dense(D))
}
model Translate {
  input source: int[S <= 9, pad=0]
  input target: int[T <= 8, pad=0]
  memory = source -> embedding(20, 8) -> sinusoidal_positions -> Encoder(2) * 2
  h = target -> embedding(20, 8) -> learned_positions(8)
  output logits = (h, memory) -> Decoder(2) * 2 -> dense(20)
  output topic = memory -> mean(axis=0) -> dense(3)
}
"""
TAGGER = """
model Tagger {
  input words: int[T <= 12, pad=0]
  param start: float[1, 8] = normal(0.1)
  x = (start, words -> embedding(30, 8)) -> concat(axis=0)
  h = x -> lstm(6, bidirectional=true, layers=2) -> dropout(0.1) -> gru(5, bidirectional=true)
  output tags = h[1..] -> dense(4)
  output final = h -> last -> dense(2)
  output weight = x -> dense(1) -> softmax(axis=0) -> sum
}
"""
READER = """
block Stage(filters, rows) {
  input x: float[C, H, W]
  output y = x -> conv(filters, kernel=3, padding=1) -> batch_norm -> relu -> max_pool([2, rows])
}
block Halves(filters) {
  input x: float[C, H, W]
  h = x -> conv(filters, kernel=3, stride=[1, 2], padding=1) -> leaky_relu
  output y = h
}
model Reader {
  input line: float[1, 16, W <= 32, pad=0]
  x = line -> Stage(4, 2) -> Stage(6, 1) -> Halves(8)
  x = x -> rearrange("c h w -> w (c h)") -> gru(8, bidirectional=true)
  output letters = x -> dense(5)
  output length = x -> max(axis=0)
}
"""
TWINS = """
block Tower(width) {
  input x: int[T]
  h = x -> embedding(30, width) -> self_attention(heads=2, positions=rope)
  output y = h -> mean(axis=0)
}
model Twins {
  input left: int[T <= 9, pad=0]
  input right: int[T <= 9, pad=0]
  layer tower = Tower(8)
  output distance = (((left -> tower) - (right -> tower)) ** 2) -> sum
}
"""
COPIES = """
model Copies {
  input words: int[T <= 9, pad=0]
  x = words -> embedding(30, 8)
  for i in 0..2 {
    h = x -> rearrange("t d -> d t") -> conv(8, kernel=3, padding=1)
    x = x + (h -> rearrange("d t -> t d"))
  }
  x = x -> self_attention(heads=2, positions=alibi) * 2
  output y = x -> rearrange("t d -> d t") -> global_max_pool
}
"""
REBOUND = """
model Rebound {
  input x: float[4]
  input z: float[4]
  x = (x + z) -> dense(3)
  z = x -> tanh
  output y = z -> dense(2)
}
"""
MODELS = {
    "translation": TRANSLATION,
    "tagger": TAGGER,
    "reader": READER,
    "twins": TWINS,
    "copies": COPIES,
    "rebound": REBOUND,
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("name", MODELS)
def test_programs_agree(name: str, tmp_path: Path) -> None:
    assert differences(MODELS[name], tmp_path) == []


def problems_of(text: str, folder: Path) -> list[str]:
    path = folder / "spec.bm"
    path.write_text(text, encoding="utf-8")
    project, source = open_project(str(path))
    problems = Problems()
    driver.load(source, project, problems)
    return [f"{one.code} {one.diagnostic().message}" for one in problems]


LOST = {
    "a repeat": """
block Half {
  input x: float[C, T]
  output y = x -> conv(C, kernel=3, stride=2, padding=1)
}
model Net {
  input words: int[T, pad=0]
  x = words -> embedding(9, 8) -> rearrange("t d -> d t") -> Half * 2
  output y = x -> global_avg_pool
}
""",
    "a repeated layer": """
model Net {
  input words: int[T, pad=0]
  x = words -> embedding(9, 8) -> rearrange("t d -> d t")
  output y = x -> conv(8, kernel=3, padding=1) * 2 -> global_avg_pool
}
""",
    "a shared layer": """
model Net {
  input words: int[T, pad=0]
  input others: int[U]
  layer embed = embedding(9, 8)
  layer both = lstm(4, bidirectional=true)
  output y = words -> embed -> both -> last
  output z = others -> embed -> both -> last
}
""",
}


@pytest.mark.parametrize("what", LOST)
def test_lost_padding_is_refused(what: str, tmp_path: Path) -> None:
    assert problems_of(LOST[what], tmp_path) == [f"BM313 {what} can't keep padding apart"]


def test_windows_of_same_with_a_stride_are_refused(tmp_path: Path) -> None:
    (found,) = problems_of(
        """
model Net {
  input line: float[1, W, pad=0]
  output y = line -> conv(4, kernel=3, stride=2, padding=same) -> global_avg_pool
}
""",
        tmp_path,
    )
    assert found.startswith("BM301") and "would depend on the longest sequence" in found
