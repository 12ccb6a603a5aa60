"""The IR as text for people: what is meant, or only the shapes and weights of each layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bmc.ir.model import Apply, BlockSpec, Program, Repeat, Scan
from bmc.ops.base import Declaration
from bmc.types.tensor import show_shape


def show_ir(program: Program) -> str:
    """Every model, one use of a layer a line; settings that differ from their defaults."""
    return "\n".join(line for spec in program.models.values() for line in _spec(spec, "", False))


def show_shapes(program: Program) -> str:
    """Every model: what goes in and comes out of each layer, and its weights."""
    return "\n".join(line for spec in program.models.values() for line in _spec(spec, "", True))


def _spec(spec: BlockSpec, pad: str, shapes: bool) -> Iterator[str]:
    settings = ", ".join(f"{k}={v}" for k, v in spec.settings.items())
    yield f"{pad}{spec.kind} {spec.name}({settings})"
    for entry in spec.inputs:
        yield f"{pad}  input {entry.value.name}: {entry.value.type}"
    for parameter in spec.params:
        start = _declaration(parameter.init)
        yield f"{pad}  param {parameter.name}: {parameter.value.type} = {start}"
    for state in spec.states:
        start = _declaration(state.init)
        yield f"{pad}  state {state.name}: {state.value.type} = {start}"
    for use in spec.applies():
        yield from _use(use, pad + "  ", shapes)
    for output in spec.outputs:
        yield f"{pad}  output {output.name} = {output.value.name}: {output.value.type}"


def _use(use: Apply, pad: str, shapes: bool) -> Iterator[str]:
    target = use.instance.target
    label = ".".join((use.instance.name, *map(str, use.instance.loops)))
    inputs = ", ".join(value.name for value in use.inputs)
    outputs = ", ".join(value.name for value in use.outputs)
    types = ", ".join(str(value.type) for value in use.outputs)
    if isinstance(target, Declaration):
        if shapes:
            before = ", ".join(str(value.type) for value in use.inputs)
            weights = use.instance.weights.items()
            parts = "".join(f"  {key} {show_shape(weight.shape)}" for key, weight in weights)
            yield f"{pad}{label}: {before} -> {types}{parts}"
        else:
            yield f"{pad}{outputs} = {inputs} -> {_declaration(target)}  # {label}: {types}"
        return
    copies = f" * {int(target.count)}" if isinstance(target, Repeat) else ""
    copies = " at every step" if isinstance(target, Scan) else copies
    if shapes:
        before = ", ".join(str(value.type) for value in use.inputs)
        yield f"{pad}{label}{copies}: {before} -> {types}"
    else:
        yield f"{pad}{outputs} = {inputs} -> {label}{copies}: {types}"
    runs = target.runs if isinstance(target, Repeat) else [(1, use.instance)]
    runs = [(1, target.step)] if isinstance(target, Scan) else runs
    for _, copy in runs:
        if isinstance(copy.target, BlockSpec):
            yield from _spec(copy.target, pad + "  ", shapes)
        elif isinstance(copy.target, Declaration):
            yield f"{pad}  {_declaration(copy.target)}"


def _declaration(op: Declaration) -> str:
    given = [
        f"{key}={_value(value)}"
        for key, value in op.values().items()
        if op.settings[key].required or _differs(value, op.settings[key].default)
    ]
    return f"{op.name}({', '.join(given)})" if given else op.name


def _differs(value: Any, default: Any) -> bool:
    if isinstance(value, Declaration) and isinstance(default, Declaration):
        return value.key() != default.key()
    return bool(value != default)


def _value(value: Any) -> str:
    if isinstance(value, Declaration):
        return _declaration(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
