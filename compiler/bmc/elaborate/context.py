"""What elaboration gives to those who fill one block: other blocks, and what is left of the budget."""

from __future__ import annotations

from typing import Any, Protocol

from bmc.diagnostics.diagnostic import Problems
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import FileTable, Scope
from bmc.ir.model import BlockSpec, Instance, Value
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Dim, Num, expression_of

MAX_LAYERS = 10_000
MAX_ELEMENTS = 2**40


class Context(Protocol):
    """The elaboration of a whole file, as the filling of a block sees it."""

    problems: Problems
    evaluator: Evaluator

    def block(
        self,
        block: ast.Block,
        table: FileTable,
        values: dict[str, Any],
        inputs: tuple[Value, ...] | None,
        span: Span,
    ) -> BlockSpec | None:
        """The spec of a block for settings and inputs; None when it failed."""

    def count(self, instance: Instance) -> int:
        """Layers under an instance, copies of repeats included."""

    def within_budget(self, count: int, span: Span) -> bool:
        """Whether so many layers are allowed; reports it when not."""

    def connect(self, count: int, span: Span) -> bool:
        """Counts values that flow into a layer; reports it, once, when they are too many."""


class Filling(Protocol):
    """The filling of one block, as what it hands a part of the work to sees it."""

    problems: Problems
    scope: Scope

    def block_instance(
        self,
        layer: ast.Name | ast.Call,
        head: ast.Name,
        values: list[Value],
        scanned: bool = False,
    ) -> Instance | None:
        """An instance of a block for these values."""


def outer(dim: Dim, environment: dict[str, Any]) -> Dim:
    """A dimension of a block's output in the terms of the block's caller."""
    if not isinstance(dim, int):
        return dim
    expression = expression_of(dim)
    names = expression.names()
    if not names:
        return dim
    if not names <= set(environment):
        return Num(int(dim))
    known = {name: expression_of(environment[name]) for name in names}
    return Num(int(dim), expression.substitute(known))
