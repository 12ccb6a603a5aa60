"""The statements of one block: what each adds to its `BlockSpec`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bmc.diagnostics.problems.names import (
    DuplicateName,
    ReservedName,
    SettingRebound,
    UnknownName,
    WrongCase,
)
from bmc.diagnostics.problems.params import BadExpression, UnsupportedHere
from bmc.diagnostics.problems.shapes import AssertedType, UnpackCount
from bmc.elaborate.apply import tensors
from bmc.elaborate.context import Filling
from bmc.elaborate.evaluate import Range
from bmc.elaborate.expressions import evaluate
from bmc.elaborate.functions import FUNCTIONS
from bmc.elaborate.naming import name_instances
from bmc.elaborate.scan import close_states
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Chain, Family, Scope, Tensors
from bmc.ir.model import (
    Loop,
    Output,
    ParamTensor,
    State,
    Turn,
    Value,
)
from bmc.ir.prune import prune
from bmc.ops.base import Initializer, layer_named
from bmc.ops.kinds import REGISTRY, Refusal, Word, show
from bmc.records import replace
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Sym, expression_names
from bmc.types.tensor import TensorType


def fill(filling: Filling, body: tuple[ast.Statement, ...]) -> bool:
    """Works through the statements; whether all of them were fine."""
    before = len(filling.problems)
    for statement in body:
        _statement(filling, statement)
    if filling.spec.states:
        close_states(filling, filling.spec, filling.scope)
    prune(filling.spec)
    name_instances(filling.spec, filling.sites)
    return filling.complete and len(filling.problems) == before


def _statement(filling: Filling, statement: ast.Statement) -> None:
    """Dispatches on the kind of statement."""
    filling.statement_number += 1
    if not filling.evaluator.work.allows(1, statement.span):
        filling.complete = False
        return
    rule = STATEMENTS.get(type(statement))
    if rule is None:
        what = statement.span.text.split()[0]
        filling.problems.add(
            UnsupportedHere(
                statement.span,
                f"`{what}` does not belong in a block",
                "put it in `train { … }`",
            )
        )
        return
    rule(filling, statement)


def _input(filling: Filling, statement: ast.Input) -> None:
    """Inputs are bound before the statements."""


# --- names --------------------------------------------------------------------------


def _check_new(filling: Filling, name: str, span: Span, what: str) -> bool:
    if name[0].isupper():
        filling.problems.add(WrongCase(span, name, "small", what))
    found = filling.scope.find(name)
    first = filling.scope.span(name)
    if (
        found is not None
        and found is not UNKNOWN
        and first is not None
        and not isinstance(found, Value | Tensors | Family)
    ):
        if name in filling.scope.table.lets and not _is_local(filling, name):
            return True  # a let may be shadowed
        filling.problems.add(SettingRebound(span, name, first))
        return False
    return True


def _is_local(filling: Filling, name: str) -> bool:
    scope: Scope | None = filling.scope
    while scope is not None:
        if name in scope.names:
            return True
        scope = scope.parent
    return False


def bind(filling: Filling, place: ast.Place, thing: Any) -> None:
    """Gives a name, or a member of a family, its value."""
    if place.index is not None:
        _bind_member(filling, place, thing)
        return
    if isinstance(thing, Value | Tensors) or thing is UNKNOWN:
        previous = filling.scope.find(place.name)
        if not _check_new(filling, place.name, place.span, "tensor"):
            return
        if isinstance(previous, Family):
            filling.problems.add(
                DuplicateName(
                    place.span, place.name, "family", filling.scope.span(place.name) or place.span
                )
            )
            return
    elif _is_local(filling, place.name) and not _rebindable(filling, place.name):
        first = filling.scope.span(place.name)
        filling.problems.add(SettingRebound(place.span, place.name, first or place.span))
        return
    if isinstance(thing, Value):
        thing = renamed(filling, thing, place)
    filling.scope.define(place.name, thing, place.span)


def _rebindable(filling: Filling, name: str) -> bool:
    """A number made in a loop is made anew in every turn."""
    return name not in filling.spec.settings and name not in filling.scope.names


def renamed(filling: Filling, value: Value, place: ast.Place) -> Value:
    """A value that has no name of the author's yet takes this one."""
    if not value.named:
        value.name, value.named = place.name, True
    return value


