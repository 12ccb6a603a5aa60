"""Python programs as trees: a dozen expressions and statements, and short ways to build them.

Nothing here prints; `layout` does. Text from a spec goes into `Lit`, never into `Name`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from bmc.records import field, record, replace
from bmc.types import symbolic
from bmc.types.symbolic import Num, Real, Sym


class Expr:
    """Base of expressions."""


class Statement:
    """Base of statements."""


@record
class Name(Expr):
    """An identifier."""

    id: str


@record
class Attr(Expr):
    """`base.name`"""

    base: Expr
    name: str


@record
class Lit(Expr):
    """None, a bool, a number, text or `...`."""

    value: Any


@record
class Var(Expr):
    """A setting or dimension of a block; `render` is told its identifier."""

    name: str
    kind: str = field(default="int", compare=False)  # of the number that it is part of


@record
class Bin(Expr):
    """`left op right`; `and` and `or` too."""

    op: str
    left: Expr
    right: Expr


@record
class Un(Expr):
    """`-x`, `~x` or `not x`."""

    op: str
    operand: Expr


@record
class Compare(Expr):
    """`left op right` for a comparison, `in` and `is` included."""

    op: str
    left: Expr
    right: Expr


@record
class Call(Expr):
    """`fn(args, key=value)`"""

    fn: Expr
    args: tuple[Expr, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()


@record
class Index(Expr):
    """`base[items]`"""

    base: Expr
    items: tuple[Expr, ...]


@record
class SliceExpr(Expr):
    """`lower:upper:step` inside an index."""

    lower: Expr | None = None
    upper: Expr | None = None
    step: Expr | None = None


@record
class TupleExpr(Expr):
    """`(a, b)`"""

    items: tuple[Expr, ...]


@record
class ListExpr(Expr):
    """`[a, b]`"""

    items: tuple[Expr, ...]


@record
class DictExpr(Expr):
    """`{key: value}`"""

    items: tuple[tuple[Expr, Expr], ...]


@record
class IfExp(Expr):
    """`a if test else b`"""

    test: Expr
    a: Expr
    b: Expr


@record
class ListComp(Expr):
    """`[element for target in iterable if condition]`"""

    element: Expr
    target: Expr
    iterable: Expr
    conditions: tuple[Expr, ...] = ()


@record
class GeneratorExp(Expr):
    """`element for target in iterable`, as the only argument of a call."""

    element: Expr
    target: Expr
    iterable: Expr


@record
class Starred(Expr):
    """`*value`"""

    value: Expr


@record
class FString(Expr):
    """`f"{name}.conv1"`: literal text and names of ours; a text never holds a brace or a quote."""

    parts: tuple[str | Name, ...]


@record
class Lambda(Expr):
    """`lambda a, b: body`"""

    params: tuple[str, ...]
    body: Expr


# --- statements ---------------------------------------------------------------------------


@record
class Assign(Statement):
    """`target: annotation = value  # comment`; several targets are a tuple."""

    targets: Expr | tuple[Expr, ...]
    value: Expr
    annotation: Expr | None = None
    comment: str | None = None


@record
class AugAssign(Statement):
    """`target op= value`"""

    target: Expr
    op: str
    value: Expr


@record
class Return(Statement):
    """`return value`"""

    value: Expr | None = None
    comment: str | None = None


@record
class ExprStmt(Statement):
    """An expression for its effect."""

    value: Expr
    comment: str | None = None


@record
class For(Statement):
    """`for target in iterable:`"""

    target: Expr | tuple[Expr, ...]
    iterable: Expr
    body: tuple[Statement, ...]


@record
class IfStmt(Statement):
    """`if test:`"""

    test: Expr
    body: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()


@record
class With(Statement):
    """`with context as name:`"""

    context: Expr
    body: tuple[Statement, ...]
    name: str | None = None


@record
class Raise(Statement):
    """`raise value`"""

    value: Expr


@record
class Param:
    """A parameter of a function; the name may start with `*`."""

    name: str
    annotation: Expr | None = None
    default: Expr | None = None


@record
class Def(Statement):
    """`def name(params) -> returns:`"""

    name: str
    params: tuple[Param, ...]
    returns: Expr | None
    body: tuple[Statement, ...]
    doc: str | None = None
    decorators: tuple[Expr, ...] = ()


@record
class Class(Statement):
    """`class name(bases):`"""

    name: str
    bases: tuple[Expr, ...]
    body: tuple[Statement, ...]
    doc: str | None = None


@record
class Comment(Statement):
    """`# text` on lines of its own."""

    text: str


@record
class Blank(Statement):
    """An empty line."""


@record
class Pass(Statement):
    """`pass`"""


# --- short ways -----------------------------------------------------------------------------


def name(dotted: str | Expr) -> Expr:
    """`nn.Conv2d` as attributes of a name."""
    if isinstance(dotted, Expr):
        return dotted
    first, *rest = dotted.split(".")
    expression: Expr = Name(first)
    for part in rest:
        expression = Attr(expression, part)
    return expression


def lit(value: Any) -> Expr:
    """A value as an expression; a number that remembers how it was computed keeps its words."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, tuple):
        return TupleExpr(tuple(lit(item) for item in value))
    if isinstance(value, list):
        return ListExpr(tuple(lit(item) for item in value))
    if isinstance(value, Num | Real) and isinstance(
        value.expression, symbolic.BinOp | symbolic.Var | symbolic.Asked
    ):
        return from_expression(value.expression, "float" if isinstance(value, Real) else "int")
    if isinstance(value, Sym):
        raise TypeError(f"the free dimension {value} has no value in a program")
    if isinstance(value, bool) or value is None or value is ... or isinstance(value, str):
        return Lit(value)
    if isinstance(value, int):
        return _signed(int(value))
    if isinstance(value, float):
        return _signed(float(value))
    raise TypeError(f"no literal for {type(value).__name__}")


