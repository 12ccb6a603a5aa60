"""How weights start: one `initialize` for the layers of a kind that all start alike.

A kind of layer whose instances start differently is left to the constructors. What a framework
does by itself, ones and zeros of a normalisation, is not said again.
"""

from __future__ import annotations

from collections.abc import Iterator

from bmc.emit import pyexpr as p
from bmc.emit.backend import Module
from bmc.emit.layout import expression
from bmc.ir.model import Instance
from bmc.ops.base import Weight
from bmc.ops.initializers import RowLengths, Zeros
from bmc_torch.lower.initializers import initialise
from bmc_torch.lower.linear import NORMED

MODULE = p.Name("module")
ALREADY = (
    *(f"nn.{kind}Norm{axes}d" for kind in ("Batch", "Instance") for axes in (1, 2, 3)),
    "PaddedBatchNorm",
    "GroupNorm",
    "nn.GroupNorm",
    "nn.LayerNorm",
    "nn.RMSNorm",
)


class Starts:
    """The initialisers of all layers of a file."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, tuple[p.Call, ...]]] = {}  # kind -> weight -> calls
        self.count: dict[str, int] = {}
        self.seen: dict[str, dict[str, int]] = {}
        self.mixed: set[str] = set()
        self.names: dict[str, set[str]] = {}

    def add(self, rule: Module, instance: Instance) -> None:
        """Notes how a layer starts."""
        for path, kind, weights in _parts(rule, instance):
            del path
            if kind in ALREADY:
                continue
            self.count[kind] = self.count.get(kind, 0) + 1
            for key, weight in weights.items():
                self._note(kind, key, weight)

    def _note(self, kind: str, key: str, weight: Weight) -> None:
        known = self.calls.setdefault(kind, {})
        calls = _started(MODULE, key, weight)
        if not calls or any(isinstance(node, p.Var) for call in calls for node in p.walk(call)):
            self.mixed.add(kind)
            return
        if known.setdefault(key, calls) != calls:
            self.mixed.add(kind)
        seen = self.seen.setdefault(kind, {})
        seen[key] = seen.get(key, 0) + 1
        if not isinstance(weight.init, Zeros):
            self.names.setdefault(kind, set()).add(weight.init.name)

    def own(
        self, rule: Module, instance: Instance, target: p.Expr, looped: bool
    ) -> list[p.Statement]:
        """The statements of a constructor for a layer that starts in its own way.

        `looped` says that the layer is the variable of a loop, of which no type says more.
        """
        found: list[p.Statement] = []
        for path, kind, weights in _parts(rule, instance):
            if not self._apart(kind):
                continue
            place = p.Attr(target, path) if path else target
            for key, weight in weights.items():
                calls = _started(place, key, weight, looped)
                found += [p.ExprStmt(call) for call in calls]
        return found

    def function(self) -> p.Def | None:
        """`initialize(module)`; None when there is nothing to set."""
        groups: dict[tuple[p.Statement, ...], list[str]] = {}
        # Classes of the program before those of PyTorch that they are made from.
        for kind in sorted(self.calls, key=lambda kind: kind.startswith("nn.")):
            calls = self.calls[kind]
            if self._apart(kind) or not calls:
                continue
            statements = tuple(
                statement
                for key, made in calls.items()
                for statement in self._said(kind, key, made)
            )
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
        words = " and ".join(filter(None, (", ".join(named[:-1]), *named[-1:])))
        doc = f"Start from {words} weights and zero biases."
        parameter = p.Param("module", p.name("nn.Module"))
        return p.Def("initialize", (parameter,), p.Lit(None), test, doc=doc)

    def _apart(self, kind: str) -> bool:
        """Whether the layers of a kind start differently, or do not all have the same weights.

        What is left to the constructors of a class stays so for the one that it is made from,
        whose name covers both.
        """
        bare = kind.removeprefix("nn.")
        made = (bare, f"{NORMED}{bare}") if bare != kind else ()
        if any(own in self.calls and self._apart(own) for own in made):
            return True
        seen = self.seen.get(kind, {})
        some = any(key != "bias" and count != self.count[kind] for key, count in seen.items())
        return kind in self.mixed or some

    def _said(self, kind: str, key: str, calls: tuple[p.Call, ...]) -> tuple[p.Statement, ...]:
        """The calls; under a test where the layer may lack the weight."""
        statements = tuple(p.ExprStmt(call) for call in calls)
        # PyTorch's types say of every bias that it may be missing.
        if key != "bias" and self.seen[kind][key] == self.count[kind]:
            return statements
        there = p.Compare("is not", p.Attr(MODULE, key), p.Lit(None))
        return (p.IfStmt(there, statements),)


def _started(module: p.Expr, key: str, weight: Weight, looped: bool = False) -> tuple[p.Call, ...]:
    """The calls that start a weight of a module."""
    target = _parameter(module, key, looped)
    if isinstance(weight.init, RowLengths):
        return (p.call("start_scale", target, _parameter(module, "weight", looped)),)
    return initialise(target, weight.init, weight)


def _parameter(module: p.Expr, key: str, looped: bool = False) -> p.Expr:
    """`module.weight`; what PyTorch's types don't know is asked for by name."""
    if key.startswith(("weight_", "bias_")) or looped:
        return p.method(module, "get_parameter", key)
    return p.Attr(module, key)


def _parts(rule: Module, instance: Instance) -> Iterator[tuple[str, str, dict[str, Weight]]]:
    """The modules in which a layer keeps weights: where, of which class, the weights.

    `rule.weights` names the classes of the parts of a layer of our own.
    """
    found: dict[str, dict[str, Weight]] = {}
    for key, weight in instance.weights.items():
        path, _, leaf = key.rpartition(".")
        found.setdefault(path, {})[leaf] = weight
    for path, weights in found.items():
        yield path, rule.weights.get(path) or expression(rule.constructor.fn), weights
