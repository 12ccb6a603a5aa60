"""Random weights and inputs for a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bmc.ir.model import BlockSpec, Input, Instance, Value, weights
from bmc.ops.axes import ragged_axis
from bmc.ops.embedding import Embedding
from bmc.ops.join import Gather
from bmc.types.symbolic import Sym
from bmc.types.tensor import TensorType

LENGTH = 7  # of free axes, where their limits allow it
BATCH = 2


def draw_weights(model: BlockSpec, dtype: str, seed: int) -> dict[str, np.ndarray]:
    """A number for every element of every weight; what is a variance is positive.

    Matrices are scaled so that values neither grow nor vanish in deep models.
    """
    random = np.random.default_rng(seed)
    found = {}
    for name, weight in weights(model):
        shape = tuple(int(size) for size in weight.shape)  # type: ignore[arg-type]
        values = random.standard_normal(shape)
        leaf = name.rpartition(".")[2]
        if len(shape) > 1 and leaf == "weight":
            values *= 1 / math.sqrt(math.prod(shape[1:]))
        elif leaf in ("weight", "running_var"):
            values = 1 + 0.1 * np.abs(values)
        else:
            values *= 0.1
        found[name] = np.asarray(values, dtype)  # a number without axes, too
    return found


def sizes(kind: TensorType, lengths: dict[str, int], batch: int = BATCH) -> tuple[int, ...]:
    """The real shape of a value for these lengths of its free axes."""
    inner = [
        size.evaluate({name: lengths[name] for name in size.symbols()})
        if isinstance(size, Sym)
        else int(size)
        for size in kind.shape
    ]
    return (batch, *inner) if kind.batched else tuple(inner)


def draw_lengths(model: BlockSpec, length: int = LENGTH) -> dict[str, int]:
    """A length for each free axis of the inputs, within its limit."""
    found: dict[str, int] = {}
    for entry in model.inputs:
        for size in entry.value.type.shape:
            for name in size.symbols() if isinstance(size, Sym) else ():
                found[name] = min(length, int(entry.limits.get(name, length)))
    return found


def draw_inputs(
    model: BlockSpec, dtype: str, seed: int, lengths: dict[str, int], batch: int = BATCH
) -> list[np.ndarray]:
    """Numbers around zero, and ids that every table of the model has.

    The first sample of a padded input is as long as the axis, the others end where chance says.
    """
    random = np.random.default_rng(seed)
    limit = id_limit(model)
    drawn: dict[Value, np.ndarray] = {}
    ends: dict[Value, np.ndarray] = {}
    for entry in model.inputs:
        value = entry.value
        if entry.lengths_of is not None:
            drawn[value] = ends[entry.lengths_of]
            continue
        drawn[value] = _draw(entry, dtype, random, limit, lengths, batch)
        if value.type.ragged:
            ends[value] = _pad(entry, drawn[value], random)
    return list(drawn.values())


def _pad(entry: Input, array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Fills up the ends of samples in place, and says how long they are."""
    axis = ragged_axis(entry.value.type)
    size = array.shape[axis + 1]
    ends = random.integers(1, size + 1, len(array))
    ends[0] = size
    if array.dtype.kind == "i":  # the padding's id is no data
        array[array == entry.pad] += 1 if entry.pad == 0 else -1
    for row, end in zip(array, ends):
        np.moveaxis(row, axis, 0)[end:] = entry.pad
    return ends


def _draw(
    entry: Input,
    dtype: str,
    random: np.random.Generator,
    limit: int,
    lengths: dict[str, int],
    batch: int,
) -> np.ndarray:
    kind = entry.value.type
    shape = sizes(kind, lengths, batch)
    if kind.dtype == "int":
        return random.integers(0, limit, shape)
    if kind.dtype == "bool":
        return random.random(shape) < 0.5
    return random.standard_normal(shape).astype(dtype)


def id_limit(model: BlockSpec) -> int:
    """A number below which every id is one of every table."""
    limit = 2**15
    waiting: list[Any] = list(model.instances)
    while waiting:
        instance: Instance = waiting.pop()
        target = instance.target
        waiting += [inner for _, inner in instance.inside()]
        if isinstance(target, Embedding):
            limit = min(limit, int(target.count))
        elif isinstance(target, Gather):
            size = instance.inputs[0].shape[target.axis]
            limit = min(limit, int(size) if isinstance(size, int) else 1)
    return limit
