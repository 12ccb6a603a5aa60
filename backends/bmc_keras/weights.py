"""Where each weight of weights.safetensors lives in a Keras model: the end of model.py."""

from __future__ import annotations

from collections.abc import Iterator

from bmc.ir.model import BlockSpec, Instance, Repeat
from bmc.ops.base import Layer
from bmc.ops.conv import Conv
from bmc.ops.linear import Dense
from bmc.ops.norm import BatchNorm

KERNELS = {1: "(2, 1, 0)", 2: "(3, 2, 0, 1)", 3: "(4, 3, 0, 1, 2)"}
LAYOUTS = {1: "TIO -> OIT", 2: "HWIO -> OIHW", 3: "DHWIO -> OIDHW"}

STORE = '''\
def store(variable: keras.Variable, axes: tuple[int, ...]) -> np.ndarray:
    """Return a variable in the layout of weights.safetensors."""
    return np.ascontiguousarray(ops.convert_to_numpy(variable).transpose(axes))'''
RESTORE = '''\
def restore(
    variable: keras.Variable, axes: tuple[int, ...], tensor: np.ndarray
) -> None:
    """Set a variable from the layout of weights.safetensors."""
    variable.assign(tensor.transpose(np.argsort(axes)))'''


def weights_section(model: BlockSpec) -> list[str]:
    """`name_weights`, `store` and `restore`."""
    branches: list[str] = []
    for test, lines in _kinds(model).items():
        word = "elif" if branches else "if"
        branches.append(f"        {word} isinstance(layer, {test}):")
        branches += [f"            {line}" for line in lines]
    body = ["    weights: dict[str, Place] = {}"]
    if branches:
        body += ["    for layer in model.layers:", "        name = layer.name", *branches]
    head = [
        "def name_weights(model: keras.Model) -> dict[str, Place]:",
        '    """Say where each weight of weights.safetensors lives in the model."""',
    ]
    return ["\n".join([*head, *body, "    return weights"]), STORE, RESTORE]


def _layers(spec: BlockSpec) -> Iterator[tuple[Layer, Instance]]:
    waiting = list(spec.instances)
    while waiting:
        instance = waiting.pop(0)
        target = instance.target
        if isinstance(target, Repeat):
            waiting += [copy for _, copy in target.runs]
        elif isinstance(target, BlockSpec):
            waiting += target.instances
        elif isinstance(target, Layer):
            yield target, instance


def _kinds(model: BlockSpec) -> dict[str, list[str]]:
    """The lines for each kind of layer, in the order of the model."""
    biases: dict[str, set[bool]] = {}
    lines: dict[str, list[str]] = {}
    for op, instance in _layers(model):
        if isinstance(op, Conv):
            axes = instance.inputs[0].rank - 1
            kind = f"layers.Conv{axes}D"
            lines[kind] = [_line("weight", "kernel", KERNELS[axes], LAYOUTS[axes])]
            biases.setdefault(kind, set()).add(op.bias)
        elif isinstance(op, Dense):
            kind = "layers.Dense"
            lines[kind] = [_line("weight", "kernel", "(1, 0)", "(in, out) -> (out, in)")]
            biases.setdefault(kind, set()).add(op.bias)
        elif isinstance(op, BatchNorm):
            lines["BatchNorm"] = []
            biases.setdefault("BatchNorm", set()).add(op.affine)
    for kind, found in lines.items():
        has = biases[kind]
        pairs = [("bias", "bias")]
        if kind == "BatchNorm":
            pairs = [("weight", "gamma"), ("bias", "beta")]
        test = "layer.scale" if kind == "BatchNorm" else "layer.use_bias"
        if has == {True}:
            found += [_line(key, place, "(0,)") for key, place in pairs]
        elif has == {True, False}:
            found.append(f"if {test}:")
            found += [f"    {_line(key, place, '(0,)')}" for key, place in pairs]
        if kind == "BatchNorm":
            found.append(_line("running_mean", "moving_mean", "(0,)"))
            found.append(_line("running_var", "moving_variance", "(0,)"))
    return lines


def _line(key: str, place: str, axes: str, comment: str = "") -> str:
    text = f'weights[f"{{name}}.{key}"] = (layer.{place}, {axes})'
    return f"{text}  # {comment}" if comment else text
