"""Instances of layers and blocks: made for the values that flow in, and used."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems.shapes import (
    LayerShape,
    TensorTooLarge,
    WrongInputCount,
)
from bmc.elaborate.context import MAX_ELEMENTS, MAX_LAYERS, Filling, outer
from bmc.ir.model import Apply, BlockSpec, Instance, Value
from bmc.ops.base import Layer
from bmc.ops.kinds import Refusal, SharedWeight
from bmc.source import Span
from bmc.types.symbolic import Num, Real, Var, known, literal, product
from bmc.types.tensor import TensorType


def op_instance(
    filling: Filling, op: Layer, values: list[Value], span: Span, base: str
) -> Instance | None:
    """A layer with the weights that these inputs call for."""
    if not _takes(op, len(values)):
        filling.problems.add(WrongInputCount(span, op.name, op.input_count(), len(values)))
        return None
    types = tuple(value.type for value in values)
    try:
        outputs = op.infer(*types)
        weights = op.weights(*types)
        for weight in weights.values():
            if weight.init is not None:
                weight.init.check_shape(weight.shape)
    except (Refusal, ArithmeticError) as error:
        message, advice = str(error), None
        if isinstance(error, Refusal):
            message, advice = error.message, error.help
        sources = tuple(Label(v.span, f"`{v.name}` is {v.type}") for v in values)
        filling.problems.add(LayerShape(span, op.name, message, advice, sources))
        return None
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sizes = [*(w.shape for w in weights.values()), *(o.shape for o in outputs)]
    for shape in sizes:
        elements = product(tuple(d for d in shape if known(d)))
        if isinstance(elements, int) and elements > MAX_ELEMENTS:
            filling.problems.add(TensorTooLarge(span, op.name, int(elements), MAX_ELEMENTS))
            return None
    shared = {
        key: (setting.owner, setting.name)
        for key, setting in op.values().items()
        if isinstance(setting, SharedWeight)
    }
    for owner, _ in shared.values():
        owner.lends = True
    return Instance(op, base, types, outputs, span, weights=weights, shared=shared)


def spec_instance(
    filling: Filling,
    spec: BlockSpec,
    settings: dict[str, Any],
    values: list[Value],
    span: Span,
    base: str,
) -> Instance:
    """An instance of a block's spec, its outputs in the terms of the caller."""
    defaults = {k: v for k, v in spec.settings.items() if isinstance(v, Num | Real)}
    environment = {**{k: literal(v) for k, v in defaults.items()}, **settings}
    for entry, value in zip(spec.inputs, values):
        inner = entry.value.type.shape
        for mine, theirs in zip(inner, value.type.shape):
            if isinstance(mine, Num) and isinstance(mine.expression, Var):
                environment.setdefault(mine.expression.name, theirs)
    outputs = []
    for output in spec.outputs:
        kind = output.value.type
        shape = tuple(outer(dim, environment, spec.kind == "chain") for dim in kind.shape)
        outputs.append(
            TensorType(kind.dtype, shape, batched=kind.batched, ragged=kind.ragged, kind=kind.kind)
        )
    types = tuple(value.type for value in values)
    instance = Instance(spec, base, types, tuple(outputs), span)
    instance.arguments = environment
    return instance


def fits_again(filling: Filling, instance: Instance, values: list[Value]) -> bool:
    """Whether the same weights serve other input shapes (another length, say)."""
    op, types = instance.target, tuple(value.type for value in values)
    if not isinstance(op, Layer) or not _takes(op, len(types)):
        return False
    try:
        op.infer(*types)
        weights = op.weights(*types)
    except (Refusal, ArithmeticError):
        return False
    mine = {key: weight.shape for key, weight in instance.weights.items()}
    return mine == {key: weight.shape for key, weight in weights.items()}


def use(
    filling: Filling, instance: Instance, values: list[Value], span: Span, hint: str
) -> list[Value]:
    """Records a use of an instance and gives what comes out."""
    if not any(instance is known_one for known_one in _recent(filling, instance)):
        _register(filling, instance)
    types = instance.outputs
    if not same_types(instance.inputs, tuple(v.type for v in values)) and isinstance(
        instance.target, Layer
    ):
        inferred = instance.target.infer(*(v.type for v in values))
        types = inferred if isinstance(inferred, tuple) else (inferred,)
    outputs = tuple(Value(kind, hint, span) for kind in types)
    number, guards = filling.statement_number, filling.guards
    filling.body.append(Apply(instance, tuple(values), outputs, span, number, guards))
    return list(outputs)


def _recent(filling: Filling, instance: Instance) -> list[Instance]:
    return filling.spec.instances if instance.given else []


def _register(filling: Filling, instance: Instance) -> None:
    filling.spec.instances.append(instance)
    count = len(filling.spec.instances)
    if count > MAX_LAYERS and count == MAX_LAYERS + 1:
        filling.elaborator.within_budget(count, instance.span)
    if not filling.turn_counts:
        return
    turn = filling.turn_counts[-1]
    ordinal = turn.get(instance.base, 0)
    turn[instance.base] = ordinal + 1
    filling.sites[id(instance)] = (filling.loop_path, instance.base, ordinal)


def _takes(op: Layer, count: int) -> bool:
    """Whether a layer takes so many values."""
    least, most = op.inputs
    return least <= count and (most is None or count <= most)


def same_types(left: tuple[TensorType, ...], right: tuple[TensorType, ...]) -> bool:
    """Whether values of these types are alike."""
    return left == right