def _bind_member(filling: Filling, place: ast.Place, thing: Any) -> None:
    assert place.index is not None
    index = filling.evaluator.constant(place.index, filling.scope)
    if index is UNKNOWN:
        return
    if isinstance(index, bool) or not isinstance(index, int):
        filling.problems.add(
            BadExpression(place.index.span, "a family's index is a whole number", None)
        )
        return
    family = filling.scope.find(place.name)
    if family is None:
        family = Family(place.name)
        scope = filling.scope
        while scope.parent is not None:  # a family outlives the loop that fills it
            scope = scope.parent
        scope.names[place.name] = family
        scope.spans[place.name] = place.span
    if not isinstance(family, Family):
        first = filling.scope.span(place.name) or place.span
        filling.problems.add(DuplicateName(place.span, place.name, "name", first))
        return
    if isinstance(thing, Tensors):
        message = f"a member of a family is one tensor, and this is {len(thing.items)}"
        help_text = f"name them apart: `a, b = …`, then `{place.name}[…] = a`"
        filling.problems.add(BadExpression(place.span, message, help_text))
        thing = UNKNOWN
    if isinstance(family.members.get(int(index)), BoundLayer):
        what = f"{place.name}[{int(index)}]"
        first = family.members[int(index)].span
        filling.problems.add(DuplicateName(place.span, what, "layer", first))
        return
    family.members[int(index)] = thing
    if isinstance(thing, Value) and not thing.named:
        thing.name = place.name
        thing.family = thing.family or (place.name, int(index))


# --- statements ---------------------------------------------------------------------


def _assign(filling: Filling, statement: ast.Assign) -> None:
    if statement.type is not None:
        filling.problems.add(
            UnsupportedHere(
                statement.type.span,
                "a type is given to data entries only",
                "use `assert name: type`",
            )
        )
    hint = statement.targets[0].name
    thing = evaluate(filling, statement.value, hint)
    if len(statement.targets) == 1:
        bind(filling, statement.targets[0], thing)
        return
    parts = _parts(filling, thing, len(statement.targets), statement)
    for place, part in zip(statement.targets, parts):
        bind(filling, place, part)


def _parts(filling: Filling, thing: Any, count: int, statement: ast.Assign) -> list[Any]:
    if thing is UNKNOWN:
        return [UNKNOWN] * count
    items = thing.items if isinstance(thing, Tensors) else [thing]
    if len(items) != count:
        filling.problems.add(UnpackCount(statement.span, count, len(items)))
        return [UNKNOWN] * count
    return items


def _output(filling: Filling, statement: ast.Output) -> None:
    thing = evaluate(filling, statement.value, statement.name)
    values = None if thing is UNKNOWN else tensors(filling, thing, statement.value.span)
    if values is None:
        filling.complete = False
        for name in statement.names if thing is UNKNOWN else ():
            filling.scope.define(name, UNKNOWN, statement.span)
        return
    if len(values) != len(statement.names):
        if len(statement.names) > 1:
            filling.problems.add(UnpackCount(statement.span, len(statement.names), len(values)))
            return
        message = f"an output is one tensor, and this is {len(values)}"
        filling.problems.add(
            BadExpression(statement.value.span, message, "name each: `output a, b = …`")
        )
        return
    for name, value in zip(statement.names, values):
        if any(output.name == name for output in filling.spec.outputs):
            first = filling.scope.span(name) or statement.span
            filling.problems.add(DuplicateName(statement.span, name, "output", first))
            return
        if not value.named:
            value.name, value.named = name, True
        filling.spec.outputs.append(Output(name, value, statement.doc))
        filling.scope.define(name, value, statement.span)


def _paramtensor(filling: Filling, statement: ast.ParamTensor) -> None:
    made = _tensor(filling, statement)
    if made is None:
        filling.scope.define(statement.name, UNKNOWN, statement.span)
        return
    value, init = made
    filling.spec.params.append(ParamTensor(statement.name, value, init, statement.doc))
    filling.scope.define(statement.name, value, statement.span)


