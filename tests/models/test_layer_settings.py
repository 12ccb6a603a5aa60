"""Settings that meet in one model: alike in three backends, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.language.test_entries import said
from tests.models.agree import differences, load, module_of

PICTURES = """
model Meets {{
  input x: float[2, 7, 8]
  a = x -> {first}
  output out = a -> {second}
}}
"""
# Two layers of one kind with different settings in one model.
PAIRS = {
    "reached and left over": ("max_pool(2, ceil=true)", "max_pool(2)"),
    "reached twice": ("max_pool(3, stride=2, ceil=true)", "avg_pool(2, ceil=true)"),
    "reached and padded": (
        "avg_pool(3, stride=2, padding=1, ceil=true)",
        "avg_pool(3, stride=2, padding=1, count_padding=true)",
    ),
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", PAIRS)
def test_two_of_one_kind_agree(kind: str, tmp_path: Path) -> None:
    first, second = PAIRS[kind]
    assert not differences(PICTURES.format(first=first, second=second), tmp_path, 7)


SEQUENCES = {
    "an encoder's states start a decoder": """
  y, h, c = x -> lstm(3, return_state=true)
  output out = (z, h, c) -> lstm(3) -> dense(2)
  output end = h""",
    "of two kinds": """
  a, h = x -> gru(3, return_state=true)
  b, k = (z, h) -> rnn(3, return_state=true, activation=relu)
  output out = (a, k) -> gru(3, bias=false)
  output end = k""",
    "one value is both states": """
  s = x -> last -> dense(3)
  output out = (z, s, s) -> lstm(3)
  y, h, c = (x, s, s) -> lstm(3, return_state=true)
  output end = h - c""",
    "layers that hand on their states": """
  y, h, c = x -> lstm(3, return_state=true)
  v, k, d = (y, c, h) -> lstm(3, return_state=true)
  output seen = v -> last
  output out = (z, h + k, c * d) -> lstm(3) -> last""",
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("size", ["T", "T, pad=0"])
@pytest.mark.parametrize("kind", SEQUENCES)
def test_states_go_from_layer_to_layer(kind: str, size: str, tmp_path: Path) -> None:
    inputs = f"input a0: int[{size}]\n  input z: float[4, 2]\n  x = a0 -> embedding(9, 2)"
    assert not differences(f"model Meets {{\n  {inputs}{SEQUENCES[kind]}\n}}\n", tmp_path, 7)


REFUSED = {
    "x -> lstm(3, return_state=true, bidirectional=true)": "one layer in one direction",
    "(x, s) -> lstm(3)": "starts from 2 states, and got 1",
    "(x, s, s) -> gru(3)": "takes 1 or 2 tensors, and got 3",
    "(x, s) -> gru(4)": "starts from states of [4], and got",
    "(x, s) -> gru(3, layers=2)": "one layer in one direction",
    "(x, s, s) -> lstm(4, projection=2)": "starts from states of [2], and got",
    "x -> lstm(4, projection=4)": "has states smaller than its 4 units",
    "x -> gru(4, projection=2)": "has no setting `projection`",
}


@pytest.mark.parametrize("given", REFUSED)
def test_states_that_do_not_fit_are_refused(given: str, tmp_path: Path) -> None:
    text = f"model Net {{\n  input x: float[T, 2]\n  input s: float[3]\n  output y = {given}\n}}\n"
    assert REFUSED[given] in said(text, tmp_path)


PROJECTED = """
model Meets {
  input x: float[T, 3]
  y, h, c = x -> lstm(4, projection=2, return_state=true)
  z = (y, h, c) -> lstm(4, projection=2)
  output out = z -> lstm(3, layers=2, bidirectional=true, projection=1) -> last
  output plain = (z -> lstm(3, layers=2, bidirectional=true)) + (y -> lstm(6))
}
"""


@pytest.mark.torch
@pytest.mark.keras
def test_projected_states_beside_plain_ones(tmp_path: Path) -> None:
    assert not differences(PROJECTED, tmp_path, 7, ("torch", "keras"))


NORMED = """
model Meets {
  input x: float[3, 12]
  a = x -> conv(4, kernel=3, padding=same, weight_norm=true) -> relu -> conv(4, kernel=3, padding=1)
  b = a -> conv(4, kernel=3, padding=causal, dilation=2, weight_norm=true, bias=false)
  output y = b -> global_avg_pool -> dense(4, weight_norm=true) -> dense(3)
  output z = b -> dense(5, axis=0, weight_norm=true)
  layer one = dense(3, weight_norm=true)
  output w = (x -> mean(axis=1) -> one) -> dense(3, bias=false, weight=one.weight)
}
"""


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_weight_norms_beside_plain_layers(tmp_path: Path) -> None:
    assert not differences(NORMED, tmp_path, 7)


@pytest.mark.torch
@pytest.mark.keras
def test_weight_norms_start_as_plain_layers(tmp_path: Path) -> None:
    """A scale starts with the length of its row, so that the norm changes nothing at first."""
    _, files = load(NORMED, tmp_path, ("torch", "keras"))
    modules = {backend: module_of(code, tmp_path, backend) for backend, code in files.items()}
    state = modules["torch"].Meets().state_dict()
    places = modules["keras"].name_weights(modules["keras"].build_meets())
    for weights in (
        {name: tensor.numpy() for name, tensor in state.items()},
        {name: place.store() for name, place in places.items()},
    ):
        scales = [name for name in weights if name.endswith(".scale")]
        assert len(scales) == 5
        for name in scales:
            rows = weights[name.replace(".scale", ".weight")]
            lengths = np.linalg.norm(rows.reshape(len(rows), -1), axis=1)
            np.testing.assert_allclose(weights[name], lengths, rtol=1e-5)


STARTS = """
model Meets(width = 6) {
  input x: float[width]
  h = x -> dense(width, weight_norm=true, init=normal(1e-4)) * 3
  h = h -> dense(width, weight_norm=true) * 2
  output y = h -> dense(2)
}
"""


@pytest.mark.torch
def test_weight_norms_that_start_differently(tmp_path: Path) -> None:
    """Neither kind of start takes the other's place, nor that of the class they are made from."""
    _, files = load(STARTS, tmp_path, ("torch",))
    state = module_of(files["torch"], tmp_path, "torch").Meets().state_dict()
    for name in (name for name in state if name.endswith(".scale")):
        lengths = np.linalg.norm(state[name.replace(".scale", ".weight")].numpy(), axis=1)
        np.testing.assert_allclose(state[name].numpy(), lengths, rtol=1e-5)
        assert (lengths < 1e-3).all() == name.startswith("denses1")


