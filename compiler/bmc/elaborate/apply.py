"""Arrows: what happens when tensors flow into a layer, a block, a repeat or a fan-out."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems.names import FamilyIndex, NotALayer, UnknownLayer
from bmc.diagnostics.problems.params import (
    BadExpression,
)
from bmc.diagnostics.problems.shapes import (
    LayerShape,
    RepeatTooLarge,
    SharedLayerShape,
    TensorTooLarge,
    WrongInputCount,
)
from bmc.elaborate.calls import block_settings, chain_name, repeats
from bmc.elaborate.context import MAX_ELEMENTS, MAX_LAYERS, Context, outer
from bmc.elaborate.naming import Site, name_instances, plural, snake
from bmc.elaborate.scan import outside_scan, scan_instance
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Chain, Family, Scope, Tensors
from bmc.ir.model import Apply, BlockSpec, Input, Instance, Output, Repeat, Step, Value
from bmc.ops.base import Layer, alias_of, layer_named
from bmc.ops.kinds import REGISTRY, Refusal, SharedWeight, show
from bmc.records import replace
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Dim, Num, Real, Var, known, literal, product
from bmc.types.tensor import TensorType

AXES_BY_RANK = {
    1: ("dim",),
    2: ("length", "dim"),
    3: ("in_channels", "height", "width"),
    4: ("in_channels", "depth_in", "height", "width"),
}


class Applier:
    """Applies layers to values inside one block."""

    def __init__(self, elaborator: Context, spec: BlockSpec, scope: Scope) -> None:
        self.elaborator = elaborator
        self.evaluator = elaborator.evaluator
        self.problems = elaborator.problems
        self.spec = spec
        self.scope = scope
        self.body: list[Step] = spec.body
        self.statement_number = 0
        self.sites: dict[int, Site] = {}
        self.loop_path: tuple[int, ...] = ()
        self.turn_counts: list[dict[str, int]] = []
        self.budgets: list[tuple[ast.Assert, Scope]] = []

    # --- values -------------------------------------------------------------------------

    def tensors(self, thing: Any, span: Span) -> list[Value] | None:
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
            self.problems.add(BadExpression(span, message, None))
        return None

    def single(self, op: Layer, values: list[Value], span: Span, hint: str) -> Any:
        """Applies an operator that gives one tensor."""
        made = self.apply_op(op, values, span, hint, op.attribute or op.name)
        return UNKNOWN if made is None else made[0]

    # --- targets ------------------------------------------------------------------------

    def apply_target(
        self, target: ast.Target, values: list[Value], hint: str
    ) -> list[Value] | None:
        """One stop of an arrow."""
        if target.count is not None:
            return self.repeat(target, values, hint)
        return self.apply(target.layer, values, hint)

    def apply(self, layer: ast.Expr, values: list[Value], hint: str) -> list[Value] | None:
        """What comes out of a layer expression."""
        if not self.elaborator.connect(len(values), layer.span):
            return None
        if isinstance(layer, ast.Paren):
            return self.apply(layer.inner, values, hint)
        if isinstance(layer, ast.Flow):
            made = self.apply(layer.head, values, hint)
            for target in layer.targets:
                if made is None:
                    return None
                made = self.apply_target(target, made, hint)
            return made
        if isinstance(layer, ast.If):
            condition = self.evaluator.condition(layer.condition, self.scope)
            if condition is None:
                return None
            return self.apply(layer.then if condition else layer.otherwise, values, hint)
        if isinstance(layer, ast.ListExpr):
            return self._fan_out(layer, values, hint)
        if isinstance(layer, ast.Binary) and layer.operator == "*":
            return self.repeat(ast.Target(layer.span, layer.left, layer.right), values, hint)
        if isinstance(layer, ast.Name | ast.Call):
            return self._named(layer, values, hint)
        if isinstance(layer, ast.Index):
            return self._member_layer(layer, values, hint)
        self.problems.add(NotALayer(layer.span, layer.span.text[:40], "expression"))
        return None

    def _fan_out(self, layer: ast.ListExpr, values: list[Value], hint: str) -> list[Value] | None:
        results: list[Value] = []
        for item in layer.items:
            made = self.apply(item, values, hint)
            if made is None:
                return None
            results += made
        return results

    def _member_layer(self, layer: ast.Index, values: list[Value], hint: str) -> list[Value] | None:
        base = self.scope.find(layer.base.id) if isinstance(layer.base, ast.Name) else None
        if not isinstance(base, Family) or len(layer.items) != 1:
            self.problems.add(NotALayer(layer.span, layer.span.text[:40], "expression"))
            return None
        index = self.evaluator.constant(layer.items[0], self.scope)
        member = base.members.get(int(index)) if isinstance(index, int) else None
        if member is None:
            if index is not UNKNOWN:
                self.problems.add(FamilyIndex(layer.span, base.name, index, len(base.members)))
            return None
        if not isinstance(member, BoundLayer):
            self.problems.add(NotALayer(layer.span, layer.span.text[:40], "tensor"))
            return None
        return self.apply_bound(member, values, layer.span, hint)

    def _named(
        self, layer: ast.Name | ast.Call, values: list[Value], hint: str
    ) -> list[Value] | None:
        head = layer.function if isinstance(layer, ast.Call) else layer
        if not isinstance(head, ast.Name):
            self.problems.add(NotALayer(layer.span, layer.span.text[:40], "expression"))
            return None
        if head.id == "identity" and isinstance(layer, ast.Name):
            return values
        bound = self.scope.find(head.id)
        if head.id == "scan" and bound is None:
            made = scan_instance(self, layer, values)
            return None if made is None else self.use(made, values, layer.span, hint)
        if isinstance(bound, BoundLayer):
            if isinstance(layer, ast.Call):
                message = (
                    f"`{head.id}` is a layer already; its settings were given where it was made"
                )
                self.problems.add(BadExpression(layer.span, message, f"write `-> {head.id}`"))
                return None
            return self.apply_bound(bound, values, layer.span, hint)
        if head.id in self.scope.table.blocks:
            made = self.block_instance(layer, head, values)
            return None if made is None else self.use(made, values, layer.span, hint)
        declared = layer_named(head.id)
        if declared is None:
            self._unknown_layer(head, bound)
            return None
        op = self.evaluator.make(declared, layer, self.scope)
        if op is UNKNOWN:
            return None
        return self.apply_op(op, values, layer.span, hint, op.attribute or op.name)

    def _unknown_layer(self, head: ast.Name, bound: Any) -> None:
        if bound is UNKNOWN:  # reported where it was to come from
            return
        if bound is not None:
            what = "tensor" if isinstance(bound, Value | Tensors | Family) else "setting"
            self.problems.add(NotALayer(head.span, head.id, what))
            return
        alias = alias_of("layer", head.id)
        blocks = tuple(self.scope.table.blocks)
        named = [name for name in REGISTRY["layer"] if layer_named(name)]
        candidates = (alias,) if alias else (*named, *blocks, "scan")
        sign = getattr(REGISTRY["layer"].get(head.id), "sign", "")
        self.problems.add(UnknownLayer(head.span, head.id, candidates, sign=sign))

    # --- layers -------------------------------------------------------------------------

    def apply_op(
        self, op: Layer, values: list[Value], span: Span, hint: str, base: str
    ) -> list[Value] | None:
        """A new instance of a declared layer, and its first use."""
        instance = self.op_instance(op, values, span, base)
        return None if instance is None else self.use(instance, values, span, hint)

    def op_instance(self, op: Layer, values: list[Value], span: Span, base: str) -> Instance | None:
        """A layer with the weights that these inputs call for."""
        least, most = op.inputs
        if not _takes(op, len(values)):
            expected = least if most is None or len(values) < least else most
            self.problems.add(WrongInputCount(span, op.name, expected, len(values)))
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
            self.problems.add(LayerShape(span, op.name, message, advice, sources))
            return None
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sizes = [*(w.shape for w in weights.values()), *(o.shape for o in outputs)]
        for shape in sizes:
            elements = product(tuple(d for d in shape if known(d)))
            if isinstance(elements, int) and elements > MAX_ELEMENTS:
                self.problems.add(TensorTooLarge(span, op.name, int(elements), MAX_ELEMENTS))
                return None
        shared = {
            key: (setting.owner, setting.name)
            for key, setting in op.values().items()
            if isinstance(setting, SharedWeight)
        }
        for owner, _ in shared.values():
            owner.lends = True
        return Instance(op, base, types, outputs, span, weights=weights, shared=shared)

    def block_instance(
        self,
        layer: ast.Name | ast.Call,
        head: ast.Name,
        values: list[Value],
        scanned: bool = False,
    ) -> Instance | None:
        """A block for the settings in the call and the values that flow in."""
        table = self.scope.table
        block = table.blocks[head.id]
        arguments = layer.arguments if isinstance(layer, ast.Call) else ()
        settings = block_settings(self.evaluator, self.scope, block, arguments, layer.span)
        if settings is None:
            return None
        spec = self.elaborator.block(
            block, table.owner(head.id), settings, tuple(values), layer.span
        )
        if spec is None or (spec.states and not scanned and outside_scan(self, spec, layer.span)):
            return None
        return self._spec_instance(spec, settings, values, layer.span, snake(block.name))

    def _spec_instance(
        self, spec: BlockSpec, settings: dict[str, Any], values: list[Value], span: Span, base: str
    ) -> Instance:
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
            shape = tuple(outer(dim, environment) for dim in kind.shape)
            outputs.append(
                TensorType(
                    kind.dtype, shape, batched=kind.batched, ragged=kind.ragged, kind=kind.kind
                )
            )
        types = tuple(value.type for value in values)
        instance = Instance(spec, base, types, tuple(outputs), span)
        instance.arguments = environment
        return instance

    def apply_bound(
        self, bound: BoundLayer, values: list[Value], span: Span, hint: str
    ) -> list[Value] | None:
        """A named layer: made on its first use, shared afterwards."""
        if bound.instance is None:
            instance = self._bound_instance(bound, values)
            if instance is None:
                return None
            bound.instance = instance
        elif not (
            _same(bound.instance.inputs, tuple(v.type for v in values))
            or self._fits_again(bound.instance, values)
        ):
            first = ", ".join(map(str, bound.instance.inputs))
            second = ", ".join(str(v.type) for v in values)
            self.problems.add(SharedLayerShape(span, bound.name, first, second))
            return None
        return self.use(bound.instance, values, span, hint)

    def _fits_again(self, instance: Instance, values: list[Value]) -> bool:
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

    def _bound_instance(self, bound: BoundLayer, values: list[Value]) -> Instance | None:
        scope, self.scope = self.scope, bound.chain.scope
        try:
            instance = self.make_instance(bound.chain.expression, values, bound.name)
        finally:
            self.scope = scope
        if instance is None:
            return None
        instance.base, instance.given, instance.doc = bound.name, True, bound.doc
        instance.place = bound.place
        return instance

    # --- instances without a use --------------------------------------------------------

    def make_instance(self, layer: ast.Expr, values: list[Value], name: str) -> Instance | None:
        """One instance for any layer expression; several layers become a block of their own."""
        while isinstance(layer, ast.Paren):
            layer = layer.inner
        if isinstance(layer, ast.Flow | ast.ListExpr | ast.If):
            return self._chain_instance(layer, values, name)
        if isinstance(layer, ast.Binary) and layer.operator == "*":
            return self._repeat_instance(
                ast.Target(layer.span, layer.left, layer.right), values, name
            )
        head = layer.function if isinstance(layer, ast.Call) else layer
        if isinstance(layer, ast.Name | ast.Call) and isinstance(head, ast.Name):
            if head.id in self.scope.table.blocks:
                return self.block_instance(layer, head, values)
            if head.id == "scan" and self.scope.find("scan") is None:
                return scan_instance(self, layer, values)
            declared = layer_named(head.id)
            if declared is not None and not isinstance(self.scope.find(head.id), BoundLayer):
                op = self.evaluator.make(declared, layer, self.scope)
                if op is UNKNOWN:
                    return None
                return self.op_instance(op, values, layer.span, op.attribute or op.name)
            if declared is None and not isinstance(self.scope.find(head.id), BoundLayer):
                self._unknown_layer(head, self.scope.find(head.id))
                return None
        return self._chain_instance(layer, values, name)

    def _chain_instance(self, layer: ast.Expr, values: list[Value], name: str) -> Instance | None:
        """Layers in a row as a block without a name of its own, called after what it makes."""
        title = "".join(part.capitalize() for part in name.split("_"))
        spec = BlockSpec(title, "chain", layer.span, {})
        inputs = []
        for value in values:
            names = AXES_BY_RANK.get(value.type.rank, ())
            shape: list[Dim] = [
                Num(int(dim), Var(label)) if isinstance(dim, int) else dim
                for dim, label in zip(value.type.shape, names)
            ]
            kind = replace(value.type, shape=tuple(shape) or value.type.shape)
            inner = Value(kind, value.name, value.span, named=True)
            inputs.append(inner)
            spec.inputs.append(Input(inner))
        builder = Applier(self.elaborator, spec, Scope(self.scope.table, self.scope))
        made = builder.apply(layer, inputs, "x")
        if made is None:
            return None
        for number, value in enumerate(made):
            spec.outputs.append(Output(f"y{number}" if number else "y", value))
        name_instances(spec, builder.sites)
        return self._spec_instance(spec, {}, values, layer.span, name)

    # --- repeats ------------------------------------------------------------------------

    def repeat(self, target: ast.Target, values: list[Value], hint: str) -> list[Value] | None:
        """`layer * n`."""
        count = self._repeat_count(target)
        if count is None:
            return None
        if count == 0:
            return values
        name = chain_name(target.layer, hint)
        instance = self._repeat_instance(target, values, name, count)
        return None if instance is None else self.use(instance, values, target.span, hint)

    def _repeat_count(self, target: ast.Target) -> int | None:
        assert target.count is not None
        count = self.evaluator.constant(target.count, self.scope)
        if count is UNKNOWN:
            return None
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            self.evaluator.unknown_word(target.count, count, self.scope)
            message = f"a layer is repeated a whole number of times, not {show(count)}"
            self.problems.add(BadExpression(target.count.span, message, None))
            return None
        if count > MAX_LAYERS:
            self.problems.add(RepeatTooLarge(target.count.span, int(count), MAX_LAYERS))
            return None
        return count

    def _repeat_instance(
        self, target: ast.Target, values: list[Value], name: str, count: int | None = None
    ) -> Instance | None:
        if count is None:
            count = self._repeat_count(target)
        if not count:
            return None
        # A repeat of a repeat is a repeat of a block that has the inner one.
        make = self._chain_instance if repeats(target.layer) else self.make_instance
        runs: list[tuple[int, Instance]] = []
        current, left = values, int(count)
        carried = 0
        while left:
            copy = make(target.layer, current, name)
            if copy is None:
                return None
            carried = len(copy.outputs)
            if carried > len(values):
                self.problems.add(WrongInputCount(target.span, copy.base, len(values), carried))
                return None
            following = _replaced(current, copy.outputs)
            stable = _same(tuple(v.type for v in following), tuple(v.type for v in current))
            number = left if stable else 1
            if not self.elaborator.within_budget(number * self.elaborator.count(copy), target.span):
                return None
            runs.append((number, copy))
            left -= number
            current = following
        base = plural(runs[0][1].base)
        outputs = tuple(value.type for value in current[:carried])
        repeat = Repeat(count, runs, carried)
        types = tuple(value.type for value in values)
        return Instance(repeat, base, types, outputs, target.span)

    # --- uses ---------------------------------------------------------------------------

    def use(self, instance: Instance, values: list[Value], span: Span, hint: str) -> list[Value]:
        """Records a use of an instance and gives what comes out."""
        if not any(instance is known_one for known_one in self._recent(instance)):
            self._register(instance)
        types = instance.outputs
        if not _same(instance.inputs, tuple(v.type for v in values)) and isinstance(
            instance.target, Layer
        ):
            inferred = instance.target.infer(*(v.type for v in values))
            types = inferred if isinstance(inferred, tuple) else (inferred,)
        outputs = tuple(Value(kind, hint, span) for kind in types)
        self.body.append(Apply(instance, tuple(values), outputs, span, self.statement_number))
        return list(outputs)

    def _recent(self, instance: Instance) -> list[Instance]:
        return self.spec.instances if instance.given else []

    def _register(self, instance: Instance) -> None:
        self.spec.instances.append(instance)
        count = len(self.spec.instances)
        if count > MAX_LAYERS and count == MAX_LAYERS + 1:
            self.elaborator.within_budget(count, instance.span)
        if not self.turn_counts:
            return
        turn = self.turn_counts[-1]
        ordinal = turn.get(instance.base, 0)
        turn[instance.base] = ordinal + 1
        self.sites[id(instance)] = (self.loop_path, instance.base, ordinal)


def _takes(op: Layer, count: int) -> bool:
    """Whether a layer takes so many values."""
    least, most = op.inputs
    return least <= count and (most is None or count <= most)


def _same(left: tuple[TensorType, ...], right: tuple[TensorType, ...]) -> bool:
    return left == right


def _replaced(values: list[Value], types: tuple[TensorType, ...]) -> list[Value]:
    """The inputs of the next copy: outputs first, what is left of the inputs after them."""
    made = [Value(kind, value.name, value.span) for value, kind in zip(values, types)]
    return made + values[len(types) :]


__all__ = ["Applier", "Chain"]