def _state(filling: Filling, statement: ast.State) -> None:
    if filling.spec.kind == "model":
        what = "a model has no step to carry a state to"
        advice = "write a block with the state, and `xs -> scan(Block)` in the model"
        filling.problems.add(UnsupportedHere(statement.span, what, advice))
        filling.complete = False
        filling.scope.define(statement.name, UNKNOWN, statement.span)
        return
    made = _tensor(filling, statement)
    if made is None:
        filling.scope.define(statement.name, UNKNOWN, statement.span)
        return
    value, init = made
    if init.name not in ("zeros", "ones", "constant"):
        message = "a state begins as `zeros`, `ones` or `constant(…)`: it is no weight"
        filling.problems.add(BadExpression(statement.value.span, message, None))
    value.type = replace(value.type, batched=True)
    filling.spec.states.append(State(statement.name, value, init, doc=statement.doc))
    filling.scope.define(statement.name, value, statement.span)


def _tensor(
    filling: Filling, statement: ast.ParamTensor | ast.State
) -> tuple[Value, Initializer] | None:
    if not _check_new(filling, statement.name, statement.span, "tensor"):
        return None
    _reserved(filling, statement.name, statement.span)
    shape = []
    for dim in statement.type.dims:
        size = (
            filling.evaluator.constant(dim.size, filling.scope)
            if isinstance(dim, ast.Dim)
            else UNKNOWN
        )
        if isinstance(size, Word):
            filling.evaluator.unknown_word(dim, size, filling.scope)
            return None
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            if size is not UNKNOWN:
                message = "the shape of a learned tensor is known while compiling"
                filling.problems.add(BadExpression(dim.span, message, None))
            return None
        shape.append(size)
    init = filling.evaluator.constant(statement.value, filling.scope)
    if isinstance(init, Word) and init.id in REGISTRY["initializer"]:
        init = REGISTRY["initializer"][init.id].make({})
    if not isinstance(init, Initializer):
        if init is not UNKNOWN:
            names = ", ".join(f"`{n}`" for n in sorted(REGISTRY["initializer"]))
            message = f"expected an initialiser, found {show(init)}"
            filling.problems.add(BadExpression(statement.value.span, message, f"one of {names}"))
        return None
    try:
        init.check_shape(tuple(shape))
    except Refusal as refusal:
        filling.problems.add(BadExpression(statement.value.span, refusal.message, None))
        return None
    kind: Any = statement.type.kind
    value = Value(
        TensorType(kind, tuple(shape), batched=False),
        statement.name,
        statement.span,
        named=True,
    )
    return value, init


def _reserved(filling: Filling, name: str, span: Span) -> None:
    """Reports a name that no part of a model can have in every framework."""
    if name == "training":
        why = "PyTorch's modules say under it whether they train"
        filling.problems.add(ReservedName(span, name, why))


def _layer(filling: Filling, statement: ast.Layer) -> None:
    place = statement.place
    _reserved(filling, place.name, place.span)
    chain = Chain(statement.value, filling.scope, place.name)
    bound = BoundLayer(place.name, chain, statement.span, statement.doc)
    if place.index is not None:
        index = filling.evaluator.constant(place.index, filling.scope)
        if isinstance(index, int):
            bound.place = int(index)
            filling.spec.decided += [index] if expression_names(index) else []
        _bind_member(filling, place, bound)
        return
    if place.name[0].isupper():
        filling.problems.add(WrongCase(place.span, place.name, "small", "layer"))
    if _is_local(filling, place.name) and filling.loop_path == ():
        first = filling.scope.span(place.name) or place.span
        filling.problems.add(DuplicateName(place.span, place.name, "name", first))
        return
    filling.scope.names[place.name] = bound
    filling.scope.spans[place.name] = statement.span


def _for(filling: Filling, statement: ast.For) -> None:
    turns = filling.evaluator.constant(statement.iterable, filling.scope)
    if turns is UNKNOWN:
        return
    if not isinstance(turns, tuple):
        filling.evaluator.unknown_word(statement.iterable, turns, filling.scope)
        if not isinstance(turns, Word):
            message = f"`for` goes over a range or a list, not {show(turns)}"
            filling.problems.add(
                BadExpression(statement.iterable.span, message, "write `0..n` or `[a, b]`")
            )
        return
    loop = Loop(statement.names, [], statement.span)
    if isinstance(turns, Range) and expression_names(turns.count):
        loop.count = turns.count
    outer_scope, outer_body = filling.scope, filling.body
    outer_body.append(loop)
    filling.loop_path = (*filling.loop_path, id(statement))
    made: list[dict[str, Any]] = [_sizes(outer_scope)]
    for item in turns:
        if not _turn(filling, statement, item, outer_scope, loop):
            break
        made.append(_sizes(outer_scope) if loop.count is not None else {})
    if made[-2:] != made[-1:] * 2 or any(_asks(one, statement.names) for one in statement.body):
        # What follows is made for so many turns, or each turn is made in its own way.
        filling.spec.decided += [] if loop.count is None else [loop.count]
    filling.loop_path = filling.loop_path[:-1]
    filling.scope, filling.body = outer_scope, outer_body


