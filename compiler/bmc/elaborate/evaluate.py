"""Compile-time values: settings, their arithmetic, and declarations made from calls.

Knows no tensors. `constant` gives a value for an expression in parentheses; `make` turns
`name(arguments)` into an instance of a declaration with every problem reported at its argument.
Nothing here runs code: expressions are numbers, words, lists and bounded arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.names import UnknownName
from bmc.diagnostics.problems.params import (
    BadExpression,
    BadSetting,
    MissingSetting,
    NotConstant,
    PositionalAfterNamed,
    SettingTwice,
    TooManyArguments,
    UnknownSetting,
)
from bmc.diagnostics.problems.shapes import RepeatTooLarge
from bmc.elaborate.functions import COMPARE, FUNCTIONS, flattened
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Chain, Family, Scope, Tensors, Unknown
from bmc.elaborate.work import RANGE, Work
from bmc.ops.base import Declaration, Setting, layer_named
from bmc.ops.kinds import REGISTRY, BlockRef, Measure, Refusal, SharedWeight, Word, show
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import OPERATORS, Num, Real, Sym

LARGEST = 2**62  # no size or count goes past it
LONGEST_LIST = 10_000
MADE = ("initializer", "positions", "stop", "checkpoint", "strategy", "reduction")


class Range(tuple[Num, ...]):
    """Whole numbers in a row, and how their number was computed."""

    count: Any

    def __new__(cls, count: Any, numbers: Iterable[Num]) -> Range:
        """The numbers."""
        made = super().__new__(cls, numbers)
        made.count = count
        return made


class Evaluator:
    """Evaluates what stands in parentheses."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.work = Work(problems)

    def fail(self, problem: Problem) -> Unknown:
        """Reports a problem and gives the value of a failure."""
        self.problems.add(problem)
        return UNKNOWN

    # --- values -------------------------------------------------------------------------

    def constant(self, expr: ast.Expr, scope: Scope) -> Any:
        """The value of a setting. A name that means nothing here becomes a `Word`."""
        rule = EXPRESSIONS.get(type(expr))
        if rule is None:
            return self.fail(
                BadExpression(
                    expr.span, "only settings go in parentheses", "carry tensors with `->`"
                )
            )
        return rule(self, expr, scope)

    def _number(self, expr: ast.Number, scope: Scope) -> Any:
        if isinstance(expr.value, float):
            return Real(expr.value)
        return Num(expr.value)

    def _measure(self, expr: ast.Measure, scope: Scope) -> Any:
        return Measure(expr.value, expr.unit)

    def _string(self, expr: ast.String, scope: Scope) -> Any:
        return expr.value

    def _bool(self, expr: ast.Bool, scope: Scope) -> Any:
        return expr.value

    def _paren(self, expr: ast.Paren, scope: Scope) -> Any:
        return self.constant(expr.inner, scope)

    def _name(self, expr: ast.Name, scope: Scope) -> Any:
        thing = scope.find(expr.id)
        if thing is None or isinstance(thing, Tensors | Family) or _is_tensor(thing):
            if expr.id == "inf":
                return Real(math.inf)
            if expr.id in scope.table.blocks:
                return BlockRef(Chain(expr, scope, expr.id), expr.id)
            return Word(expr.id)
        if isinstance(thing, BoundLayer):
            return BlockRef(thing, expr.id)
        return thing

    def _listexpr(self, expr: ast.ListExpr, scope: Scope) -> Any:
        items: list[Any] = []
        for item in expr.items:
            value = self.constant(item, scope)
            if value is UNKNOWN:
                return UNKNOWN
            items.append(value)
        return tuple(items)

    def _if(self, expr: ast.If, scope: Scope) -> Any:
        condition = self.condition(expr.condition, scope)
        if condition is None:
            return UNKNOWN
        return self.constant(expr.then if condition else expr.otherwise, scope)

    def condition(self, expr: ast.Expr, scope: Scope) -> bool | None:
        """A condition's truth while compiling; None when it failed."""
        value = self.constant(expr, scope)
        if value is UNKNOWN:
            return None
        if isinstance(value, bool):
            return value
        self.unknown_word(expr, value, scope)
        if not isinstance(value, Word):
            self.fail(
                BadExpression(
                    expr.span, f"a condition is true or false, and this is {show(value)}", None
                )
            )
        return None

    def unknown_word(self, expr: ast.Node, value: Any, scope: Scope) -> None:
        """Reports a word that means nothing where a value is needed."""
        if isinstance(value, Word):
            self.fail(self._unknown(expr.span, value, scope))

    def _unknown(self, span: Span, word: Word, scope: Scope) -> Problem:
        """A word that is no value here: a tensor, or a name of nothing."""
        if scope.find(word.id) is not None:
            return NotConstant(span, f"the tensor `{word.id}`")
        return UnknownName(span, word.id, "setting", tuple(sorted(set(scope.every_name()))))

    def _unary(self, expr: ast.Unary, scope: Scope) -> Any:
        value = self.constant(expr.operand, scope)
        if value is UNKNOWN:
            return UNKNOWN
        if expr.operator == "not":
            if isinstance(value, bool):
                return not value
            return self.fail(
                BadExpression(expr.span, f"`not` takes true or false, not {show(value)}", None)
            )
        if isinstance(value, bool) or not isinstance(value, int | float | Sym):
            self.unknown_word(expr.operand, value, scope)
            if isinstance(value, Word):
                return UNKNOWN
            return self.fail(
                BadExpression(expr.span, f"`-` takes a number, not {show(value)}", None)
            )
        return -value

    def _binary(self, expr: ast.Binary, scope: Scope) -> Any:
        first, steps = ast.left_spine(expr)
        left = self.constant(first, scope)
        for step in steps:
            left = self._combine(step, left, scope)
            if left is UNKNOWN:
                return UNKNOWN
        return left

    def _combine(self, expr: ast.Binary, left: Any, scope: Scope) -> Any:
        operator = expr.operator
        if operator in ("and", "or") and isinstance(left, bool) and left is (operator == "or"):
            return left
        right = self.constant(expr.right, scope)
        if left is UNKNOWN or right is UNKNOWN:
            return UNKNOWN
        if operator in ("and", "or"):
            if isinstance(left, bool) and isinstance(right, bool):
                return right
            return self._mismatch(expr, left, right, scope)
        if operator in ("==", "!=") and type(left) is type(right) is Word:
            return COMPARE[operator](left, right)
        if (
            operator in ("==", "!=")
            and isinstance(left, str | bool)
            and isinstance(right, str | bool)
        ):
            return COMPARE[operator](left, right)
        if not (_is_number(left) and _is_number(right)):
            return self._mismatch(expr, left, right, scope)
        if operator in COMPARE:
            return self._compare(expr, left, right)
        if operator == "..":
            return self._range(expr, left, right)
        return self.arithmetic(expr, operator, left, right)

    def _mismatch(self, expr: ast.Binary, left: Any, right: Any, scope: Scope) -> Any:
        for side, value in ((expr.left, left), (expr.right, right)):
            if isinstance(value, Word):
                self.unknown_word(side, value, scope)
                return UNKNOWN
        message = f"`{expr.operator}` does not go between {show(left)} and {show(right)}"
        return self.fail(BadExpression(expr.span, message, None))

    def _compare(self, expr: ast.Binary, left: Any, right: Any) -> Any:
        if isinstance(left, Sym) or isinstance(right, Sym):
            if left == right:
                return expr.operator in ("==", "<=", ">=")
            message = f"`{left}` and `{right}` can't be compared: a free dimension has no value yet"
            return self.fail(BadExpression(expr.span, message, None))
        return COMPARE[expr.operator](left, right)

    def _range(self, expr: ast.Binary, low: Any, high: Any) -> Any:
        if not isinstance(low, int) or not isinstance(high, int):
            message = f"a range goes between whole numbers, not {show(low)} and {show(high)}"
            return self.fail(BadExpression(expr.span, message, None))
        if high - low > LONGEST_LIST:
            return self.fail(RepeatTooLarge(expr.span, int(high) - int(low), LONGEST_LIST))
        if not self.work.allows(int(max(high - low, 0)) // RANGE, expr.span):
            return UNKNOWN
        return Range(high - low, (Num(i) for i in range(int(low), int(high))))

    def arithmetic(self, expr: ast.Expr, operator: str, left: Any, right: Any) -> Any:
        """`left operator right`, with what can go wrong reported at `expr`."""
        try:
            if operator == "**" and (abs(left) > 1e6 or abs(right) > 64):
                raise OverflowError
            value = OPERATORS[operator](left, right)
            if (
                isinstance(value, float)
                and not math.isfinite(value)
                and math.inf not in (left, right)
            ):
                raise OverflowError
            if isinstance(value, int) and abs(value) > LARGEST:
                raise OverflowError
        except ZeroDivisionError:
            return self.fail(
                BadExpression(expr.span, f"division by zero: `{left} {operator} {right}`", None)
            )
        except OverflowError:
            message = f"`{left} {operator} {right}` is too large"
            return self.fail(BadExpression(expr.span, message, None))
        except (ArithmeticError, TypeError) as error:
            return self.fail(BadExpression(expr.span, str(error), None))
        return value

    def _index(self, expr: ast.Index, scope: Scope) -> Any:
        base = self.constant(expr.base, scope)
        if base is UNKNOWN:
            return UNKNOWN
        if isinstance(base, Word):
            self.unknown_word(expr.base, base, scope)
            return UNKNOWN
        if not isinstance(base, tuple) or len(expr.items) != 1:
            return self.fail(
                BadExpression(expr.span, f"{show(base)} has no positions to choose from", None)
            )
        item = expr.items[0]
        if isinstance(item, ast.Slice):
            low = self.constant(item.lower, scope) if item.lower else 0
            high = self.constant(item.upper, scope) if item.upper else len(base)
            if isinstance(low, int) and isinstance(high, int):
                return base[low:high]
            return UNKNOWN
        position = self.constant(item, scope)
        if position is UNKNOWN:
            return UNKNOWN
        if isinstance(position, bool) or not isinstance(position, int):
            return self.fail(
                BadExpression(
                    item.span, f"a position is a whole number, not {show(position)}", None
                )
            )
        if not -len(base) <= position < len(base):
            message = f"position {position} is outside a list of {len(base)}"
            return self.fail(BadExpression(item.span, message, None))
        return base[position]

    def _attribute(self, expr: ast.Attribute, scope: Scope) -> Any:
        base = scope.find(expr.base.id) if isinstance(expr.base, ast.Name) else None
        if isinstance(base, BoundLayer):
            return self._weight(expr, base)
        return self.fail(BadExpression(expr.span, f"`{expr.span.text}` is not a setting", None))

    def _weight(self, expr: ast.Attribute, bound: BoundLayer) -> Any:
        instance = bound.instance
        if instance is None:
            message = f"`{bound.name}` has no weights before it is used"
            return self.fail(
                BadExpression(expr.span, message, "use the layer first, above this line")
            )
        if expr.name not in instance.weights:
            names = ", ".join(f"`{name}`" for name in instance.weights) or "none"
            message = f"`{bound.name}` has no weight `{expr.name}`; it has {names}"
            return self.fail(BadExpression(expr.name_span, message, None))
        return SharedWeight(instance, expr.name, instance.weights[expr.name].shape)

    def _flow(self, expr: ast.Flow, scope: Scope) -> Any:
        return BlockRef(Chain(expr, scope), "chain")

    def _call(self, expr: ast.Call, scope: Scope) -> Any:
        if not isinstance(expr.function, ast.Name):
            return self.fail(BadExpression(expr.span, "only a name can be called", None))
        name = expr.function.id
        if name in scope.table.blocks or (layer_named(name) and name not in FUNCTIONS):
            return BlockRef(Chain(expr, scope, name), name)
        if name in FUNCTIONS:
            return self._function(expr, name, scope)
        for family in MADE:
            if name in REGISTRY[family]:
                return self.make(REGISTRY[family][name], expr, scope)
        known = tuple(sorted({*FUNCTIONS, *(n for f in MADE for n in REGISTRY[f])}))
        return self.fail(UnknownName(expr.function.span, name, "function", known))

    def _function(self, expr: ast.Call, name: str, scope: Scope) -> Any:
        values = [self.constant(argument.value, scope) for argument in expr.arguments]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        flat = flattened(tuple(values))
        if name != "len" and not all(_is_number(v) and not isinstance(v, Sym) for v in flat):
            return self.fail(BadExpression(expr.span, f"`{name}` takes numbers", None))
        try:
            return FUNCTIONS[name](*values)
        except (TypeError, ValueError, OverflowError):
            return self.fail(
                BadExpression(expr.span, f"`{name}` can't be worked out for these values", None)
            )

    # --- declarations -------------------------------------------------------------------

    def make(
        self,
        declaration: type[Declaration],
        expr: ast.Expr,
        scope: Scope,
        given: Mapping[str, Any] | None = None,
    ) -> Any:
        """An instance of a declaration from `name` or `name(arguments)`; UNKNOWN when it failed."""
        arguments = expr.arguments if isinstance(expr, ast.Call) else ()
        arguments = _gathered(declaration, arguments)
        values = dict(given or {})
        spans: dict[str, Span] = {}
        settings = {k: s for k, s in declaration.settings.items() if k not in values}
        fine = self._arguments(
            declaration.name, arguments, settings, scope, values, spans, declaration
        )
        head = expr.function.span if isinstance(expr, ast.Call) else expr.span
        for key, setting in settings.items():
            if key in values and self._bad_word(
                declaration.name, setting, values[key], spans[key], scope
            ):
                fine = False
            elif setting.required and key not in values and fine:
                fine = False
                self.fail(MissingSetting(head, declaration.name, key, setting.doc))
        if not fine:
            return UNKNOWN
        try:
            return declaration.make(values)
        except Refusal as refusal:
            key = refusal.setting or ""
            span = spans.get(key, head)
            doc = settings[key].doc if key in settings else ""
            return self.fail(
                BadSetting(span, declaration.name, key, refusal.message, refusal.help, doc)
            )

    def _arguments(
        self,
        owner: str,
        arguments: tuple[ast.Argument, ...],
        settings: Mapping[str, Setting],
        scope: Scope,
        values: dict[str, Any],
        spans: dict[str, Span],
        declaration: type[Declaration],
    ) -> bool:
        fine = True
        order = list(settings)
        named = False
        for position, argument in enumerate(arguments):
            key = argument.name
            if key is None:
                if named:
                    self.fail(PositionalAfterNamed(argument.span))
                    return False
                if position >= len(order):
                    self.fail(TooManyArguments(argument.span, owner, len(arguments), len(order)))
                    return False
                key = order[position]
            else:
                named = True
                if key not in settings and declaration.rest is None:
                    known = (*order, *declaration.besides)
                    self.fail(UnknownSetting(argument.span, owner, key, known, known))
                    fine = False
                    continue
            if key in spans:
                self.fail(SettingTwice(argument.span, owner, key, spans[key]))
                fine = False
                continue
            value = self.constant(argument.value, scope)
            if value is UNKNOWN:
                fine = False
            elif key in settings and value == NONE and settings[key].default is None:
                spans[key] = argument.value.span  # as if it were not given
                continue
            elif key in settings:
                value = _worded(value, settings[key].kind.words())
            values[key], spans[key] = value, argument.value.span
        return fine

    def _bad_word(self, owner: str, setting: Setting, value: Any, span: Span, scope: Scope) -> bool:
        """Reports a bare word that neither the setting nor the scope knows."""
        words = setting.kind.words()
        if not isinstance(value, Word) or value.id in words:
            return False
        known = (*words, *sorted(set(scope.every_name())))
        if words:
            refusal = f"expected {setting.kind.description}, found `{value.id}`"
            help_text = _suggest(value.id, known)
            self.fail(BadSetting(span, owner, setting.name, refusal, help_text, setting.doc))
        else:
            try:
                setting.kind.convert(value)
            except Refusal:
                self.fail(self._unknown(span, value, scope))
            else:
                return False
        return True


NONE = Word("none")  # nothing, for a setting that need not be given


def _worded(value: Any, words: tuple[str, ...]) -> Any:
    """A setting's own word where a layer or block has that name, too: `layer same = …`."""
    if isinstance(value, BlockRef) and value.name in words:
        return Word(value.name)
    if isinstance(value, tuple):
        return tuple(_worded(one, words) for one in value)
    return value


def _gathered(
    declaration: type[Declaration], arguments: tuple[ast.Argument, ...]
) -> tuple[ast.Argument, ...]:
    """`reshape(8, 4)` as `reshape([8, 4])`, where a setting takes all that has no name."""
    loose = tuple(argument for argument in arguments if argument.name is None)
    key: str | None = getattr(declaration, "variadic", None)
    if key is None or not loose or (len(loose) == 1 and isinstance(loose[0].value, ast.ListExpr)):
        return arguments
    span = loose[0].span.to(loose[-1].span)
    listed = ast.ListExpr(span, tuple(argument.value for argument in loose))
    named = tuple(argument for argument in arguments if argument.name is not None)
    return (ast.Argument(span, key, listed), *named)


def _suggest(name: str, known: tuple[str, ...]) -> str | None:
    from bmc.diagnostics.suggest import closest

    best = closest(name, known)
    return f"did you mean `{best}`?" if best else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Sym) and not isinstance(value, bool)


def _is_tensor(thing: Any) -> bool:
    from bmc.ir.model import Value

    return isinstance(thing, Value)


EXPRESSIONS: Mapping[type[ast.Expr], Callable[..., Any]] = {
    ast.Number: Evaluator._number,
    ast.Measure: Evaluator._measure,
    ast.String: Evaluator._string,
    ast.Bool: Evaluator._bool,
    ast.Paren: Evaluator._paren,
    ast.Name: Evaluator._name,
    ast.ListExpr: Evaluator._listexpr,
    ast.TupleExpr: Evaluator._listexpr,
    ast.If: Evaluator._if,
    ast.Unary: Evaluator._unary,
    ast.Binary: Evaluator._binary,
    ast.Index: Evaluator._index,
    ast.Attribute: Evaluator._attribute,
    ast.Flow: Evaluator._flow,
    ast.Call: Evaluator._call,
}  # any other is no setting
