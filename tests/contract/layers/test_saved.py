"""A Keras model is saved whole, and comes back without a word on its own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.contract.layers import sample as samples
from tests.contract.layers.test_contract import built, cases
from tests.models.agree import load, module_of

from bmc.ops.base import Sample

pytestmark = pytest.mark.keras


@pytest.mark.parametrize(("name", "sample"), cases())
def test_keras_models_come_back(name: str, sample: Sample, tmp_path: Path) -> None:
    import keras

    program = samples.program(name, sample)
    made = built("keras", program, tmp_path, samples.weights(program, "float32"), "float32")
    if made is None:
        pytest.skip("refused by name")
    made.model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    mine, theirs = made.model.get_weights(), other.get_weights()
    assert len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))
    arrays = samples.inputs(sample, 7, "float32")
    given = arrays if len(arrays) > 1 else arrays[0]
    if name.startswith(("dropout", "sample_normal")):
        return  # which draw anew
    outputs = other(given, training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    for one, two in zip(made.run(arrays), outputs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_two_programs_have_classes_of_one_name(tmp_path: Path) -> None:
    """What one saved is not read with the class of the other, which came later."""
    import keras

    one, _ = (attending(name, positions, tmp_path) for name, positions in
              (("Turned", "rope"), ("Sloped", "alibi")))  # fmt: skip
    one.save(tmp_path / "one.keras")
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "one.keras")(x), one(x))


def attending(name: str, positions: str, folder: Path) -> Any:
    """A model with attention, which is called the same in all programs."""
    body = f"input x: float[5, 4]\n output y = x -> self_attention(2, positions={positions})"
    _, files = load(f"model {name} {{\n {body}\n}}\n", folder, ("keras",))
    assert "class SelfAttention(" in files["keras"]
    return getattr(module_of(files["keras"], folder, "keras"), f"build_{name.lower()}")()
