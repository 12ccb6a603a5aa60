"""Positions in half precision: tables are worked out in single, and rounded once."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from tests.models.agree import load

from bmc.verify.chance import draw_weights
from bmc.verify.probe import load_module

STEPS = 1500  # bfloat16 tells whole numbers apart up to 256, float16 up to 2048
LAYERS = {
    "rotary": "self_attention(heads=2, positions=rope)",
    "interleaved": "self_attention(heads=2, positions=rope(interleaved=true))",
    "alibi": "self_attention(heads=2, positions=alibi)",
    "sinusoidal": "sinusoidal_positions",
}
BOUND = {"rotary": 0.05, "interleaved": 0.05, "alibi": 0.05, "sinusoidal": 0.02}


def spec(layer: str) -> str:
    return f"model Net {{\n  input x: float[T, 16]\n  output y = x -> {layer}\n}}\n"


def numbers() -> np.ndarray:
    random = np.random.default_rng(0)
    return random.normal(size=(1, STEPS, 16)).astype("float32")


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", LAYERS)
def test_torch(name: str, kind: str, tmp_path: Path) -> None:
    import torch

    model, files = load(spec(LAYERS[name]), tmp_path)
    path = tmp_path / "half.py"
    path.write_text(files["torch"], encoding="utf-8")
    probe = importlib.import_module("bmc_torch.probe")
    net = probe.Model(load_module(path), "Net", draw_weights(model, "float32", 0), "float32").model
    x = torch.from_numpy(numbers()).to(getattr(torch, kind))
    with torch.inference_mode():
        exact = net(x.float())
        with torch.autocast("cpu", dtype=x.dtype):
            mixed = net(x.float())
        half = net.to(x.dtype)(x).float()
    scale = float(exact.abs().max())
    assert float((mixed.float() - exact).abs().max()) <= BOUND[name] * scale
    assert float((half - exact).abs().max()) <= BOUND[name] * scale


@pytest.mark.keras
@pytest.mark.parametrize("name", LAYERS)
def test_keras(name: str, tmp_path: Path) -> None:
    import keras

    model, files = load(spec(LAYERS[name]), tmp_path)
    path = tmp_path / "half_keras.py"
    path.write_text(files["keras"], encoding="utf-8")
    keras.config.set_floatx("float32")
    found = {}
    try:
        for policy in ("float32", "mixed_bfloat16"):
            keras.config.set_dtype_policy(policy)
            weights = draw_weights(model, "float32", 0)
            module = load_module(path)
            net = module.build_net()
            for key, place in module.name_weights(net).items():
                place.restore(weights[key])
            x = keras.ops.cast(keras.ops.cast(numbers(), "bfloat16"), "float32")
            found[policy] = keras.ops.convert_to_numpy(
                keras.ops.cast(net(x, training=False), "float32")
            )
    finally:
        keras.config.set_dtype_policy("float32")
    scale = float(np.abs(found["float32"]).max())
    difference = np.abs(found["mixed_bfloat16"] - found["float32"]).max()
    assert difference <= BOUND[name] * scale