def _asks(node: Any, names: tuple[str, ...], inside: bool = False) -> bool:
    """Whether a statement asks more of a loop's variables than sums and products."""
    if isinstance(node, tuple):
        return any(_asks(item, names, inside) for item in node)
    if not isinstance(node, ast.Node):
        return False
    if isinstance(node, ast.Name):
        return inside and node.id in names
    if isinstance(node, ast.If):
        inner = (node.then, node.otherwise)
        return _asks(node.condition, names, True) or _asks(inner, names, inside)
    asks = isinstance(node, ast.Binary) and node.operator in ("%", "//")
    asks = asks or (isinstance(node, ast.Call) and _is_function(node.function))
    return any(_asks(value, names, inside or asks) for value in vars(node).values())


def _is_function(node: Any) -> bool:
    return isinstance(node, ast.Name) and node.id in FUNCTIONS and layer_named(node.id) is None


def _sizes(scope: Scope) -> dict[str, Any]:
    """The shapes of the values at hand, and how many each family has."""
    found: dict[str, Any] = {}
    around: Scope | None = scope
    while around is not None:
        for name, thing in around.names.items():
            if isinstance(thing, Value):
                found.setdefault(name, thing.type.shape)
            elif isinstance(thing, Family):
                found.setdefault(name, len(thing.members))
        around = around.parent
    return found


def _turn(filling: Filling, statement: ast.For, item: Any, outer_scope: Scope, loop: Loop) -> bool:
    values = item if isinstance(item, tuple) and len(statement.names) > 1 else (item,)
    if len(values) != len(statement.names):
        message = f"`for` names {len(statement.names)} values, and an item has {len(values)}"
        filling.problems.add(BadExpression(statement.iterable.span, message, None))
        return False
    before = len(filling.problems)
    if not filling.evaluator.work.allows(1, statement.span):
        return False
    filling.scope = Scope(outer_scope.table, outer_scope)
    turn = Turn(dict(zip(statement.names, values)), [])
    for name, value in turn.values.items():
        first = outer_scope.span(name)
        if first is not None and not isinstance(outer_scope.find(name), Value | Tensors):
            filling.problems.add(SettingRebound(statement.span, name, first))
            return False
        filling.scope.names[name] = value
        filling.scope.spans[name] = statement.span
    filling.body = turn.body
    filling.turn_counts.append({})
    for inner in statement.body:
        _statement(filling, inner)
    filling.turn_counts.pop()
    loop.turns.append(turn)
    if not filling.elaborator.within_budget(len(filling.spec.instances), statement.span):
        return False
    return len(filling.problems) == before  # a mistake in the body is told once


def _assert(filling: Filling, statement: ast.Assert) -> None:
    filling.budgets.append((statement, filling.scope))


def _asserttype(filling: Filling, statement: ast.AssertType) -> None:
    thing = filling.scope.find(statement.name)
    if thing is UNKNOWN:
        return
    if not isinstance(thing, Value):
        known = tuple(sorted(set(filling.scope.every_name())))
        filling.problems.add(UnknownName(statement.span, statement.name, "tensor", known))
        return
    shape = []
    for dim in statement.type.dims:
        if isinstance(dim, ast.Dim):
            size = filling.evaluator.constant(dim.size, filling.scope)
            shape.append(Sym.named(size.id) if isinstance(size, Word) else size)
    if thing.type.dtype != statement.type.kind or tuple(shape) != thing.type.shape:
        expected = statement.type.span.text
        filling.problems.add(
            AssertedType(statement.span, statement.name, expected, str(thing.type))
        )


STATEMENTS: Mapping[type[ast.Statement], Callable[..., None]] = {
    ast.Input: _input,
    ast.Assign: _assign,
    ast.Output: _output,
    ast.ParamTensor: _paramtensor,
    ast.State: _state,
    ast.Layer: _layer,
    ast.For: _for,
    ast.Assert: _assert,
    ast.AssertType: _asserttype,
}  # any other belongs to another section
