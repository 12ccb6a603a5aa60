"""What a model costs, from the IR alone: parameters, operations, activation memory."""

from __future__ import annotations

from collections.abc import Iterator

from bmc.ir.model import Apply, BlockSpec, Instance, Repeat, Scan, weights
from bmc.ops.base import Layer
from bmc.records import record
from bmc.types.symbolic import Dim, Sym, known, product

BYTES = {"float": 4, "int": 8, "bool": 1}


@record
class Row:
    """One layer of a model, for the summary table.

    `flops` and `memory` (bytes of what it puts out) are for one sample; a free dimension counts
    as the size that the summary was asked for.
    """

    path: str
    kind: str
    output: str
    parameters: int
    flops: int
    memory: int
    depth: int


@record
class _Times:
    """How often something is there: copies with weights of their own, and steps of a scan."""

    copies: int = 1
    steps: int = 1


@record
class ModelSummary:
    """The table of a model and its totals."""

    name: str
    rows: tuple[Row, ...]
    parameters: int
    buffers: int
    flops: int
    memory: int
    assumed: dict[str, int]


def parameters(spec: BlockSpec) -> int:
    """Number of trained numbers of a model; running statistics do not count."""
    return sum(_elements(w.shape, {}) for _, w in weights(spec) if w.trainable)


def buffers(spec: BlockSpec) -> int:
    """Number of kept but not trained numbers (running statistics)."""
    return sum(_elements(w.shape, {}) for _, w in weights(spec) if not w.trainable)


def assumed(spec: BlockSpec) -> dict[str, int]:
    """The size that each free dimension counts as: its limit, or 128."""
    sizes: dict[str, int] = {}
    for entry in spec.inputs:
        for dim in entry.value.type.shape:
            if isinstance(dim, Sym):
                for symbol in dim.symbols():
                    sizes[symbol] = int(entry.limits.get(symbol, 128))
    return sizes


def summary(spec: BlockSpec) -> ModelSummary:
    """Every layer of a model with its costs; a repeat's equal copies share one row."""
    sizes = assumed(spec)
    rows = tuple(_rows(spec, sizes, (), _Times(), 0))
    own = [_elements(p.value.type.shape, {}) for p in spec.params]
    params = tuple(
        Row(p.name, "param", str(p.value.type), n, 0, n * 4, 0) for p, n in zip(spec.params, own)
    )
    return ModelSummary(
        spec.name,
        params + rows,
        parameters(spec),
        buffers(spec),
        sum(row.flops for row in rows),
        sum(row.memory for row in rows),
        sizes,
    )


def _rows(
    spec: BlockSpec, sizes: dict[str, int], path: tuple[str, ...], times: _Times, depth: int
) -> Iterator[Row]:
    seen: set[int] = set()
    for use in spec.applies():
        instance = use.instance
        here = (*path, instance.name, *map(str, instance.loops))
        first = id(instance) not in seen
        seen.add(id(instance))
        if isinstance(instance.target, Layer) and instance.target.family == "mask":
            continue  # which nobody wrote, and which costs next to nothing
        if isinstance(instance.target, Layer):
            yield _layer_row(use, sizes, here, times, depth, first)
        else:
            yield from _nested(instance, sizes, here, times, depth)


def _nested(
    instance: Instance, sizes: dict[str, int], here: tuple[str, ...], times: _Times, depth: int
) -> Iterator[Row]:
    if isinstance(instance.target, BlockSpec):
        spec = instance.target
        for parameter in spec.params:
            count = _elements(parameter.value.type.shape, {}) * times.copies
            name = ".".join((*here, parameter.name))
            yield Row(name, "param", str(parameter.value.type), count, 0, count * 4, depth + 1)
        yield from _rows(spec, sizes, here, times, depth + 1)
    elif isinstance(instance.target, Repeat):
        start = 0
        for number, copy in instance.target.runs:
            label = str(start) if number == 1 else f"{start}..{start + number - 1}"
            start += number
            more = _Times(times.copies * number, times.steps)
            if isinstance(copy.target, Layer):
                fake = Apply(copy, (), (), copy.span)
                yield _layer_row(fake, sizes, (*here, label), more, depth, True)
            else:
                yield from _nested(copy, sizes, (*here, label), more, depth)
    elif isinstance(instance.target, Scan):
        length = _evaluate(instance.inputs[0].shape[0], sizes)
        more = _Times(times.copies, times.steps * length)
        yield from _nested(instance.target.step, sizes, here, more, depth)


def _layer_row(
    use: Apply,
    sizes: dict[str, int],
    path: tuple[str, ...],
    times: _Times,
    depth: int,
    first: bool,
) -> Row:
    instance = use.instance
    op = instance.target
    assert isinstance(op, Layer)
    given = instance.given_types
    inputs = tuple(v.type for v in use.inputs[: len(given)]) or given
    outputs = tuple(v.type for v in use.outputs) or instance.outputs
    count = sum(_elements(w.shape, sizes) for w in instance.weights.values() if w.trainable)
    flops = _evaluate(op.flops(inputs, outputs), sizes)
    memory = sum(_elements(o.shape, sizes) * BYTES[o.dtype] for o in outputs)
    shown = ", ".join(str(o) for o in outputs)
    total = count * times.copies if first else 0
    often = times.copies * times.steps
    return Row(".".join(path), op.name, shown, total, flops * often, memory * often, depth)


def _elements(shape: tuple[Dim, ...], sizes: dict[str, int]) -> int:
    return _evaluate(product(shape), sizes)


def _evaluate(dim: Dim, sizes: dict[str, int]) -> int:
    return int(dim) if known(dim) else dim.evaluate(sizes)  # type: ignore[arg-type, union-attr]
