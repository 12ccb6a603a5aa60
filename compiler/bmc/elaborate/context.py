"""What those who fill one block work with: the elaboration of the file, and the block so far."""

from __future__ import annotations

from typing import Any, Protocol

from bmc.diagnostics.diagnostic import Problems
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.naming import Site
from bmc.elaborate.scope import FileTable, Scope
from bmc.ir.model import BlockSpec, Guard, Instance, Step, Value
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


class Filling:
    """One block while it is filled: what is known so far, and where the work stands."""

    def __init__(self, elaborator: Context, spec: BlockSpec, scope: Scope) -> None:
        self.elaborator = elaborator
        self.evaluator = elaborator.evaluator
        self.problems = elaborator.problems
        self.spec = spec
        self.scope = scope
        self.body: list[Step] = spec.body
        self.complete = True
        self.statement_number = 0
        self.sites: dict[int, Site] = {}
        self.loop_path: tuple[int, ...] = ()
        self.guards: tuple[Guard, ...] = ()  # the choices that what is built now depends on
        self.turn_counts: list[dict[str, int]] = []
        self.budgets: list[tuple[ast.Assert, Scope]] = []


def outer(dim: Dim, environment: dict[str, Any], chain: bool = False) -> Dim:
    """A dimension of a block's output in the terms of the block's caller.

    A chain of layers is written among its caller's names, and may use any of them.
    """
    if not isinstance(dim, int):
        return dim
    expression = expression_of(dim)
    names = expression.names()
    if not names:
        return dim
    if not chain and not names <= set(environment):
        return Num(int(dim))
    known = {name: expression_of(environment[name]) for name in names & set(environment)}
    return Num(int(dim), expression.substitute(known))
