"""Blocks run step by step: three programs with the same weights give the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.models.agree import differences, load, module_of

from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights
from bmc.verify.compare import difference

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]

CELL = """
block Cell(hidden) {
  input x: float[E]
  input memory: float[S, M]
  state h: float[hidden] = zeros
  state count: float[] = ones
  context = memory -> mean(axis=0)
  count = count * 0.5 + 1
  h = (x, context, h) -> concat -> dense(hidden) -> tanh
  output y = h * count
  output first = h[0]
}
"""
TWO_INPUTS = (
    CELL
    + """
model Net(width = 6) {
  input words: float[T <= 9, 8]
  input memory: float[5, 4]
  h, first = (words, memory) -> scan(Cell(width))
  output logits = h -> dense(5)
  output one = first
}
"""
)
GARCH = """
block Garch {
  input r: float[]
  param c: float[] = constant(0.1)
  param raw: float[3] = constant(-2)
  state shock: float[] = zeros
  state variance: float[] = constant(0.5)
  a = raw -> softplus
  variance = a[0] + a[1] * shock ** 2 + a[2] * variance
  shock = r - c
  output sigma2 = variance
}
model Volatility {
  input returns: float[T]
  output variance = returns -> scan(Garch)
}
"""
CONVOLUTIONAL = """
block ConvCell(filters) {
  input x: float[C, H, W]
  state h: float[filters, 6, 5] = zeros
  h = ((x, h) -> concat(axis=0) -> conv(filters, kernel=3, padding=1)) -> tanh
  output y = h
}
model Film {
  input frames: float[4, 2, 6, 5]
  h = frames -> scan(ConvCell(3))
  output label = h -> last -> global_avg_pool -> dense(2)
}
"""


@pytest.mark.parametrize("text", [TWO_INPUTS, GARCH, CONVOLUTIONAL], ids=["two", "numbers", "film"])
def test_scans_are_saved_with_their_model(text: str, tmp_path: Path) -> None:
    import keras

    spec, files = load(text, tmp_path, ("keras",))
    module = module_of(files["keras"], tmp_path, "keras")
    model = getattr(module, f"build_{spec.name.lower()}")()
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    inputs = draw_inputs(spec, "float32", 0, draw_lengths(spec))
    given = inputs if len(inputs) > 1 else inputs[0]
    one, two = (made if isinstance(made, list) else [made] for made in (model(given), other(given)))
    for mine, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(mine, theirs)


TOKENS = """
block Cell(width) {
  input token: int[]
  input other: float[width]
  state h: float[width] = zeros
  h = (token -> embedding(20, width)) + other + (h -> dense(width, bias=false))
  output y = h
}
model Net {
  input tokens: int[T <= 8]
  input others: float[T, 6]
  layer rec = scan(Cell(6))
  h = (tokens, others) -> rec
  output again = (tokens, h) -> rec
}
"""
STACKED = """
block Cell {
  input x: float[D]
  state h: float[D] = ones
  h = (x + h) -> dense(D) -> sigmoid
  output y = h
}
block Layer(width) {
  input x: float[T, D]
  h = x -> dense(width) -> scan(Cell)
  output y = h -> dense(D)
}
model Net {
  input x: float[T <= 7, 4]
  h = x -> Layer(3) -> (scan(Cell) -> tanh) * 2
  for i in 0..2 { h = h -> scan(Cell) }
  output y = h -> scan(Cell) * 2
}
"""
PADDED = (
    CELL
    + """
model Net {
  input words: int[T <= 9, pad=0]
  input notes: int[S <= 7, pad=0]
  memory = notes -> embedding(12, 4)
  h, first = (words -> embedding(12, 8), memory) -> scan(Cell(6))
  output y = h -> last
  output z = h -> mean(axis=0)
}
"""
)
MODELS = {
    "two inputs": TWO_INPUTS,
    "garch": GARCH,
    "convolutional": CONVOLUTIONAL,
    "tokens": TOKENS,
    "stacked": STACKED,
    "padded": PADDED,
}


@pytest.mark.parametrize("name", MODELS)
def test_programs_agree(name: str, tmp_path: Path) -> None:
    assert differences(MODELS[name], tmp_path) == []


@pytest.mark.parametrize("name", ["two inputs", "garch", "convolutional", "padded"])
def test_gradients_agree(name: str, tmp_path: Path) -> None:
    import importlib

    spec, files = load(MODELS[name], tmp_path)
    weights = draw_weights(spec, "float64", 1)
    inputs = draw_inputs(spec, "float64", 1, draw_lengths(spec))
    found: dict[str, dict[str, np.ndarray]] = {}
    for backend in ("torch", "keras"):
        probe = importlib.import_module(f"bmc_{backend}.probe")
        module = module_of(files[backend], tmp_path, backend)
        model = probe.Model(module, spec.name, weights, "float64")
        found[backend] = model.gradients(inputs)
    assert found["torch"].keys() == found["keras"].keys() >= weights.keys()
    for key, theirs in found["torch"].items():
        assert difference(key, found["keras"][key], theirs, 1e-9).fine, key
