"""Finds a backend's rule for a layer, and says so by name where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Unsupported as NotSupported
from bmc.emit.backend import Function, Lowered, Lowerings, Module, Site, Unsupported
from bmc.emit.pyexpr import call
from bmc.ir.model import Instance
from bmc.ops.base import Declaration, Layer

NO_RULE = Unsupported("it is not lowered yet")


def lowered(
    table: Lowerings, instance: Instance, problems: Problems, last: bool = False
) -> Module | Function | None:
    """What a backend makes of a layer; None when it was refused, which is then in `problems`.

    `last` says whether its values are laid out channels last.
    """
    op = instance.target
    assert isinstance(op, Layer)
    owner = next((one.target for one, _ in instance.shared.values()), None)
    site = Site(
        instance.given_types,
        instance.outputs,
        instance.weights,
        instance.lends,
        owner if isinstance(owner, Layer) else None,
        instance.masks,
        last,
    )
    found = rule_for(table, op, site)
    if isinstance(found, Unsupported):
        problems.add(
            NotSupported(instance.span, table.backend, f"`{op.name}`", found.reason, found.help)
        )
        return None
    assert isinstance(found, Module | Function)
    return found


def plain(function: str) -> Callable[[Any, Site], Function]:
    """The rule of what a function of the same meaning does with the same values."""

    def rule(op: Any, site: Site) -> Function:
        """The function of the same meaning."""
        return Function(lambda args: call(function, *args))

    return rule


def rule_for(table: Lowerings, op: Declaration, site: Site) -> Lowered:
    """What a backend makes of a declaration in a place, or why it does not."""
    rule = table.find(op)
    if rule is None:
        return NO_RULE
    found: Lowered = rule(op, site)
    return found
