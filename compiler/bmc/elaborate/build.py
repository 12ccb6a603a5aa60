"""The statements of one block: what each adds to its `BlockSpec`."""

from __future__ import annotations

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
from bmc.elaborate.context import Context
from bmc.elaborate.expressions import Expressions
from bmc.elaborate.naming import name_instances
from bmc.elaborate.scan import close_states
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Chain, Family, Scope, Tensors
from bmc.ir.model import (
    Apply,
    BlockSpec,
    Instance,
    Loop,
    Output,
    ParamTensor,
    State,
    Step,
    Turn,
    Value,
)
from bmc.ir.prune import prune
from bmc.ops.base import Initializer
from bmc.ops.kinds import REGISTRY, Refusal, Word, show
from bmc.records import replace
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Sym, literal
from bmc.types.tensor import TensorType


class Builder(Expressions):
    """Fills one `BlockSpec` from its statements."""

    def __init__(self, elaborator: Context, spec: BlockSpec, scope: Scope) -> None:
        super().__init__(elaborator, spec, scope)
        self.complete = True

    def run(self, body: tuple[ast.Statement, ...]) -> bool:
        """Works through the statements; whether all of them were fine."""
        before = len(self.problems)
        for statement in body:
            self.statement(statement)
        if self.spec.states:
            close_states(self, self.spec, self.scope)
        prune(self.spec)
        name_instances(self.spec, self.sites)
        return self.complete and len(self.problems) == before

    def statement(self, statement: ast.Statement) -> None:
        """Dispatches on the kind of statement."""
        self.statement_number += 1
        if not self.evaluator.work.allows(1, statement.span):
            self.complete = False
            return
        method = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
        if method is None:
            what = statement.span.text.split()[0]
            self.problems.add(
                UnsupportedHere(
                    statement.span,
                    f"`{what}` does not belong in a block",
                    "put it in `train { … }`",
                )
            )
            return
        method(statement)

    def _do_input(self, statement: ast.Input) -> None:
        """Inputs are bound before the statements."""

    # --- names --------------------------------------------------------------------------

    def _check_new(self, name: str, span: Span, what: str) -> bool:
        if name[0].isupper():
            self.problems.add(WrongCase(span, name, "small", what))
        found = self.scope.find(name)
        first = self.scope.span(name)
        if (
            found is not None
            and found is not UNKNOWN
            and first is not None
            and not isinstance(found, Value | Tensors | Family)
        ):
            if name in self.scope.table.lets and not self._is_local(name):
                return True  # a let may be shadowed
            self.problems.add(SettingRebound(span, name, first))
            return False
        return True

    def _is_local(self, name: str) -> bool:
        scope: Scope | None = self.scope
        while scope is not None:
            if name in scope.names:
                return True
            scope = scope.parent
        return False

    def bind(self, place: ast.Place, thing: Any) -> None:
        """Gives a name, or a member of a family, its value."""
        if place.index is not None:
            self._bind_member(place, thing)
            return
        if isinstance(thing, Value | Tensors) or thing is UNKNOWN:
            previous = self.scope.find(place.name)
            if not self._check_new(place.name, place.span, "tensor"):
                return
            if isinstance(previous, Family):
                self.problems.add(
                    DuplicateName(
                        place.span, place.name, "family", self.scope.span(place.name) or place.span
                    )
                )
                return
        elif self._is_local(place.name) and not self._rebindable(place.name):
            first = self.scope.span(place.name)
            self.problems.add(SettingRebound(place.span, place.name, first or place.span))
            return
        if isinstance(thing, Value):
            thing = self.renamed(thing, place)
        self.scope.define(place.name, thing, place.span)

    def _rebindable(self, name: str) -> bool:
        """A number made in a loop is made anew in every turn."""
        return name not in self.spec.settings and name not in self.scope.names

    def renamed(self, value: Value, place: ast.Place) -> Value:
        """A value that has no name of the author's yet takes this one."""
        if not value.named:
            value.name, value.named = place.name, True
        return value

    def _bind_member(self, place: ast.Place, thing: Any) -> None:
        assert place.index is not None
        index = self.evaluator.constant(place.index, self.scope)
        if index is UNKNOWN:
            return
        if isinstance(index, bool) or not isinstance(index, int):
            self.problems.add(
                BadExpression(place.index.span, "a family's index is a whole number", None)
            )
            return
        family = self.scope.find(place.name)
        if family is None:
            family = Family(place.name)
            scope = self.scope
            while scope.parent is not None:  # a family outlives the loop that fills it
                scope = scope.parent
            scope.names[place.name] = family
            scope.spans[place.name] = place.span
        if not isinstance(family, Family):
            first = self.scope.span(place.name) or place.span
            self.problems.add(DuplicateName(place.span, place.name, "name", first))
            return
        if isinstance(thing, Tensors):
            message = f"a member of a family is one tensor, and this is {len(thing.items)}"
            help_text = f"name them apart: `a, b = …`, then `{place.name}[…] = a`"
            self.problems.add(BadExpression(place.span, message, help_text))
            thing = UNKNOWN
        if isinstance(family.members.get(int(index)), BoundLayer):
            what = f"{place.name}[{int(index)}]"
            first = family.members[int(index)].span
            self.problems.add(DuplicateName(place.span, what, "layer", first))
            return
        family.members[int(index)] = thing
        if isinstance(thing, Value) and not thing.named:
            thing.name = place.name

    # --- statements ---------------------------------------------------------------------

    def _do_assign(self, statement: ast.Assign) -> None:
        if statement.type is not None:
            self.problems.add(
                UnsupportedHere(
                    statement.type.span,
                    "a type is given to data entries only",
                    "use `assert name: type`",
                )
            )
        hint = statement.targets[0].name
        thing = self.eval(statement.value, hint)
        if len(statement.targets) == 1:
            self.bind(statement.targets[0], thing)
            return
        parts = self._parts(thing, len(statement.targets), statement)
        for place, part in zip(statement.targets, parts):
            self.bind(place, part)

    def _parts(self, thing: Any, count: int, statement: ast.Assign) -> list[Any]:
        if thing is UNKNOWN:
            return [UNKNOWN] * count
        items = thing.items if isinstance(thing, Tensors) else [thing]
        if len(items) != count:
            self.problems.add(UnpackCount(statement.span, count, len(items)))
            return [UNKNOWN] * count
        return items

    def _do_output(self, statement: ast.Output) -> None:
        thing = self.eval(statement.value, statement.name)
        if thing is UNKNOWN:
            self.complete = False
            self.scope.define(statement.name, UNKNOWN, statement.span)
            return
        values = self.tensors(thing, statement.value.span)
        if values is None:
            self.complete = False
            return
        if len(values) != 1:
            message = f"an output is one tensor, and this is {len(values)}"
            self.problems.add(
                BadExpression(statement.value.span, message, "name each: `a, b = …`, then `output`")
            )
            return
        if any(output.name == statement.name for output in self.spec.outputs):
            first = self.scope.span(statement.name) or statement.span
            self.problems.add(DuplicateName(statement.span, statement.name, "output", first))
            return
        (value,) = values
        if not value.named:
            value.name, value.named = statement.name, True
        self.spec.outputs.append(Output(statement.name, value, statement.doc))
        self.scope.define(statement.name, value, statement.span)

    def _do_paramtensor(self, statement: ast.ParamTensor) -> None:
        made = self._tensor(statement)
        if made is None:
            self.scope.define(statement.name, UNKNOWN, statement.span)
            return
        value, init = made
        self.spec.params.append(ParamTensor(statement.name, value, init, statement.doc))
        self.scope.define(statement.name, value, statement.span)

    def _do_state(self, statement: ast.State) -> None:
        if self.spec.kind == "model":
            what = "a model has no step to carry a state to"
            advice = "write a block with the state, and `xs -> scan(Block)` in the model"
            self.problems.add(UnsupportedHere(statement.span, what, advice))
            self.complete = False
            self.scope.define(statement.name, UNKNOWN, statement.span)
            return
        made = self._tensor(statement)
        if made is None:
            self.scope.define(statement.name, UNKNOWN, statement.span)
            return
        value, init = made
        if init.name not in ("zeros", "ones", "constant"):
            message = "a state begins as `zeros`, `ones` or `constant(…)`: it is no weight"
            self.problems.add(BadExpression(statement.value.span, message, None))
        value.type = replace(value.type, batched=True)
        self.spec.states.append(State(statement.name, value, init, doc=statement.doc))
        self.scope.define(statement.name, value, statement.span)

    def _tensor(self, statement: ast.ParamTensor | ast.State) -> tuple[Value, Initializer] | None:
        if not self._check_new(statement.name, statement.span, "tensor"):
            return None
        self._reserved(statement.name, statement.span)
        shape = []
        for dim in statement.type.dims:
            size = (
                self.evaluator.constant(dim.size, self.scope)
                if isinstance(dim, ast.Dim)
                else UNKNOWN
            )
            if isinstance(size, Word):
                self.evaluator.unknown_word(dim, size, self.scope)
                return None
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                if size is not UNKNOWN:
                    message = "the shape of a learned tensor is known while compiling"
                    self.problems.add(BadExpression(dim.span, message, None))
                return None
            shape.append(size)
        init = self.evaluator.constant(statement.value, self.scope)
        if isinstance(init, Word) and init.id in REGISTRY["initializer"]:
            init = REGISTRY["initializer"][init.id].make({})
        if not isinstance(init, Initializer):
            if init is not UNKNOWN:
                names = ", ".join(f"`{n}`" for n in sorted(REGISTRY["initializer"]))
                message = f"expected an initialiser, found {show(init)}"
                self.problems.add(BadExpression(statement.value.span, message, f"one of {names}"))
            return None
        try:
            init.check_shape(tuple(shape))
        except Refusal as refusal:
            self.problems.add(BadExpression(statement.value.span, refusal.message, None))
            return None
        kind: Any = statement.type.kind
        value = Value(
            TensorType(kind, tuple(shape), batched=False),
            statement.name,
            statement.span,
            named=True,
        )
        return value, init

    def _reserved(self, name: str, span: Span) -> None:
        """Reports a name that no part of a model can have in every framework."""
        if name == "training":
            why = "PyTorch's modules say under it whether they train"
            self.problems.add(ReservedName(span, name, why))

    def _do_layer(self, statement: ast.Layer) -> None:
        place = statement.place
        self._reserved(place.name, place.span)
        chain = Chain(statement.value, self.scope, place.name)
        bound = BoundLayer(place.name, chain, statement.span, statement.doc)
        if place.index is not None:
            index = self.evaluator.constant(place.index, self.scope)
            if isinstance(index, int):
                bound.place = int(index)
            self._bind_member(place, bound)
            return
        if place.name[0].isupper():
            self.problems.add(WrongCase(place.span, place.name, "small", "layer"))
        if self._is_local(place.name) and self.loop_path == ():
            first = self.scope.span(place.name) or place.span
            self.problems.add(DuplicateName(place.span, place.name, "name", first))
            return
        self.scope.names[place.name] = bound
        self.scope.spans[place.name] = statement.span

    def _do_for(self, statement: ast.For) -> None:
        turns = self.evaluator.constant(statement.iterable, self.scope)
        if turns is UNKNOWN:
            return
        if not isinstance(turns, tuple):
            self.evaluator.unknown_word(statement.iterable, turns, self.scope)
            if not isinstance(turns, Word):
                message = f"`for` goes over a range or a list, not {show(turns)}"
                self.problems.add(
                    BadExpression(statement.iterable.span, message, "write `0..n` or `[a, b]`")
                )
            return
        loop = Loop(statement.names, [], statement.span)
        outer_scope, outer_body = self.scope, self.body
        outer_body.append(loop)
        self.loop_path = (*self.loop_path, id(statement))
        for item in turns:
            if not self._turn(statement, item, outer_scope, loop):
                break
        self.loop_path = self.loop_path[:-1]
        self.scope, self.body = outer_scope, outer_body

    def _turn(self, statement: ast.For, item: Any, outer_scope: Scope, loop: Loop) -> bool:
        values = item if isinstance(item, tuple) and len(statement.names) > 1 else (item,)
        if len(values) != len(statement.names):
            message = f"`for` names {len(statement.names)} values, and an item has {len(values)}"
            self.problems.add(BadExpression(statement.iterable.span, message, None))
            return False
        before = len(self.problems)
        if not self.evaluator.work.allows(1, statement.span):
            return False
        self.scope = Scope(outer_scope.table, outer_scope)
        turn = Turn(dict(zip(statement.names, values)), [])
        for name, value in turn.values.items():
            first = outer_scope.span(name)
            if first is not None and not isinstance(outer_scope.find(name), Value | Tensors):
                self.problems.add(SettingRebound(statement.span, name, first))
                return False
            self.scope.names[name] = literal(value)  # turns are written out
            self.scope.spans[name] = statement.span
        self.body = turn.body
        self.turn_counts.append({})
        for inner in statement.body:
            self.statement(inner)
        self.turn_counts.pop()
        loop.turns.append(turn)
        if not self.elaborator.within_budget(len(self.spec.instances), statement.span):
            return False
        return len(self.problems) == before  # a mistake in the body is told once

    def _do_assert(self, statement: ast.Assert) -> None:
        self.budgets.append((statement, self.scope))

    def _do_asserttype(self, statement: ast.AssertType) -> None:
        thing = self.scope.find(statement.name)
        if thing is UNKNOWN:
            return
        if not isinstance(thing, Value):
            known = tuple(sorted(set(self.scope.every_name())))
            self.problems.add(UnknownName(statement.span, statement.name, "tensor", known))
            return
        shape = []
        for dim in statement.type.dims:
            if isinstance(dim, ast.Dim):
                size = self.evaluator.constant(dim.size, self.scope)
                shape.append(Sym.named(size.id) if isinstance(size, Word) else size)
        if thing.type.dtype != statement.type.kind or tuple(shape) != thing.type.shape:
            expected = statement.type.span.text
            self.problems.add(
                AssertedType(statement.span, statement.name, expected, str(thing.type))
            )


__all__ = ["Apply", "Builder", "Instance", "Step"]
