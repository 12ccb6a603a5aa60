"""Short ways to build the glue of `data.py` from the compiler's program nodes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from bmc.emit import pyexpr as p
from bmc.emit.layout import render
from bmc.emit.pyexpr import Expr, Statement, method
from bmc.emit.pyexpr import name as ref
from bmc.records import record

__all__ = [
    "Expr", "Function", "Statement", "assign", "binary", "call", "comprehension", "expr", "index",
    "method", "names_of", "ref", "returns", "run", "starred",
]  # fmt: skip


def expr(value: Any) -> Expr:
    """An expression from a plain value; dicts, lists and tuples become displays."""
    if isinstance(value, dict):
        return p.DictExpr(tuple((expr(key), expr(item)) for key, item in value.items()))
    if isinstance(value, list):
        return p.ListExpr(tuple(expr(item) for item in value))
    if isinstance(value, tuple):
        return p.TupleExpr(tuple(expr(item) for item in value))
    return p.lit(value)


def call(function: str | Expr, *arguments: Any, **named: Any) -> Expr:
    """`function(arguments, name=value)`"""
    keywords = {key: expr(value) for key, value in named.items()}
    return p.call(function, *(expr(value) for value in arguments), **keywords)


def index(base: str | Expr, *items: Any) -> Expr:
    """`base[items]`; None among several items is a new axis, `...` any axes."""
    return p.Index(ref(base), tuple(expr(item) for item in items))


def binary(left: str | Expr, symbol: str, right: Any) -> Expr:
    """`left symbol right`"""
    return p.Bin(symbol, ref(left), expr(right))


def starred(value: Expr) -> Expr:
    """`*value`"""
    return p.Starred(value)


def comprehension(element: Expr, target: str, iterable: str | Expr) -> Expr:
    """`[element for target in iterable]`"""
    return p.ListComp(element, ref(target), ref(iterable))


def assign(target: str | Expr, value: Any, annotation: str | None = None) -> p.Assign:
    """`target: annotation = value`; several targets are separated by commas."""
    targets: Expr | tuple[Expr, ...]
    if isinstance(target, str) and "," in target:
        targets = tuple(ref(part.strip()) for part in target.split(","))
    else:
        targets = ref(target)
    return p.Assign(targets, expr(value), typed(annotation) if annotation else None)


def returns(value: Any) -> p.Return:
    """`return value`"""
    return p.Return(expr(value))


def run(value: Expr) -> p.ExprStmt:
    """An expression for its effect."""
    return p.ExprStmt(value)


def names_of(node: Any) -> set[str]:
    """The names that a node uses."""
    return {inner.id for inner in p.walk(node) if isinstance(inner, p.Name)}


def typed(text: str) -> Expr:
    """An annotation, from its text."""
    return _typed(ast.parse(text, mode="eval").body)


def _typed(node: ast.expr) -> Expr:
    if isinstance(node, ast.Subscript):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return p.Index(_typed(node.value), tuple(_typed(item) for item in items))
    if isinstance(node, ast.BinOp):
        return p.Bin("|", _typed(node.left), _typed(node.right))
    if isinstance(node, ast.Constant):
        return p.Lit(node.value)
    assert isinstance(node, ast.Name)
    return p.Name(node.id)


@record
class Function:
    """A documented top-level function. Parameters are (name, annotation, default if any)."""

    name: str
    parameters: tuple[tuple[str, str] | tuple[str, str, Any], ...]
    result: str
    doc: str
    body: tuple[Statement, ...]

    def node(self) -> p.Def:
        """The definition."""
        parameters = tuple(
            p.Param(one[0], typed(one[1]), expr(one[2]) if len(one) > 2 else None)
            for one in self.parameters
        )
        return p.Def(self.name, parameters, typed(self.result), self.body, self.doc)

    def render(self) -> str:
        """The text of the definition."""
        return render([self.node()]).strip("\n")

    def names(self) -> set[str]:
        """The names of annotations and body."""
        return names_of(self.node())


def all_names(items: Iterable[Function]) -> set[str]:
    """The names of several functions."""
    return set().union(*(item.names() for item in items))
