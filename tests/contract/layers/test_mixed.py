"""Every layer in the numbers of 16 bits that `precision` trains in, near its own in 32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.contract.layers import sample as samples
from tests.contract.layers.test_contract import built
from tests.contract.layers.test_contract import cases as all_cases

from bmc.ops.base import Sample

KINDS = [
    "bfloat16",
    pytest.param("float16", marks=pytest.mark.nightly),
]
DRAWN = {"sample_normal"}  # anew at each call
# PyTorch on CPUs, whose programs say so before they read data; TensorFlow on CPUs.
NONE = {"torch": {"lstm"}, "keras": {"avg_pool", "max_pool"}}  # of three axes, in float16
BOUND = {"bfloat16": 0.06, "float16": 0.01}  # of the largest number


def cases() -> list[Any]:
    return [case for case in all_cases() if case.values[0] not in DRAWN]


def near(mine: np.ndarray, theirs: np.ndarray, kind: str) -> bool:
    """Whether numbers are alike but for their rounding."""
    if theirs.dtype.kind != "f":
        return mine.shape == theirs.shape
    scale = max(float(np.abs(theirs).max(initial=0.0)), 1e-2)
    difference = float(np.abs(mine.astype("float32") - theirs).max(initial=0.0))
    return bool(np.isfinite(mine.astype("float32")).all()) and difference <= BOUND[kind] * scale


@pytest.mark.torch
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "sample"), cases())
def test_torch(name: str, sample: Sample, kind: str, tmp_path: Path) -> None:
    import torch

    program = samples.program(name, sample)
    weights = samples.weights(program, "float32")
    model = built("torch", program, tmp_path, weights, "float32")
    if model is None:
        pytest.skip("refused by name")
    if name in NONE["torch"]:
        pytest.skip("PyTorch has none on CPUs")
    arrays = samples.inputs(sample, 7, "float32")
    exact = model.run(arrays)
    given = [torch.from_numpy(array) for array in arrays]
    with torch.autocast("cpu", getattr(torch, kind)):
        made = model.model(*given)
    made = made if isinstance(made, tuple) else (made,)
    for one, other in zip(made, exact, strict=True):
        one = one.float() if one.is_floating_point() else one
        assert near(one.detach().numpy(), other, kind)


@pytest.mark.keras
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "sample"), cases())
def test_keras(name: str, sample: Sample, kind: str, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    program = samples.program(name, sample)
    weights = samples.weights(program, "float32")
    model = built("keras", program, tmp_path, weights, "float32")
    if model is None:
        pytest.skip("refused by name")
    if name in NONE["keras"] and len(sample.inputs[0]) == 4 and kind == "float16":
        pytest.skip("TensorFlow has none on CPUs")
    arrays = samples.inputs(sample, 7, "float32")
    exact = model.run(arrays)
    try:
        keras.config.set_dtype_policy(f"mixed_{kind}")
        mixed: Any = model.module.build_one()
    finally:
        keras.config.set_dtype_policy("float32")
    for key, place in model.module.name_weights(mixed).items():
        place.restore(weights[key])
    given = arrays if len(arrays) > 1 else arrays[0]
    made = mixed(given, training=False)
    made = made if isinstance(made, list | tuple) else [made]
    for one, other in zip(made, exact, strict=True):
        one = keras.ops.cast(one, "float32") if one.dtype.is_floating else one
        assert near(keras.ops.convert_to_numpy(one), other, kind)
    with tf.GradientTape() as tape:
        made = mixed(given, training=True)
        made = made if isinstance(made, list | tuple) else [made]
        total = [tf.reduce_sum(tf.cast(v, "float32")) for v in made if v.dtype.is_floating]
        loss = tf.add_n(total) if total else tf.constant(0.0)
    for gradient in tape.gradient(loss, mixed.trainable_variables):
        assert gradient is None or np.isfinite(tf.convert_to_tensor(gradient).numpy()).all()
