"""Where the frameworks differ: each difference, put back into a program, is found.

A mutant is a generated program with one piece of text replaced, so that it means what the other
framework means by default. The contract's comparison of outputs, gradients and running statistics
must tell it from the other backend's program.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.contract.layers import sample as samples
from tests.contract.layers.test_contract import GRADIENTS, NUMBERS, OUTPUTS, SINGLE, close
from tests.contract.layers.test_padding import MORE, padded_inputs

import bmc.ops.layers  # noqa: F401
from bmc.diagnostics.diagnostic import Problems
from bmc.emit.backend import find_backend
from bmc.ops.kinds import REGISTRY
from bmc.verify.probe import load_module

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
# What goes wrong: layer, number of its sample, backend, what its program says, what the mutant says.
MUTANTS = {
    "kernel transposed": ("conv", 0, "keras", "(3, 2, 0, 1)", "(3, 2, 1, 0)"),
    "channels last when flattened": ("flatten", 0, "torch", "x0.flatten", "x0.movedim(1, -1).flatten"),
    "same padding before, not after": ("max_pool", 2, "torch", "(0, 0, 0, 1)", "(0, 0, 1, 0)"),
    "zeros around a maximum": ("max_pool", 2, "torch", 'float("-inf")', "0.0"),
    "the border counts in a mean": ("avg_pool", 1, "torch", "count_include_pad=False",
                                    "count_include_pad=True"),
    "the other side cut": ("conv_transpose", 3, "torch", "(0, -1, 0, -1)", "(-1, 0, -1, 0)"),
    "corners aligned": ("upsample", 2, "torch", "align_corners=False", "align_corners=True"),
    "batch norm's epsilon": ("batch_norm", 0, "torch", "eps=1e-5", "eps=1e-3"),
    "batch norm's decay turned": ("batch_norm", 0, "torch", "momentum=0.1", "momentum=0.9"),
    "batch norm's biased variance": ("batch_norm", 0, "keras", "= BatchNorm(",
                                     "= layers.BatchNormalization("),
    "layer norm's epsilon": ("layer_norm", 0, "torch", "eps=1e-5", "eps=1e-3"),
    "rms norm's epsilon": ("rms_norm", 0, "torch", "eps=1e-6", "eps=1e-5"),
    "group norm's epsilon": ("group_norm", 0, "torch", "eps=1e-5", "eps=1e-3"),
    "causal padding behind": ("conv", 13, "torch", "(2, 0)", "(0, 2)"),
    "the border repeated, not mirrored": ("conv", 11, "torch", "reflect", "replicate"),
    "gates of an LSTM": ("lstm", 0, "onnx", "[0, 3, 1, 2]", "[0, 1, 2, 3]"),
    "gates of a GRU": ("gru", 0, "keras", "concatenate((r, z, n)", "concatenate((z, r, n)"),
    "reset before the product": ("gru", 0, "onnx", "linear_before_reset=1",
                                 "linear_before_reset=0"),
    "both biases trained": ("lstm", 0, "torch", "LSTM(3, 4", "nn.LSTM(3, 4"),
    "gelu by tanh": ("gelu", 0, "keras", "approximate=False", "approximate=True"),
    "another slope": ("leaky_relu", 0, "torch", "negative_slope=0.01", "negative_slope=0.2"),
    "another hard sigmoid": ("hard_sigmoid", 0, "onnx", "alpha=0.16666666666666666", "alpha=0.2"),
    "softmax along another axis": ("softmax", 1, "keras", "axis=1", "axis=-1"),
    "the padding's row learns": ("embedding", 1, "keras", "ops.stop_gradient(vectors)", "vectors"),
    "the future seen": ("self_attention", 1, "torch", "is_causal=True", "is_causal=False"),
    "scores not scaled": ("self_attention", 9, "torch", "scale=self.scale", "scale=None"),
    "neighbours turned": ("self_attention", 5, "onnx", "interleaved=1", "interleaved=0"),
    "halves turned": ("self_attention", 4, "keras", "ops.split(x, 2, axis=-1)",
                      "(x[..., 0::2], x[..., 1::2])"),
    "n - 1 in a deviation": ("deviation", 0, "torch", "correction=0", "correction=1"),
    "channels of a depthwise window": ("conv", 10, "keras", "(2, 3, 0, 1)", "(2, 3, 1, 0)"),
    "slopes of a prelu": ("prelu", 0, "torch", "nn.PReLU(3)", "nn.PReLU(1)"),
}  # fmt: skip

# The same of padded values.
PADDED = {
    "the data hidden": ("self_attention", 0, "torch", "mask[:, None, None, :]",
                        "~mask[:, None, None, :]"),
    "padding looked at": ("self_attention", 0, "keras", "attention_mask=ops.expand_dims(x0_mask, 1)",
                          "attention_mask=None"),
    "backward from the padding": ("lstm", 1, "torch", "run_padded(self.layer, x0, x0_mask)",
                                  "self.layer(x0)[0]"),
    "backward from the padding, in ONNX": ("lstm", 1, "onnx", "given += ([]", "_ = ([]"),
    "padding in a mean": ("mean", 0, "keras", "ops.where(ops.expand_dims(x0_mask, 2), x0, 0.0)",
                          "x0"),
    "padding counted": ("mean", 0, "torch", "x0_length[:, None]", "x0.shape[1]"),
    "the last step of all": ("last", 0, "torch", "length - 1]", "-1]"),
    "padding in a window": ("conv", 0, "torch", "x0.masked_fill(~x0_mask[:, None, :], 0.0)", "x0"),
    "padding as the largest": ("max", 0, "torch", "torch.finfo(x0.dtype).min", "1e9"),
    "padding in the statistics": ("batch_norm", 0, "keras", "ops.where(mask, inputs, 0.0)", "inputs"),
}  # fmt: skip


def model(backend: str, program: Any, weights: Any, folder: Path, change: tuple[str, str]) -> Any:
    """A program with a change in its text, loaded."""
    text = find_backend(backend).compile(program, Problems())["model.py"]  # type: ignore
    old, new = change
    assert not old or old in text, text
    path = folder / f"{backend}{next(NUMBERS)}.py"
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    probe = importlib.import_module(f"bmc_{backend}.probe")
    dtype = "float32" if backend == "onnx" else "float64"
    own = {name: array.astype(dtype) for name, array in weights.items()}
    return probe.Model(load_module(path), "One", own, dtype)


def alike(name: str, arrays: list[np.ndarray], one: Any, other: Any, single: bool) -> bool:
    """Whether the contract takes two models for one."""
    dtype = "float32" if single else "float64"
    mine = one.run([_as(array, dtype) for array in arrays])
    theirs = other.run([array.copy() for array in arrays])
    bound = SINGLE.get(name, OUTPUTS[dtype])
    if not all(close(a, b.astype(a.dtype), bound) for a, b in zip(mine, theirs, strict=True)):
        return False
    if single:
        return True
    training = not REGISTRY["layer"][name].random
    found = one.gradients([array.copy() for array in arrays], training)
    expected = other.gradients([array.copy() for array in arrays], training)
    bound = SINGLE.get(name, GRADIENTS[dtype])
    return found.keys() == expected.keys() and all(
        close(found[key], expected[key], bound) for key in expected
    )


def _as(array: np.ndarray, dtype: str) -> np.ndarray:
    return array.astype(dtype) if array.dtype.kind == "f" else array.copy()


@pytest.mark.parametrize("mutant", [*MUTANTS, *PADDED])
def test_mutants_are_found(mutant: str, tmp_path: Path) -> None:
    padded = mutant in PADDED
    name, number, backend, old, new = PADDED[mutant] if padded else MUTANTS[mutant]
    sample = MORE[name][number] if padded else REGISTRY["layer"][name].samples[number]
    program = samples.program(name, sample, padded)
    arrays = samples.inputs(sample, 7, "float64")
    if padded:
        arrays = padded_inputs(program, sample, "float64")
    weights = samples.weights(program, "float64")
    other = model("keras" if backend == "torch" else "torch", program, weights, tmp_path, ("", ""))
    single = backend == "onnx"
    right = model(backend, program, weights, tmp_path, ("", ""))
    assert alike(name, arrays, right, other, single)
    try:
        wrong = model(backend, program, weights, tmp_path, (old, new))
        found = not alike(name, arrays, wrong, other, single)
    except Exception:
        found = True  # it does not even run
    assert found
