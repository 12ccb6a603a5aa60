"""Losses, metrics and predictions as expressions: each step by its rule, as layers have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bmc.emit.backend import Function, Lowerings, Module, Site, Support, Unsupported
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Expr, method
from bmc.ir.training import Applied, TensorRef, Tree, Undo, parts
from bmc.ops.base import Declaration, Layer, Padding

PADDED = Unsupported("padding would count", "take it inside the model, which leaves padding out")
WEIGHTED = Unsupported("it keeps something, and belongs into the model")


def site_of(tree: Applied) -> Site:
    """Where a step stands: the types of what it takes and gives."""
    return Site(tuple(item.type for item in tree.inputs), (tree.type,), {})


def lowered(tree: Applied, table: Lowerings) -> Function | Module | Unsupported:
    """What a backend makes of one step."""
    site = site_of(tree)
    if any(kind.ragged for kind in site.inputs) and _minds_padding(tree.op, site):
        return PADDED
    found = rule_for(table, tree.op, site)
    assert isinstance(found, Function | Module | Unsupported)
    if isinstance(found, Module) and found.weights:
        return WEIGHTED
    return found


def _minds_padding(op: Declaration, site: Site) -> bool:
    return not isinstance(op, Layer) or op.padding_rule(*site.inputs) != Padding()


def refused(tree: Tree, table: Lowerings) -> Iterator[tuple[Applied, Unsupported]]:
    """The steps that a backend does not do."""
    for part in parts(tree):
        if isinstance(part, Applied):
            found = lowered(part, table)
            if isinstance(found, Unsupported):
                yield part, found


class Printer:
    """Prints trees with one table's rules; `leaf` names a tensor, `undo` takes an entry back.

    `support` gathers the helpers that the printed steps need.
    """

    def __init__(
        self,
        table: Lowerings,
        leaf: Callable[[TensorRef], Expr],
        undo: Callable[[str, Expr], Expr] | None = None,
    ) -> None:
        self.table, self.leaf, self.undo = table, leaf, undo
        self.support: dict[str, Support] = {}

    def __call__(self, tree: Tree) -> Expr:
        """The expression of a tree."""
        if isinstance(tree, TensorRef):
            return self.leaf(tree)
        if isinstance(tree, Undo):
            assert self.undo is not None
            value = self(tree.value)
            if tree.value.type.dtype == "bool":  # yes is class 1
                value = method(value, "astype", "int64")
            return self.undo(tree.entry, value)
        found = lowered(tree, self.table)
        assert isinstance(found, Function | Module)
        self.support |= {helper.name: helper for helper in found.support}
        values = [self(item) for item in tree.inputs]
        if isinstance(found, Function):
            return found.build(values)
        return found.apply(found.constructor, values)
