"""Pipelines of `train` and `predict`: arrows over model outputs and data entries, as trees.

Knows no keys of the sections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.diagnostics.diagnostic import Label, Problems
from bmc.diagnostics.problems.files import CannotRead, FileRefused
from bmc.diagnostics.problems.names import UnknownLayer
from bmc.diagnostics.problems.params import BadExpression, SettingTwice
from bmc.diagnostics.problems.shapes import LayerShape, ShapesDiffer, WrongInputCount
from bmc.diagnostics.problems.training import LossAfterSoftmax, LossShape, NotYet, UnknownEntry
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.positions import position
from bmc.elaborate.scope import UNKNOWN, Scope
from bmc.ir.training import Applied, ModelUse, TensorRef, Tree, Undo
from bmc.ops.arithmetic import COMPARISONS, Arithmetic, Negate, Take, broadcast
from bmc.ops.base import Declaration, Layer, alias_of
from bmc.ops.kinds import REGISTRY, Refusal, show
from bmc.ops.losses import Loss, Reduction, Weighted
from bmc.ops.metrics import Metric
from bmc.records import field, record, replace
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import plain
from bmc.types.tensor import TensorType

LATER = ("generate", "denoise", "ctc_beam")  # operations that take a model or search
OPERATORS = ("+", "-", "*", "/", "**", *COMPARISONS)


@record
class Number:
    """A number known while compiling, on its way into an operator."""

    value: int | float


def _nothing(path: str, span: Span) -> str:
    raise FileRefused(CannotRead(span, path, "there is no folder to read it from"))


@record(frozen=False, eq=False)
class Surroundings:
    """What a `train` or `predict` section can see of the rest of the file.

    `tensors` holds the model's outputs and the data's entries; an entry whose type nothing has
    fixed yet has the type None in `untyped`, and gets one from the first loss that takes it.
    `balanced` are the entries that losses need besides: the weights of an entry's classes.
    """

    scope: Scope
    model: ModelUse
    tensors: dict[str, TensorRef]
    untyped: set[str] = field(default_factory=set)
    balanced: dict[str, tuple[str, int, Span]] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    weight_names: tuple[str, ...] = ()
    source: str = "data"
    splits: tuple[str, ...] = ("train", "validation", "test")
    read: Callable[[str, Span], str] = _nothing  # a file beside the spec, by its path


class Resolver:
    """Turns pipelines into trees, with every problem reported where it is written."""

    def __init__(self, around: Surroundings, problems: Problems) -> None:
        self.around, self.problems = around, problems
        self.evaluator = Evaluator(problems)

    def tree(self, expr: ast.Expr) -> Any:
        """One tensor or number; UNKNOWN when it failed."""
        value = self.value(expr)
        if isinstance(value, tuple):
            message = f"one tensor is needed here, not {len(value)}"
            return self.evaluator.fail(BadExpression(expr.span, message, None))
        return value

    def value(self, expr: ast.Expr) -> Any:
        """A tree, several as a tuple, or UNKNOWN."""
        match expr:
            case ast.Name():
                return self._name(expr)
            case ast.Paren():
                return self.value(expr.inner)
            case ast.TupleExpr():
                items = tuple(self.tree(item) for item in expr.items)
                return UNKNOWN if UNKNOWN in items else items
            case ast.Unary(operator="-"):
                return self._negative(expr)
            case ast.Binary():
                return self._binary(expr)
            case ast.Flow():
                return self._flow(expr)
            case ast.Index():
                return self._index(expr)
            case ast.Attribute(base=ast.Name(id="data")):
                return self._entry(expr)
            case _:
                return self._constant(expr)

    def _constant(self, expr: ast.Expr) -> Any:
        value = self.evaluator.constant(expr, self.around.scope)
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, bool) or not isinstance(value, int | float):
            message = f"a tensor or a number is needed here, not {show(value)}"
            return self.evaluator.fail(BadExpression(expr.span, message, None))
        return Number(plain(value))

    def _name(self, expr: ast.Name) -> Any:
        found = self.around.tensors.get(expr.id)
        if found is not None:
            return found
        if self.around.scope.find(expr.id) is not None:
            return self._constant(expr)
        known = tuple(self.around.tensors)
        return self.evaluator.fail(UnknownEntry(expr.span, expr.id, known))

    def _entry(self, expr: ast.Attribute) -> Any:
        """`data.price`, which says where a name is from."""
        found = self.around.tensors.get(expr.name)
        if found is not None and found.origin == "data":
            return found
        entries = tuple(t.name for t in self.around.tensors.values() if t.origin == "data")
        return self.evaluator.fail(UnknownEntry(expr.name_span, expr.name, entries))

    def _negative(self, expr: ast.Unary) -> Any:
        operand = self.tree(expr.operand)
        if operand is UNKNOWN:
            return UNKNOWN
        if isinstance(operand, Number):
            return Number(-operand.value)
        return self.applied(Negate.make({}), (operand,), expr.span)

    def _binary(self, expr: ast.Binary) -> Any:
        first, steps = ast.left_spine(expr)
        left = self.tree(first)
        for step in steps:
            right = self.tree(step.right)
            if left is UNKNOWN or right is UNKNOWN:
                return UNKNOWN
            left = self._combine(step, left, right)
        return left

    def _combine(self, expr: ast.Binary, left: Tree, right: Tree) -> Any:
        if expr.operator not in OPERATORS:
            message = f"`{expr.operator}` does not go between tensors here"
            return self.evaluator.fail(BadExpression(expr.span, message, None))
        if isinstance(left, Number) and isinstance(right, Number):
            whole = self.evaluator.arithmetic(expr, expr.operator, left.value, right.value)
            return UNKNOWN if whole is UNKNOWN else Number(plain(whole))
        sides = {"left": left, "right": right}
        numbers = {side: one.value for side, one in sides.items() if isinstance(one, Number)}
        op = Arithmetic(operator=expr.operator, **numbers)
        values = tuple(one for one in sides.values() if not isinstance(one, Number))
        if numbers:
            return self.applied(op, values, expr.span)
        assert not isinstance(left, Number) and not isinstance(right, Number)
        right = self._fix(right, left.type)
        try:
            broadcast(left.type, right.type, expr.operator)
        except Refusal:
            types = (str(left.type), str(right.type))
            return self.evaluator.fail(ShapesDiffer(expr.span, expr.operator, *types, (), None))
        return self.applied(op, (left, right), expr.span)

    def _index(self, expr: ast.Index) -> Any:
        base = self.tree(expr.base)
        items = tuple(position(self.evaluator, item, self.around.scope) for item in expr.items)
        if base is UNKNOWN or UNKNOWN in items:
            return UNKNOWN
        if isinstance(base, Number):
            return self.evaluator.fail(BadExpression(expr.span, "a number has no parts", None))
        return self.applied(Take(items=items), (base,), expr.span)

    def _fix(self, tree: Tree, wanted: TensorType) -> Tree:
        """Gives an entry without a type the one that its use implies."""
        if isinstance(tree, TensorRef) and tree.name in self.around.untyped:
            self.around.untyped.discard(tree.name)
            tree = replace(tree, type=replace(wanted, kind=""))
            self.around.tensors[tree.name] = tree
        return tree

    # --- arrows ---------------------------------------------------------------------------

    def _flow(self, expr: ast.Flow) -> Any:
        value = self.value(expr.head)
        for target in expr.targets:
            if value is UNKNOWN:
                return UNKNOWN
            inputs = value if isinstance(value, tuple) else (value,)
            if target.count is not None:
                return self.evaluator.fail(
                    BadExpression(target.span, "nothing is repeated outside a model", None)
                )
            value = self.apply(target.layer, inputs)
        return value

    def apply(self, layer: ast.Expr, inputs: tuple[Tree, ...]) -> Any:
        """A loss, a reduction, a layer without weights or `undo`, on trees."""
        head = layer.function if isinstance(layer, ast.Call) else layer
        if isinstance(layer, ast.Paren):
            return self.apply(layer.inner, inputs)
        if not isinstance(head, ast.Name):
            return self.evaluator.fail(NotYet(layer.span, layer.span.text))
        if head.id == "undo":
            return self._undo(layer, inputs)
        if head.id in LATER or head.id in self.around.scope.table.blocks:
            why = (
                "only the outputs of the model can be used, with losses and layers without weights"
            )
            return self.evaluator.fail(NotYet(layer.span, head.id, why))
        for family in ("loss", "reduction", "layer"):
            declared = REGISTRY[family].get(head.id)
            if declared is not None and (family != "reduction" or not _arguments(layer)):
                return self._declared(declared, layer, inputs)
        known = (*REGISTRY["loss"], *REGISTRY["layer"])
        alias = alias_of("loss", head.id) or alias_of("layer", head.id)
        candidates = (alias,) if alias else known
        return self.evaluator.fail(UnknownLayer(head.span, head.id, candidates, "loss or layer"))

    def _declared(
        self, declared: type[Declaration], layer: ast.Expr, inputs: tuple[Tree, ...]
    ) -> Any:
        weight, layer = _weight(layer) if issubclass(declared, Loss) else (None, layer)
        if weight is not None and (again := _weight(layer)[0]) is not None:
            problem = SettingTwice(again.span, declared.name, "weight", weight.span)
            return self.evaluator.fail(problem)
        op = self.evaluator.make(declared, layer, self.around.scope)
        if op is UNKNOWN:
            return UNKNOWN
        loss = self.applied(op, inputs, layer.span)
        return loss if weight is None or loss is UNKNOWN else self._weighted(loss, weight)

    def _balanced(self, loss: Applied, span: Span) -> Any:
        """A loss with a weight for each sample, which an entry of the data has by its class."""
        assert isinstance(loss.op, Loss)
        target = loss.op.target(loss.inputs)
        if not isinstance(target, TensorRef) or target.origin != "data":
            raise Refusal("takes an entry of the data as its target, to be `balanced`")
        if getattr(loss.op, "ignore", None) is not None:
            raise Refusal("can't have `ignore` with `class_weight=balanced`")
        plain_op = type(loss.op)(**{**loss.op.values(), "class_weight": None})
        classes = loss.op.classes(loss.inputs[0].type) or 2
        if not isinstance(classes, int):
            raise Refusal("needs a known number of classes, to be `balanced`")
        weight = self.around.tensors[self.balance(target, int(classes), span)]
        return self.applied(Weighted(plain_op), (*loss.inputs, weight), span)

    def balance(self, target: TensorRef, classes: int, span: Span) -> str:
        """The entry with a weight for each row by its class, made if there is none."""
        name = f"{target.name}_weight"
        while name in self.around.tensors and name not in self.around.balanced:
            name += "_"
        self.around.balanced[name] = (target.name, classes, span)
        kind = TensorType("float", target.type.shape)
        self.around.tensors[name] = TensorRef(name, kind, "data")
        return name

    def entry(self, given: ast.Expr) -> TensorRef | None:
        """The entry that `data.name` is; None, and said so, where it is none."""
        if not isinstance(given, ast.Attribute) or not isinstance(given.base, ast.Name):
            return None
        found = self.around.tensors.get(given.name) if given.base.id == "data" else None
        return found if found is not None and found.origin == "data" else None

    def _weighted(self, loss: Applied, weight: ast.Argument) -> Any:
        """A loss whose samples weigh what an expression says."""
        given = self.tree(weight.value)
        if given is UNKNOWN:
            return UNKNOWN
        assert isinstance(loss.op, Loss)
        try:
            op = Weighted(loss.op)
        except Refusal as refusal:
            return self._refused(loss.op, (), refusal, weight.span)
        if isinstance(given, Number):
            what = "takes an entry of the data as `weight`: one number for all changes nothing"
            return self._refused(loss.op, (), Refusal(what), weight.span)
        given = self._fix(given, TensorType("float", ()))
        return self.applied(op, (*loss.inputs, given), weight.span)

    def applied(self, op: Declaration, inputs: tuple[Tree, ...], span: Span) -> Any:
        """An operation on trees, its types checked."""
        if any(isinstance(item, Number) for item in inputs):
            return self.evaluator.fail(NotYet(span, f"a number as an input of `{op.name}`"))
        try:
            inputs = self._with_types(op, inputs)
            types = tuple(item.type for item in inputs if not isinstance(item, Number))
            if isinstance(op, Layer):
                return self._layer(op, inputs, types, span)
            assert isinstance(op, Loss | Reduction)
            made = Applied(op, inputs, op.infer(*types))
            balanced = getattr(op, "class_weight", None) == "balanced"
            return self._balanced(made, span) if balanced else made
        except Refusal as refusal:
            return self._refused(op, inputs, refusal, span)

    def _with_types(self, op: Declaration, inputs: tuple[Tree, ...]) -> tuple[Tree, ...]:
        if not isinstance(op, Loss) or isinstance(op, Weighted) or len(inputs) != len(op.takes):
            return inputs
        first, last = inputs[0], inputs[-1]
        assert not isinstance(first, Number)
        if isinstance(last, TensorRef) and last.name in self.around.untyped:
            return (*inputs[:-1], self._fix(last, op.target_type(first.type)))
        return inputs

    def _layer(
        self, op: Layer, inputs: tuple[Tree, ...], types: tuple[TensorType, ...], span: Span
    ) -> Any:
        least, most = op.inputs
        if len(inputs) < least or (most is not None and len(inputs) > most):
            return self.evaluator.fail(
                WrongInputCount(span, op.name, op.input_count(), len(inputs))
            )
        if op.random:
            message = "draws random numbers, and belongs into the model"
            return self.evaluator.fail(LayerShape(span, op.name, message, None, ()))
        try:
            result = op.infer(*types)
        except (Refusal, ArithmeticError) as error:
            message = error.message if isinstance(error, Refusal) else str(error)
            advice = error.help if isinstance(error, Refusal) else None
            also = self._labels(inputs)
            return self.evaluator.fail(LayerShape(span, op.name, message, advice, also))
        if op.weights(*types):
            message = "has weights, and belongs into the model"
            return self.evaluator.fail(LayerShape(span, op.name, message, None, ()))
        if isinstance(result, tuple):
            return self.evaluator.fail(NotYet(span, f"`{op.name}` outside a model"))
        return Applied(op, inputs, result)

    def _refused(
        self, op: Declaration, inputs: tuple[Tree, ...], refusal: Refusal, span: Span
    ) -> Any:
        also = self._labels(inputs)
        if refusal.message.startswith("takes logits"):
            return self.evaluator.fail(LossAfterSoftmax(span, op.name, refusal.help, also))
        return self.evaluator.fail(LossShape(span, op.name, refusal.message, refusal.help, also))

    def _labels(self, inputs: tuple[Tree, ...]) -> tuple[Label, ...]:
        """Where each input comes from, with its type."""
        return tuple(
            Label(self.around.spans[item.name], f"`{item.name}` is {item.type}")
            for item in inputs
            if isinstance(item, TensorRef) and item.name in self.around.spans
        )

    def _undo(self, layer: ast.Expr, inputs: tuple[Tree, ...]) -> Any:
        arguments = _arguments(layer)
        given = arguments[0].value if len(arguments) == 1 else None
        fits = isinstance(given, ast.Attribute) and isinstance(given.base, ast.Name)
        if not fits or given.base.id != "data":  # type: ignore[union-attr]
            message = "`undo` takes an entry of the data, as in `undo(data.label)`"
            return self.evaluator.fail(BadExpression(layer.span, message, None))
        assert isinstance(given, ast.Attribute)
        entry = self.around.tensors.get(given.name)
        if entry is None or entry.origin != "data":
            entries = tuple(t.name for t in self.around.tensors.values() if t.origin == "data")
            return self.evaluator.fail(UnknownEntry(given.name_span, given.name, entries))
        tree = inputs[0]
        assert not isinstance(tree, Number)
        return Undo(given.name, tree, tree.type)

    def metric(self, layer: ast.Expr, inputs: tuple[Tree, ...]) -> Metric | None:
        """A metric that fits its inputs; None when it failed."""
        head = layer.function if isinstance(layer, ast.Call) else layer
        declared = REGISTRY["metric"].get(head.id) if isinstance(head, ast.Name) else None
        if declared is None:
            name = layer.span.text
            alias = alias_of("metric", name)
            known = (alias,) if alias else tuple(REGISTRY["metric"])
            self.problems.add(UnknownLayer(layer.span, name, known, "metric"))
            return None
        metric = self.evaluator.make(declared, layer, self.around.scope)
        if metric is UNKNOWN:
            return None
        assert isinstance(metric, Metric)
        waiting = {item.name for item in inputs if isinstance(item, TensorRef)}
        if self.problems.failed and waiting & self.around.untyped:
            return None  # the loss that says what the target is has failed
        try:
            metric.infer(*(item.type for item in inputs if not isinstance(item, Number)))
        except Refusal as refusal:
            self._refused(metric, inputs, refusal, layer.span)
            return None
        return metric


def _weight(layer: ast.Expr) -> tuple[ast.Argument | None, ast.Expr]:
    """The argument `weight=…` of a loss, and the loss without it."""
    found = [one for one in _arguments(layer) if one.name == "weight"]
    if not found or not isinstance(layer, ast.Call):
        return None, layer
    others = tuple(one for one in layer.arguments if one is not found[0])
    return found[0], replace(layer, arguments=others)


def _arguments(layer: ast.Expr) -> tuple[ast.Argument, ...]:
    return layer.arguments if isinstance(layer, ast.Call) else ()
