"""How weights start: one `initialize` for the layers of a kind that all start alike.

A kind of layer whose instances start differently is left to the constructors. What a framework
does by itself, ones and zeros of a normalisation, is not said again.
"""

from __future__ import annotations

from bmc.emit import pyexpr as p
from bmc.emit.layout import expression
from bmc.ir.model import Instance
from bmc.ops.initializers import Zeros
from bmc_torch.lower.initializers import initialise

MODULE = p.Name("module")
ALREADY = (
    *(f"nn.{kind}Norm{axes}d" for kind in ("Batch", "Instance") for axes in (1, 2, 3)),
    "nn.GroupNorm",
    "nn.LayerNorm",
    "nn.RMSNorm",
)


class Starts:
    """The initialisers of all layers of a file."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, p.Call]] = {}  # kind -> weight -> call
        self.count: dict[str, int] = {}
        self.seen: dict[str, dict[str, int]] = {}
        self.mixed: set[str] = set()
        self.names: dict[str, set[str]] = {}

    def add(self, constructor: p.Call, instance: Instance) -> None:
        """Notes how a layer starts."""
        kind = expression(constructor.fn)
        if kind in ALREADY:
            return
        self.count[kind] = self.count.get(kind, 0) + 1
        known = self.calls.setdefault(kind, {})
        for key, weight in instance.weights.items():
            call = initialise(p.Attr(MODULE, key), weight.init, weight)
            if call is None or any(isinstance(node, p.Var) for node in p.walk(call)):
                self.mixed.add(kind)
                continue
            if known.setdefault(key, call) != call:
                self.mixed.add(kind)
            seen = self.seen.setdefault(kind, {})
            seen[key] = seen.get(key, 0) + 1
            if not isinstance(weight.init, Zeros):
                self.names.setdefault(kind, set()).add(weight.init.name)

    def own(self, constructor: p.Call, instance: Instance, target: p.Expr) -> list[p.Statement]:
        """The statements of a constructor for a layer that starts in its own way."""
        if expression(constructor.fn) not in self.mixed:
            return []
        found: list[p.Statement] = []
        for key, weight in instance.weights.items():
            call = initialise(p.Attr(target, key), weight.init, weight)
            if call is not None:
                found.append(p.ExprStmt(call))
        return found

    def function(self) -> p.Def | None:
        """`initialize(module)`; None when there is nothing to set."""
        groups: dict[tuple[p.Statement, ...], list[str]] = {}
        for kind, calls in self.calls.items():
            if kind in self.mixed or not calls:
                continue
            statements = tuple(self._statement(kind, key, call) for key, call in calls.items())
            groups.setdefault(statements, []).append(kind)
        test: tuple[p.Statement, ...] = ()
        for statements, kinds in reversed(groups.items()):
            union: p.Expr = p.name(kinds[0])
            for kind in kinds[1:]:
                union = p.Bin("|", union, p.name(kind))
            test = (p.IfStmt(p.call("isinstance", MODULE, union), statements, test),)
        if not test:
            return None
        named = sorted(
            {n for kinds in groups.values() for k in kinds for n in self.names.get(k, ())}
        )
        doc = f"Start from {' and '.join(named)} weights and zero biases."
        parameter = p.Param("module", p.name("nn.Module"))
        return p.Def("initialize", (parameter,), p.Lit(None), test, doc=doc)

    def _statement(self, kind: str, key: str, call: p.Call) -> p.Statement:
        statement = p.ExprStmt(call)
        if key != "bias" and self.seen[kind][key] == self.count[kind]:
            return statement
        there = p.Compare("is not", p.Attr(MODULE, key), p.Lit(None))
        return p.IfStmt(there, (statement,))
