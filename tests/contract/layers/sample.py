"""A program of one layer, made from a declaration's sample, and the numbers to run it on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.masks import explicit_masks
from bmc.ir.model import Apply, BlockSpec, Input, Instance, Output, Program, Repeat, Value
from bmc.ir.model import weights as all_weights
from bmc.ops.base import Layer, Sample
from bmc.ops.kinds import REGISTRY, Refusal
from bmc.records import replace
from bmc.samples import make, type_of
from bmc.source import Source, Span
from bmc.types.symbolic import Sym
from bmc.types.tensor import TensorType

SPAN = Span(Source("sample.bm", ""), 0, 0)
BATCH = 4


def program(name: str, sample: Sample, padded: bool = False) -> Program:
    """`model One { input x0: …  output y0 = (x0, …) -> layer }`

    `padded` makes its inputs of free length padded ones, whose lengths are another input.
    """
    declared = REGISTRY["layer"][name]
    assert issubclass(declared, Layer)
    op = make(declared, sample)
    types = tuple(
        replace(kind, ragged=padded and any(isinstance(size, Sym) for size in kind.shape))
        for kind in map(type_of, sample.inputs)
    )
    made = op.infer(*types)
    outputs = made if isinstance(made, tuple) else (made,)
    instance = Instance(op, op.name, types, outputs, SPAN, weights=op.weights(*types))
    instance.name = "layer"
    taken = tuple(Value(kind, f"x{i}", SPAN, named=True) for i, kind in enumerate(types))
    given = tuple(Value(kind, f"y{i}", SPAN, named=True) for i, kind in enumerate(outputs))
    spec = BlockSpec("One", "model", SPAN, {})
    spec.inputs = [Input(value, pad=0 if value.type.ragged else None) for value in taken]
    spec.instances = [instance]
    spec.body = [Apply(instance, taken, given, SPAN)]
    spec.outputs = [Output(value.name, value) for value in given]
    made_program = Program("sample.bm", None, {"One": spec})
    explicit_masks(made_program, Problems())
    return made_program


def together(name: str, chosen: list[Sample]) -> Program:
    """All samples of one layer in one model, each on inputs of its own."""
    spec = BlockSpec("One", "model", SPAN, {})
    for number, sample in enumerate(chosen):
        one = program(name, sample).main
        (instance,) = one.instances
        instance.name = f"layer{number}"
        for place, entry in enumerate(one.inputs):
            entry.value.name = f"x{number}_{place}"
        for place, output in enumerate(one.outputs):
            output.name = output.value.name = f"y{number}_{place}"
        spec.inputs += one.inputs
        spec.outputs += one.outputs
        spec.instances.append(instance)
        spec.body += one.body
    return Program("sample.bm", None, {"One": spec})


def repeated(name: str, sample: Sample, count: int = 2) -> Program | None:
    """`x -> layer * 2`; None where the layer does not take what it gives."""
    one = program(name, sample)
    (instance,) = one.main.instances
    op = instance.target
    types, runs = instance.inputs, []
    for _ in range(count):
        try:
            made = op.infer(*types)
        except (Refusal, ArithmeticError):
            return None
        outputs = made if isinstance(made, tuple) else (made,)
        if len(outputs) > len(types):
            return None
        copy = Instance(op, op.name, types, outputs, SPAN, weights=op.weights(*types))
        runs.append((1, copy))
        types = (*outputs, *types[len(outputs) :])
    if runs[0][1].inputs == runs[1][1].inputs:
        runs = [(count, runs[0][1])]
    given = tuple(Value(kind, f"y{i}", SPAN, named=True) for i, kind in enumerate(outputs))
    repeat = Instance(Repeat(count, runs, len(outputs)), op.name, instance.inputs, outputs, SPAN)
    repeat.name = "layers"
    spec = one.main
    spec.instances = [repeat]
    spec.body = [Apply(repeat, spec.body[-1].inputs, given, SPAN)]
    spec.outputs = [Output(value.name, value) for value in given]
    return one


def shape(kind: TensorType, length: int) -> tuple[int, ...]:
    """The real shape of a value, free sizes being `length`."""
    sizes = [
        d.evaluate(dict.fromkeys(d.symbols(), length)) if isinstance(d, Sym) else int(d)
        for d in kind.shape
    ]
    return (BATCH, *sizes) if kind.batched else tuple(sizes)


def inputs(sample: Sample, length: int, dtype: Any, seed: int = 0) -> list[np.ndarray]:
    """Numbers for a sample's inputs: floats around zero, ids below their limit."""
    random = np.random.default_rng(seed)
    found = []
    for entry in sample.inputs:
        sizes = shape(type_of(entry), length)
        if entry and isinstance(entry[0], str) and ":" in entry[0]:
            found.append(random.integers(0, int(entry[0].split(":")[1]), sizes))
        else:
            numbers = random.normal(size=sizes)
            numbers = np.abs(numbers) + 0.1 if sample.positive else numbers
            found.append(numbers.astype(dtype))
    return found


def weights(program: Program, dtype: Any, seed: int = 1) -> dict[str, np.ndarray]:
    """Random weights by canonical name; what is a variance is positive."""
    random = np.random.default_rng(seed)
    found = {}
    for name, weight in all_weights(program.main):
        values = random.normal(size=tuple(map(int, weight.shape))) * 0.5
        found[name] = (np.abs(values) + 0.5 if name.endswith("var") else values).astype(dtype)
    return found
