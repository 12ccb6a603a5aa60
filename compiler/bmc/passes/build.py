"""The statements of one block: what each adds to its `BlockSpec`."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems.names import (
    DuplicateName,
    FamilyIndex,
    NotAValue,
    SettingRebound,
    UnknownName,
    WrongCase,
)
from bmc.diagnostics.problems.params import BadExpression, UnsupportedHere
from bmc.diagnostics.problems.shapes import AssertedType, ShapesDiffer, UnpackCount
from bmc.ir.model import (
    Apply,
    BlockSpec,
    Instance,
    Loop,
    Output,
    ParamTensor,
    Step,
    Turn,
    Value,
)
from bmc.ir.symbolic import Const, Num, Real, Sym, Var, traced
from bmc.ir.types import TensorType
from bmc.ops.arithmetic import Arithmetic, Negate, Take, broadcast
from bmc.ops.base import REGISTRY, Initializer, Refusal, Word, show
from bmc.passes.apply import Applier
from bmc.passes.elaborate import Elaborator
from bmc.passes.naming import name_instances
from bmc.passes.scope import UNKNOWN, BoundLayer, Chain, Family, Scope, Tensors
from bmc.source import Span
from bmc.syntax import ast


class Builder(Applier):
    """Fills one `BlockSpec` from its statements."""

    def __init__(self, elaborator: Elaborator, spec: BlockSpec, scope: Scope) -> None:
        super().__init__(elaborator, spec, scope)
        self.complete = True

    def run(self, body: tuple[ast.Statement, ...]) -> bool:
        """Works through the statements; whether all of them were fine."""
        before = len(self.problems)
        for statement in body:
            self.statement(statement)
        name_instances(self.spec, self.sites)
        return self.complete and len(self.problems) == before

    def statement(self, statement: ast.Statement) -> None:
        """Dispatches on the kind of statement."""
        self.statement_number += 1
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
        why = "a state is carried from step to step by `scan`, which is not supported yet"
        self.problems.add(UnsupportedHere(statement.span, "`state` has no step to go to", why))
        self.complete = False
        self.scope.define(statement.name, UNKNOWN, statement.span)

    def _tensor(self, statement: ast.ParamTensor) -> tuple[Value, Initializer] | None:
        if not self._check_new(statement.name, statement.span, "tensor"):
            return None
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
        kind: Any = statement.type.kind
        value = Value(
            TensorType(kind, tuple(shape), batched=False),
            statement.name,
            statement.span,
            named=True,
        )
        return value, init

    def _do_layer(self, statement: ast.Layer) -> None:
        place = statement.place
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
        self.scope = Scope(outer_scope.table, outer_scope)
        turn = Turn(dict(zip(statement.names, values)), [])
        for name, value in turn.values.items():
            first = outer_scope.span(name)
            if first is not None and not isinstance(outer_scope.find(name), Value | Tensors):
                self.problems.add(SettingRebound(statement.span, name, first))
                return False
            self.scope.names[name] = _loop_variable(name, value)
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

    # --- expressions on tensors ---------------------------------------------------------

    def eval(self, expr: ast.Expr, hint: str) -> Any:
        """The value of an expression in a block: tensors where it has any, else a setting."""
        method = getattr(self, f"_eval_{type(expr).__name__.lower()}", None)
        if method is None:
            return self.evaluator.constant(expr, self.scope)
        return method(expr, hint)

    def _eval_paren(self, expr: ast.Paren, hint: str) -> Any:
        return self.eval(expr.inner, hint)

    def _eval_name(self, expr: ast.Name, hint: str) -> Any:
        thing = self.scope.find(expr.id)
        if thing is None:
            blocks = self.scope.table.blocks
            if expr.id in blocks or expr.id in REGISTRY["layer"]:
                what = "block" if expr.id in blocks else "layer"
                return self.evaluator.fail(NotAValue(expr.span, expr.id, what))
            known = tuple(sorted(set(self.scope.every_name())))
            return self.evaluator.fail(UnknownName(expr.span, expr.id, "tensor or setting", known))
        if isinstance(thing, BoundLayer):
            return self.evaluator.fail(NotAValue(expr.span, expr.id, "layer"))
        return thing

    def _eval_tupleexpr(self, expr: ast.TupleExpr, hint: str) -> Any:
        values: list[Value] = []
        for item in expr.items:
            thing = self.eval(item, hint)
            if thing is UNKNOWN:
                return UNKNOWN
            part = self.tensors(thing, item.span)
            if part is None:
                return UNKNOWN
            values += part
        return Tensors(values)

    def _eval_if(self, expr: ast.If, hint: str) -> Any:
        condition = self.evaluator.condition(expr.condition, self.scope)
        if condition is None:
            return UNKNOWN
        return self.eval(expr.then if condition else expr.otherwise, hint)

    def _eval_flow(self, expr: ast.Flow, hint: str) -> Any:
        thing = self.eval(expr.head, hint)
        if thing is UNKNOWN:
            return UNKNOWN
        values = self.tensors(thing, expr.head.span)
        for target in expr.targets:
            if values is None:
                return UNKNOWN
            values = self.apply_target(target, values, hint)
        if values is None:
            return UNKNOWN
        return values[0] if len(values) == 1 else Tensors(values)

    def _eval_unary(self, expr: ast.Unary, hint: str) -> Any:
        thing = self.eval(expr.operand, hint) if expr.operator == "-" else None
        if isinstance(thing, Value):
            return self.single(Negate.make({}), [thing], expr.span, hint)
        if thing is UNKNOWN:
            return UNKNOWN
        return self.evaluator.constant(expr, self.scope)

    def _eval_binary(self, expr: ast.Binary, hint: str) -> Any:
        first, steps = ast.left_spine(expr)
        left = self.eval(first, hint)
        for step in steps:
            left = self._binary_step(step, left, hint)
            if left is UNKNOWN:
                return UNKNOWN
        return left

    def _binary_step(self, expr: ast.Binary, left: Any, hint: str) -> Any:
        if left is UNKNOWN:
            return UNKNOWN
        if isinstance(left, Value) or _mentions_tensor(expr.right, self.scope):
            right = self.eval(expr.right, hint)
        else:
            return self.evaluator._combine(expr, left, self.scope)
        if right is UNKNOWN:
            return UNKNOWN
        return self.arithmetic(expr, left, right, hint)

    def arithmetic(self, expr: ast.Binary, left: Any, right: Any, hint: str) -> Any:
        """An operator where at least one side is a tensor."""
        sides = {"left": left, "right": right}
        numbers = {}
        for side, thing in sides.items():
            if isinstance(thing, Value):
                continue
            if isinstance(thing, bool) or not isinstance(thing, int | float):
                found = "several tensors" if isinstance(thing, Tensors | Family) else show(thing)
                message = f"`{expr.operator}` takes tensors and numbers, not {found}"
                return self.evaluator.fail(BadExpression(expr.span, message, None))
            numbers[side] = thing if isinstance(thing, Num | Real) else traced(thing, Const(thing))
        values = [thing for thing in sides.values() if isinstance(thing, Value)]
        if len(values) == 2:
            try:
                broadcast(values[0].type, values[1].type, expr.operator)
            except Refusal:
                also = tuple(Label(v.span, f"this is {v.type}") for v in values)
                return self.evaluator.fail(
                    ShapesDiffer(
                        expr.span,
                        expr.operator,
                        str(values[0].type),
                        str(values[1].type),
                        also,
                        None,
                    )
                )
        op = Arithmetic(operator=expr.operator, **numbers)
        return self.single(op, values, expr.span, hint)

    def _eval_index(self, expr: ast.Index, hint: str) -> Any:
        base = self.eval(expr.base, hint)
        if base is UNKNOWN:
            return UNKNOWN
        if isinstance(base, Family):
            return self._member(expr, base)
        if isinstance(base, Tensors):
            return self._member(expr, Family("the tuple", dict(enumerate(base.items))))
        if not isinstance(base, Value):
            return self.evaluator.constant(expr, self.scope)
        items = tuple(self._position(item) for item in expr.items)
        if UNKNOWN in items:
            return UNKNOWN
        return self.single(Take(items=items), [base], expr.span, hint)

    def _member(self, expr: ast.Index, family: Family) -> Any:
        index = self.evaluator.constant(expr.items[0], self.scope)
        if index is UNKNOWN:
            return UNKNOWN
        if len(expr.items) != 1 or isinstance(index, bool) or not isinstance(index, int):
            message = f"`{family.name}` takes one whole number as its index"
            return self.evaluator.fail(BadExpression(expr.span, message, None))
        if int(index) not in family.members:
            return self.evaluator.fail(
                FamilyIndex(expr.span, family.name, int(index), len(family.members))
            )
        return family.members[int(index)]

    def _position(self, item: ast.Expr) -> Any:
        if isinstance(item, ast.Slice):
            if item.lower is None and item.upper is None:
                return ...
            ends = [None if e is None else self._whole(e) for e in (item.lower, item.upper)]
            return UNKNOWN if UNKNOWN in ends else tuple(ends)
        return self._whole(item)

    def _whole(self, expr: ast.Expr) -> Any:
        value = self.evaluator.constant(expr, self.scope)
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, bool) or not isinstance(value, int | Sym):
            return self.evaluator.fail(
                BadExpression(expr.span, "a position is a whole number", None)
            )
        return value


def _loop_variable(name: str, value: Any) -> Any:
    if isinstance(value, Num | Real):
        return traced(int(value) if isinstance(value, Num) else float(value), Var(name))
    return value


def _mentions_tensor(expr: ast.Expr, scope: Scope) -> bool:
    """Whether an operand is about tensors, so that it is not read as a setting."""
    if isinstance(expr, ast.Flow | ast.TupleExpr):
        return True
    if isinstance(expr, ast.Name):
        return isinstance(scope.find(expr.id), Value | Tensors | Family)
    if isinstance(expr, ast.Paren):
        return _mentions_tensor(expr.inner, scope)
    if isinstance(expr, ast.Index | ast.Attribute):
        return _mentions_tensor(expr.base, scope)
    if isinstance(expr, ast.Unary):
        return _mentions_tensor(expr.operand, scope)
    if isinstance(expr, ast.Binary):
        return _mentions_tensor(expr.left, scope) or _mentions_tensor(expr.right, scope)
    if isinstance(expr, ast.If):
        return _mentions_tensor(expr.then, scope) or _mentions_tensor(expr.otherwise, scope)
    return False


__all__ = ["Apply", "Builder", "Instance", "Step"]
