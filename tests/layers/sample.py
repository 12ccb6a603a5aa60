"""A program of one layer, made from a declaration's sample, and the numbers to run it on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Apply, BlockSpec, Input, Instance, Output, Program, Value
from bmc.ir.model import weights as all_weights
from bmc.ir.symbolic import Sym
from bmc.ir.types import TensorType
from bmc.ops.base import REGISTRY, Layer, Sample
from bmc.passes.masks import explicit_masks
from bmc.records import replace
from bmc.samples import make, type_of
from bmc.source import Source, Span

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
