"""Arrows: what happens when tensors flow into a layer, a block, a repeat or a fan-out."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.problems.names import FamilyIndex, NotALayer, UnknownLayer
from bmc.diagnostics.problems.params import (
    BadExpression,
)
from bmc.diagnostics.problems.shapes import (
    RepeatTooLarge,
    SharedLayerShape,
    WrongInputCount,
)
from bmc.elaborate.calls import block_settings, chain_name, repeats
from bmc.elaborate.choices import chosen
from bmc.elaborate.context import MAX_LAYERS, Filling
from bmc.elaborate.instances import fits_again, op_instance, same_types, spec_instance, use
from bmc.elaborate.naming import name_instances, plural, snake
from bmc.elaborate.scan import outside_scan, scan_instance
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Family, Scope, Tensors
from bmc.ir.model import BlockSpec, Input, Instance, Output, Repeat, Value
from bmc.ops.base import Layer, alias_of, layer_named
from bmc.ops.kinds import REGISTRY, show
from bmc.records import replace
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.series import after, progression
from bmc.types.symbolic import Dim, Num, Var, alike, expression_names, expression_of
from bmc.types.tensor import TensorType

AXES_BY_RANK = {
    1: ("dim",),
    2: ("length", "dim"),
    3: ("in_channels", "height", "width"),
    4: ("in_channels", "depth_in", "height", "width"),
}


# --- values -------------------------------------------------------------------------


def tensors(filling: Filling, thing: Any, span: Span) -> list[Value] | None:
    """The tensors that a thing stands for: one, a tuple's, a family's in order."""
    if isinstance(thing, Value):
        return [thing]
    if isinstance(thing, Tensors):
        return thing.items
    if isinstance(thing, Family):
        members = [thing.members[i] for i in sorted(thing.members)]
        return None if UNKNOWN in members else members
    if thing is not UNKNOWN:
        message = f"a tensor flows through arrows, and this is {show(thing)}"
        filling.problems.add(BadExpression(span, message, None))
    return None


def single(filling: Filling, op: Layer, values: list[Value], span: Span, hint: str) -> Any:
    """Applies an operator that gives one tensor."""
    made = apply_op(filling, op, values, span, hint, op.attribute or op.name)
    return UNKNOWN if made is None else made[0]


# --- targets ------------------------------------------------------------------------


def apply_target(
    filling: Filling, target: ast.Target, values: list[Value], hint: str
) -> list[Value] | None:
    """One stop of an arrow."""
    if target.count is not None:
        return repeat(filling, target, values, hint)
    return apply(filling, target.layer, values, hint)


def apply(filling: Filling, layer: ast.Expr, values: list[Value], hint: str) -> list[Value] | None:
    """What comes out of a layer expression."""
    if not filling.elaborator.connect(len(values), layer.span):
        return None
    if isinstance(layer, ast.Paren):
        return apply(filling, layer.inner, values, hint)
    if isinstance(layer, ast.Flow):
        made = apply(filling, layer.head, values, hint)
        for target in layer.targets:
            if made is None:
                return None
            made = apply_target(filling, target, made, hint)
        return made
    if isinstance(layer, ast.If):
        condition = filling.evaluator.condition(layer.condition, filling.scope)
        if condition is None:
            return None
        with chosen(filling, layer, condition):
            return apply(filling, layer.then if condition else layer.otherwise, values, hint)
    if isinstance(layer, ast.ListExpr):
        return _fan_out(filling, layer, values, hint)
    if isinstance(layer, ast.Binary) and layer.operator == "*":
        return repeat(filling, ast.Target(layer.span, layer.left, layer.right), values, hint)
    if isinstance(layer, ast.Name | ast.Call):
        return _named(filling, layer, values, hint)
    if isinstance(layer, ast.Index):
        return _member_layer(filling, layer, values, hint)
    filling.problems.add(NotALayer(layer.span, layer.span.text[:40], "expression"))
    return None


def _fan_out(
    filling: Filling, layer: ast.ListExpr, values: list[Value], hint: str
) -> list[Value] | None:
    results: list[Value] = []
    for item in layer.items:
        made = apply(filling, item, values, hint)
        if made is None:
            return None
        results += made
    return results


def _member_layer(
    filling: Filling, layer: ast.Index, values: list[Value], hint: str
) -> list[Value] | None:
    base = filling.scope.find(layer.base.id) if isinstance(layer.base, ast.Name) else None
    if not isinstance(base, Family) or len(layer.items) != 1:
        filling.problems.add(NotALayer(layer.span, layer.span.text[:40], "expression"))
        return None
    index = filling.evaluator.constant(layer.items[0], filling.scope)
    member = base.members.get(int(index)) if isinstance(index, int) else None
    if member is None:
        if index is not UNKNOWN:
            filling.problems.add(FamilyIndex(layer.span, base.name, index, len(base.members)))
        return None
    if not isinstance(member, BoundLayer):
        filling.problems.add(NotALayer(layer.span, layer.span.text[:40], "tensor"))
        return None
    return apply_bound(filling, member, values, layer.span, hint)


def _named(
    filling: Filling, layer: ast.Name | ast.Call, values: list[Value], hint: str
) -> list[Value] | None:
    head = layer.function if isinstance(layer, ast.Call) else layer
    if not isinstance(head, ast.Name):
        filling.problems.add(NotALayer(layer.span, layer.span.text[:40], "expression"))
        return None
    if head.id == "identity" and isinstance(layer, ast.Name):
        return values
    bound = filling.scope.find(head.id)
    if head.id == "scan" and bound is None:
        made = scan_instance(filling, layer, values, block_instance)
        return None if made is None else use(filling, made, values, layer.span, hint)
    if isinstance(bound, BoundLayer):
        if isinstance(layer, ast.Call):
            message = f"`{head.id}` is a layer already; its settings were given where it was made"
            filling.problems.add(BadExpression(layer.span, message, f"write `-> {head.id}`"))
            return None
        return apply_bound(filling, bound, values, layer.span, hint)
    if head.id in filling.scope.table.blocks:
        made = block_instance(filling, layer, head, values)
        return None if made is None else use(filling, made, values, layer.span, hint)
    declared = layer_named(head.id)
    if declared is None:
        _unknown_layer(filling, head, bound)
        return None
    op = filling.evaluator.make(declared, layer, filling.scope)
    if op is UNKNOWN:
        return None
    return apply_op(filling, op, values, layer.span, hint, op.attribute or op.name)


def _unknown_layer(filling: Filling, head: ast.Name, bound: Any) -> None:
    if bound is UNKNOWN:  # reported where it was to come from
        return
    if bound is not None:
        what = "tensor" if isinstance(bound, Value | Tensors | Family) else "setting"
        filling.problems.add(NotALayer(head.span, head.id, what))
        return
    alias = alias_of("layer", head.id)
    blocks = tuple(filling.scope.table.blocks)
    named = [name for name in REGISTRY["layer"] if layer_named(name)]
    candidates = (alias,) if alias else (*named, *blocks, "scan")
    sign = getattr(REGISTRY["layer"].get(head.id), "sign", "")
    filling.problems.add(UnknownLayer(head.span, head.id, candidates, sign=sign))


# --- layers -------------------------------------------------------------------------


def apply_op(
    filling: Filling, op: Layer, values: list[Value], span: Span, hint: str, base: str
) -> list[Value] | None:
    """A new instance of a declared layer, and its first use."""
    instance = op_instance(filling, op, values, span, base)
    return None if instance is None else use(filling, instance, values, span, hint)


def block_instance(
    filling: Filling,
    layer: ast.Name | ast.Call,
    head: ast.Name,
    values: list[Value],
    scanned: bool = False,
) -> Instance | None:
    """A block for the settings in the call and the values that flow in."""
    table = filling.scope.table
    block = table.blocks[head.id]
    arguments = layer.arguments if isinstance(layer, ast.Call) else ()
    settings = block_settings(filling.evaluator, filling.scope, block, arguments, layer.span)
    if settings is None:
        return None
    spec = filling.elaborator.block(
        block, table.owner(head.id), settings, tuple(values), layer.span
    )
    if spec is None or (spec.states and not scanned and outside_scan(filling, spec, layer.span)):
        return None
    return spec_instance(filling, spec, settings, values, layer.span, snake(block.name))


def apply_bound(
    filling: Filling, bound: BoundLayer, values: list[Value], span: Span, hint: str
) -> list[Value] | None:
    """A named layer: made on its first use, shared afterwards."""
    if bound.instance is None:
        instance = _bound_instance(filling, bound, values)
        if instance is None:
            return None
        bound.instance = instance
    elif not (
        same_types(bound.instance.inputs, tuple(v.type for v in values))
        or fits_again(filling, bound.instance, values)
    ):
        first = ", ".join(map(str, bound.instance.inputs))
        second = ", ".join(str(v.type) for v in values)
        filling.problems.add(SharedLayerShape(span, bound.name, first, second))
        return None
    return use(filling, bound.instance, values, span, hint)


def _bound_instance(filling: Filling, bound: BoundLayer, values: list[Value]) -> Instance | None:
    scope, filling.scope = filling.scope, bound.chain.scope
    try:
        instance = make_instance(filling, bound.chain.expression, values, bound.name)
    finally:
        filling.scope = scope
    if instance is None:
        return None
    instance.base, instance.given, instance.doc = bound.name, True, bound.doc
    instance.place = bound.place
    return instance


# --- instances without a use --------------------------------------------------------


def make_instance(
    filling: Filling, layer: ast.Expr, values: list[Value], name: str
) -> Instance | None:
    """One instance for any layer expression; several layers become a block of their own."""
    while isinstance(layer, ast.Paren):
        layer = layer.inner
    if isinstance(layer, ast.Flow | ast.ListExpr | ast.If):
        return _chain_instance(filling, layer, values, name)
    if isinstance(layer, ast.Binary) and layer.operator == "*":
        return _repeat_instance(
            filling, ast.Target(layer.span, layer.left, layer.right), values, name
        )
    head = layer.function if isinstance(layer, ast.Call) else layer
    if isinstance(layer, ast.Name | ast.Call) and isinstance(head, ast.Name):
        if head.id in filling.scope.table.blocks:
            return block_instance(filling, layer, head, values)
        if head.id == "scan" and filling.scope.find("scan") is None:
            return scan_instance(filling, layer, values, block_instance)
        declared = layer_named(head.id)
        if declared is not None and not isinstance(filling.scope.find(head.id), BoundLayer):
            op = filling.evaluator.make(declared, layer, filling.scope)
            if op is UNKNOWN:
                return None
            return op_instance(filling, op, values, layer.span, op.attribute or op.name)
        if declared is None and not isinstance(filling.scope.find(head.id), BoundLayer):
            _unknown_layer(filling, head, filling.scope.find(head.id))
            return None
    return _chain_instance(filling, layer, values, name)


def _chain_instance(
    filling: Filling, layer: ast.Expr, values: list[Value], name: str
) -> Instance | None:
    """Layers in a row as a block without a name of its own, called after what it makes."""
    title = "".join(part.capitalize() for part in name.split("_"))
    spec = BlockSpec(title, "chain", layer.span, {})
    inputs = []
    for value, shape in zip(values, _own_sizes(filling, values)):
        kind = replace(value.type, shape=shape)
        inner = Value(kind, value.name, value.span, named=True)
        inputs.append(inner)
        spec.inputs.append(Input(inner))
    chain = Filling(filling.elaborator, spec, Scope(filling.scope.table, filling.scope))
    made = apply(chain, layer, inputs, "x")
    if made is None:
        return None
    for number, value in enumerate(made):
        spec.outputs.append(Output(f"y{number}" if number else "y", value))
    name_instances(spec, chain.sites)
    return spec_instance(filling, spec, {}, values, layer.span, name)


def _own_sizes(filling: Filling, values: list[Value]) -> list[tuple[Dim, ...]]:
    """The sizes that a chain sees, each under a word that means nothing else there."""
    around = {word for thing in filling.scope.every_value() for word in expression_names(thing)}
    own: dict[str, Dim] = {}
    found = []
    for value in values:
        shape: list[Dim] = []
        for dim, word in zip(value.type.shape, AXES_BY_RANK.get(value.type.rank, ())):
            if isinstance(dim, int):
                while (word in around and expression_of(dim) != Var(word)) or (
                    word in own and not alike(own[word], dim)
                ):
                    word += "_in"
                own[word] = dim
                dim = Num(int(dim), Var(word))
            shape.append(dim)
        found.append(tuple(shape) or value.type.shape)
    return found


# --- repeats ------------------------------------------------------------------------


def repeat(
    filling: Filling, target: ast.Target, values: list[Value], hint: str
) -> list[Value] | None:
    """`layer * n`."""
    count = _repeat_count(filling, target)
    if count is None:
        return None
    if count == 0:
        return values
    name = chain_name(target.layer, hint)
    instance = _repeat_instance(filling, target, values, name, count)
    return None if instance is None else use(filling, instance, values, target.span, hint)


def _repeat_count(filling: Filling, target: ast.Target) -> int | None:
    assert target.count is not None
    count = filling.evaluator.constant(target.count, filling.scope)
    if count is UNKNOWN:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        filling.evaluator.unknown_word(target.count, count, filling.scope)
        message = f"a layer is repeated a whole number of times, not {show(count)}"
        filling.problems.add(BadExpression(target.count.span, message, None))
        return None
    if count > MAX_LAYERS:
        filling.problems.add(RepeatTooLarge(target.count.span, int(count), MAX_LAYERS))
        return None
    return count


def _repeat_instance(
    filling: Filling, target: ast.Target, values: list[Value], name: str, count: int | None = None
) -> Instance | None:
    if count is None:
        count = _repeat_count(filling, target)
    if not count:
        return None
    # A repeat of a repeat is a repeat of a block that has the inner one.
    make = _chain_instance if repeats(target.layer) else make_instance
    runs: list[tuple[int, Instance]] = []
    current, left = values, int(count)
    carried = 0
    while left:
        copy = make(filling, target.layer, current, name)
        if copy is None:
            return None
        carried = len(copy.outputs)
        if carried > len(values):
            filling.problems.add(WrongInputCount(target.span, copy.base, len(values), carried))
            return None
        following = _replaced(current, copy.outputs)
        stable = same_types(tuple(v.type for v in following), tuple(v.type for v in current))
        # A size may be equal by chance after the first copy: the others are given their own words.
        new = not runs and not _same_words(following, current)
        number = left if stable and not new else 1
        if not filling.elaborator.within_budget(
            number * filling.elaborator.count(copy), target.span
        ):
            return None
        runs.append((number, copy))
        left -= number
        current = following
    base = plural(runs[0][1].base)
    outputs = tuple(value.type for value in current[:carried])
    if expression_names(count) and len(runs) > 1 and runs[0][1].outputs != runs[1][1].outputs:
        outputs = _grown(filling, values, [copy for _, copy in runs], count)
    repeat = Repeat(count, runs, carried)
    types = tuple(value.type for value in values)
    return Instance(repeat, base, types, outputs, target.span)


# --- uses ---------------------------------------------------------------------------


def _grown(
    filling: Filling, values: list[Value], copies: list[Instance], count: int
) -> tuple[TensorType, ...]:
    """What comes of copies whose sizes grow, in terms of how many there are where they can be said."""
    found = []
    for place, kind in enumerate(copies[-1].outputs):
        types = [values[place].type, *(copy.outputs[place] for copy in copies)]
        if len(copies) < count or len({one.rank for one in types}) > 1:
            filling.spec.decided.append(count)
            return copies[-1].outputs
        shape = []
        for sizes in zip(*(one.shape for one in types)):
            grown = progression(list(map(expression_of, sizes)))
            if grown is None:
                filling.spec.decided.append(count)
                return copies[-1].outputs
            size = after(*grown, expression_of(count))
            shape.append(Num(int(sizes[-1]), size) if isinstance(sizes[-1], int) else sizes[-1])
        found.append(replace(kind, shape=tuple(shape)))
    return tuple(found)


def _same_words(left: list[Value], right: list[Value]) -> bool:
    """Whether the sizes of values were computed in the same way."""
    pairs = zip(left, right)
    return all(alike(a, b) for x, y in pairs for a, b in zip(x.type.shape, y.type.shape))


def _replaced(values: list[Value], types: tuple[TensorType, ...]) -> list[Value]:
    """The inputs of the next copy: outputs first, what is left of the inputs after them."""
    made = [Value(kind, value.name, value.span) for value, kind in zip(values, types)]
    return made + values[len(types) :]
