"""A Keras model is saved whole, and comes back without a word on its own classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.contract.layers import sample as samples
from tests.contract.layers.test_contract import built, cases

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
