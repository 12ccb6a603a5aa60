"""A program of one layer, made from a declaration's sample, and the numbers to run it on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bmc.ir.model import Apply, BlockSpec, Input, Instance, Output, Program, Value
from bmc.ir.model import weights as all_weights
from bmc.ir.symbolic import Sym
from bmc.ir.types import TensorType
from bmc.ops.base import REGISTRY, Layer, Sample, Word
from bmc.source import Source, Span

SPAN = Span(Source("sample.bm", ""), 0, 0)
BATCH = 4


def type_of(entry: tuple[Any, ...]) -> TensorType:
    """The type that a sample's input stands for; `int:9` in front marks ids below 9."""
    sizes = list(entry)
    dtype = "float"
    if sizes and isinstance(sizes[0], str) and ":" in sizes[0]:
        dtype, sizes = "int", sizes[1:]
    shape = tuple(Sym.named(size) if isinstance(size, str) else size for size in sizes)
    return TensorType(dtype, shape)  # type: ignore[arg-type]


def make(name: str, sample: Sample) -> Layer:
    """The layer, with the words of its settings written as words."""
    declared = REGISTRY["layer"][name]
    operator = name == "arithmetic"  # made by the elaborator alone, with signs for words

    def worded(key: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(worded(key, item) for item in value)
        words = declared.settings[key].kind.words() if key in declared.settings else ()
        return Word(value) if isinstance(value, str) and value in words and not operator else value

    return declared.make({k: worded(k, v) for k, v in sample.settings.items()})  # type: ignore


def program(name: str, sample: Sample) -> Program:
    """`model One { input x0: …  output y0 = (x0, …) -> layer }`"""
    op = make(name, sample)
    types = tuple(map(type_of, sample.inputs))
    made = op.infer(*types)
    outputs = made if isinstance(made, tuple) else (made,)
    instance = Instance(op, op.name, types, outputs, SPAN, weights=op.weights(*types))
    instance.name = "layer"
    taken = tuple(Value(kind, f"x{i}", SPAN, named=True) for i, kind in enumerate(types))
    given = tuple(Value(kind, f"y{i}", SPAN, named=True) for i, kind in enumerate(outputs))
    spec = BlockSpec("One", "model", SPAN, {}, inputs=[Input(value) for value in taken])
    spec.instances = [instance]
    spec.body = [Apply(instance, taken, given, SPAN)]
    spec.outputs = [Output(value.name, value) for value in given]
    return Program("sample.bm", None, {"One": spec})


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
