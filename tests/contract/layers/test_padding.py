"""Padded values: a batch of sequences filled up at the end gives what each of them gives alone.

Every sample whose one free axis may be padded is run so, in every backend.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.contract.layers import sample as samples
from tests.contract.layers.test_contract import (
    GRADIENTS,
    OUTPUTS,
    SINGLE,
    built,
    close,
    precision,
    same_gradients,
    same_outputs,
)

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc.ops.axes import ragged_axis
from bmc.ops.base import Layer, Sample
from bmc.ops.kinds import REGISTRY, Refusal
from bmc.samples import make
from bmc.types.symbolic import known

LENGTHS = (7, 3, 1, 5)  # of the samples of a batch
FILLING = 3.5  # what stands in the padding of numbers: nothing may depend on it


def _ragged(name: str, sample: Sample) -> bool:
    """Whether a padded value may go into this sample of a layer, in place of one of free length."""
    declared = REGISTRY["layer"][name]
    assert issubclass(declared, Layer)
    try:
        made = samples.program(name, sample, padded=True).main
        make(declared, sample)
    except Refusal:
        return False
    return any(entry.lengths_of for entry in made.inputs)


def cases() -> list[Any]:
    return [
        pytest.param(name, sample, id=f"{name}-{number}")
        for name, declared in sorted(REGISTRY["layer"].items())
        for number, sample in enumerate((*declared.samples, *MORE.get(name, ())))
        if "T" in {size for entry in sample.inputs for size in entry} and _ragged(name, sample)
    ]


# Settings that matter where there is padding alone.
MORE = {
    "self_attention": (
        Sample({"heads": 2}, (("T", 8),)),
        Sample({"heads": 2, "kv_heads": 1, "scale": 0.5}, (("T", 8),)),
        Sample({"heads": 2, "causal": True}, (("T", 8),)),
    ),
    "attention": (
        Sample({"heads": 2}, ((4, 8), ("T", 8))),
        Sample({"heads": 2}, (("T", 8), (4, 8))),
        Sample({"heads": 2}, ((4, 8), ("T", 6))),
    ),
    "lstm": (
        Sample({"units": 3}, (("T", 4),)),
        Sample({"units": 3, "layers": 2, "bidirectional": True}, (("T", 4),)),
        Sample({"units": 3, "bias": False, "bidirectional": True}, (("T", 4),)),
    ),
    "rnn": (Sample({"units": 3}, (("T", 4),)),),
    "mean": (
        Sample({}, (("T", 3),)),
        Sample({"axis": 1}, ((3, "T"),)),
        Sample({"axis": (0, 1), "keep": True}, (("T", 3),)),
    ),
    "sum": (Sample({}, (("T", 3),)), Sample({"axis": 1, "keep": True}, ((3, "T"),))),
    "max": (Sample({}, (("T", 3),)), Sample({"axis": 1}, ((3, "T"),))),
    "min": (Sample({}, (("T", 3),)), Sample({"axis": 1}, ((3, "T"),))),
    "last": (Sample({"axis": 1}, ((3, "T"),)),),
    "first": (Sample({}, (("T", 3),)),),
    "conv": (
        Sample({"filters": 4, "kernel": 3, "padding": 1}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": 3, "padding": "same", "dilation": 2}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": 1, "stride": 2}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": 1, "padding": 1}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": (2, 3), "padding": (0, 1)}, ((3, 6, "T"),)),
    ),
    "max_pool": (
        Sample({"kernel": 3, "stride": 2, "padding": 1}, ((3, "T"),)),
        Sample({"kernel": 2, "stride": 1, "padding": "same"}, ((3, "T"),)),
        Sample({"kernel": (2, 1)}, ((3, 4, "T"),)),
        Sample({"kernel": 1, "stride": 2, "axis": 0}, (("T", 3),)),
    ),
    "avg_pool": (
        Sample({"kernel": 1, "stride": 2}, ((3, "T"),)),
        Sample({"kernel": (2, 1)}, ((3, 4, "T"),)),
    ),
    "global_avg_pool": (Sample({}, ((3, 4, "T"),)),),
    "global_max_pool": (Sample({}, ((3, 4, "T"),)),),
    "batch_norm": (Sample({}, ((3, "T"),)), Sample({}, ((3, 4, "T"),))),
    "concat": (Sample({"axis": 0}, ((2, 4), ("T", 4))),),
    "index": (Sample({"items": ((1, None),)}, (("T", 3),)), Sample({"items": (0,)}, (("T", 3),))),
    "rearrange": (Sample({"pattern": "c h w -> w (c h)"}, ((3, 2, "T"),)),),
}


def padded_inputs(program: Any, sample: Sample, dtype: str) -> list[np.ndarray]:
    """A batch of sequences of `LENGTHS`, with a number in the padding that should not matter."""
    arrays = samples.inputs(sample, max(LENGTHS), dtype)
    for entry, array in zip(program.main.inputs, tuple(arrays)):
        if entry.value.type.ragged:
            axis = ragged_axis(entry.value.type)
            for row, length in zip(array, LENGTHS):
                np.moveaxis(row, axis, 0)[length:] = 0 if array.dtype.kind == "i" else FILLING
    return [*arrays, np.array(LENGTHS)]


def alone(program: Any, arrays: list[np.ndarray], row: int) -> list[np.ndarray]:
    """One sample of a batch, without its padding."""
    found = []
    for entry, array in zip(program.main.inputs, arrays):
        one = array[row : row + 1]
        if entry.value.type.ragged:
            axis = ragged_axis(entry.value.type) + 1
            one = np.take(one, range(LENGTHS[row]), axis)
        found.append(one)
    return found[: -1 if len(found) == len(program.main.inputs) else None]


@pytest.mark.torch
@pytest.mark.parametrize(("name", "sample"), cases())
def test_padding_changes_nothing(name: str, sample: Sample, tmp_path: Path) -> None:
    ragged, plain = samples.program(name, sample, padded=True), samples.program(name, sample)
    weights = samples.weights(plain, "float64")
    batch = built("torch", ragged, tmp_path, weights, "float64")
    single = built("torch", plain, tmp_path, weights, "float64")
    assert batch is not None and single is not None
    arrays = padded_inputs(ragged, sample, "float64")
    made = batch.run(arrays)
    assert all(np.isfinite(value).all() for value in made)
    for row, length in enumerate(LENGTHS):
        try:
            wanted = single.run(alone(ragged, arrays, row))
        except RuntimeError:
            assert length == 1  # which is too short for a window
            continue
        for output, value, one in zip(ragged.main.outputs, made, wanted):
            found = value[row : row + 1]
            free = {i + 1 for i, n in enumerate(output.value.type.shape) if not known(n)}
            assert all(i in free or found.shape[i] == n for i, n in enumerate(one.shape))
            assert close(found[tuple(map(slice, one.shape))], one, 1e-9)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("name", "sample"), cases())
def test_keras_is_torch(name: str, sample: Sample, tmp_path: Path) -> None:
    program = samples.program(name, sample, padded=True)
    dtype = precision(name, sample)
    weights = samples.weights(program, dtype)
    mine = built("keras", program, tmp_path, weights, dtype)
    theirs = built("torch", program, tmp_path, weights, dtype)
    assert mine is not None and theirs is not None
    arrays = padded_inputs(program, sample, dtype)
    same_outputs(mine, theirs, arrays, SINGLE.get(name, OUTPUTS[dtype]))
    same_gradients(mine, theirs, arrays, name, SINGLE.get(name, GRADIENTS[dtype]))


@pytest.mark.torch
@pytest.mark.onnx
@pytest.mark.parametrize(("name", "sample"), cases())
def test_onnx_is_torch(name: str, sample: Sample, tmp_path: Path) -> None:
    program = samples.program(name, sample, padded=True)
    weights = samples.weights(program, "float32")
    mine = built("onnx", program, tmp_path, weights, "float32")
    theirs = built("torch", program, tmp_path, weights, "float32")
    if mine is None:
        pytest.skip("refused by name")
    arrays = padded_inputs(program, sample, "float32")
    same_outputs(mine, theirs, arrays, OUTPUTS["float32"])


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
@pytest.mark.parametrize(("name", "sample"), cases())
def test_an_empty_sequence_stays_finite(
    name: str, sample: Sample, backend: str, tmp_path: Path
) -> None:
    """An empty text is all padding: it has no meaning, and must not spoil its batch."""
    program = samples.program(name, sample, padded=True)
    model = built(backend, program, tmp_path, samples.weights(program, "float32"), "float32")
    if model is None:
        pytest.skip("refused by name")
    arrays = padded_inputs(program, sample, "float32")
    full = model.run(arrays)
    arrays[-1] = np.array([*LENGTHS[:-1], 0])
    for before, after in zip(full, model.run(arrays), strict=True):
        assert np.abs(after).max() < 1e6
        assert close(after[:-1], before[:-1], 1e-5)