def _signed(value: int | float) -> Expr:
    return Un("-", Lit(-value)) if value < 0 else Lit(value)


def from_expression(expression: symbolic.Expression, kind: str = "int") -> Expr:
    """Arithmetic over settings and dimensions as program text."""
    if isinstance(expression, symbolic.Const):
        return lit(expression.value)
    if isinstance(expression, symbolic.Var):
        return Var(expression.name, kind)
    if isinstance(expression, symbolic.Asked):
        given = (from_expression(one, kind) for one in expression.arguments)
        own = expression.function in ("round", "abs", "min", "max")
        return call(expression.function if own else f"math.{expression.function}", *given)
    assert isinstance(expression, symbolic.BinOp)
    sides = (from_expression(side, kind) for side in (expression.left, expression.right))
    return Bin(expression.operator, *sides)


def call(function: str | Expr, *args: Any, **kwargs: Any) -> Call:
    """A call; arguments that are not expressions become literals."""
    named = tuple((key, lit(value)) for key, value in kwargs.items())
    return Call(name(function), tuple(lit(arg) for arg in args), named)


def method(base: Expr, attribute: str, *args: Any, **kwargs: Any) -> Call:
    """`base.attribute(args)`"""
    return call(Attr(base, attribute), *args, **kwargs)


def chain(operator: str, values: Sequence[Expr]) -> Expr:
    """a + b + c, from left to right."""
    return reduce(lambda left, right: Bin(operator, left, right), values)


def children(node: Any) -> Sequence[Any]:
    """The nodes directly inside a node, in order."""
    found: list[Any] = []
    for value in vars(node).values():
        _gather(value, found)
    return found


def _gather(value: Any, found: list[Any]) -> None:
    if isinstance(value, Expr | Statement | Param):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _gather(item, found)


def mapped(node: Any, change: Callable[[Any], Any]) -> Any:
    """A tree in which some nodes are others: `change` gives one, or None to look inside."""
    if isinstance(node, tuple):
        return tuple(mapped(item, change) for item in node)
    if not isinstance(node, Expr | Statement | Param):
        return node
    other = change(node)
    if other is not None:
        return other
    return replace(node, **{key: mapped(value, change) for key, value in vars(node).items()})


def walk(node: Any) -> list[Any]:
    """A node and everything inside it."""
    found, stack = [], [node]
    while stack:
        current = stack.pop()
        found.append(current)
        stack.extend(reversed(children(current)))
    return found