@pytest.mark.keras
def test_weight_norms_are_saved_with_the_model(tmp_path: Path) -> None:
    import keras

    _, files = load(NORMED, tmp_path, ("keras",))
    model = module_of(files["keras"], tmp_path, "keras").build_meets()
    for layer in model.layers:
        if hasattr(layer, "scale"):
            layer.scale.assign(layer.scale * 2)
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 3, 12)).astype("float32")
    for mine, theirs in zip(model(x), other(x), strict=True):
        np.testing.assert_array_equal(mine, theirs)


NORMLESS = {
    "dense(3, weight_norm=true, init=zeros)": "rows that start with a length",
    "dense(3, weight_norm=true, init=constant(0))": "rows that start with a length",
    "conv(3, kernel=2, weight_norm=true, init=zeros)": "rows that start with a length",
    "dense(3, bias=false, weight_norm=true, weight=one.weight)": "not of another's",
}


@pytest.mark.parametrize("given", NORMLESS)
def test_weight_norms_that_cannot_be(given: str, tmp_path: Path) -> None:
    text = f"""model Net {{
      input x: float[3, 3]
      layer one = dense(3)
      h = x -> one
      output y = h -> {given}
    }}"""
    assert NORMLESS[given] in said(text, tmp_path)


WRONG = {
    "max_pool(2, padding=same, ceil=true)": "no element left over",
    "avg_pool(2, count_padding=true, ceil=true)": "counts what `padding` adds",
    "max_pool(2, stride=3, ceil=true)": "up to the kernel less the padding, 2, and not 3",
    "max_pool(3, stride=3, padding=1, ceil=true)": "up to the kernel less the padding, 2",
}


@pytest.mark.parametrize("given", WRONG)
def test_what_is_refused_says_why(given: str, tmp_path: Path) -> None:
    found = said(PICTURES.format(first=given, second="relu"), tmp_path)
    assert WRONG[given] in found and "BM699" not in found
