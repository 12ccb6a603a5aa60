"""Finds a backend's rule for a layer, and says so by name where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Unsupported as NotSupported
from bmc.elaborate.naming import snake
from bmc.emit.attention import shorter
from bmc.emit.backend import Function, Lowered, Lowerings, Module, Site, Unsupported
from bmc.emit.names import class_name
from bmc.emit.program import specs_below
from bmc.emit.pyexpr import Attr, Expr, Name, call, mapped
from bmc.ir.model import BlockSpec, Instance
from bmc.ops.attention import Attention, SelfAttention
from bmc.ops.base import Declaration, Layer
from bmc.records import replace

NO_RULE = Unsupported("it is not lowered yet")


def lowered(
    table: Lowerings,
    instance: Instance,
    problems: Problems,
    last: bool = False,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Module | Function | None:
    """What a backend makes of a layer; None when it was refused, which is then in `problems`.

    `last` says whether its values are laid out channels last; `names` are other names of classes
    and functions of the file.
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
    return renamed(found, names) if names else found


def renamed(rule: Module | Function, names: Mapping[str, str]) -> Module | Function:
    """A rule whose helpers have other names."""
    if not any(helper.name in names for helper in rule.support):
        return rule
    words = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")

    def other(text: str) -> str:
        return words.sub(lambda match: names[match[0]], text)

    def change(node: Any) -> Expr | None:
        if isinstance(node, Name):
            return Name(other(node.id))
        if isinstance(node, Attr):
            return Attr(mapped(node.base, change), other(node.name))
        return None

    support = tuple(
        replace(helper, name=other(helper.name), code=other(helper.code)) for helper in rule.support
    )
    if isinstance(rule, Module):
        made = mapped(rule.constructor, change)
        return replace(rule, constructor=made, helper=other(rule.helper), support=support)
    return replace(rule, build=lambda args: mapped(rule.build(args), change), support=support)


def short_names(table: Lowerings, main: BlockSpec) -> dict[str, str]:
    """Shorter names for the attention of a program, of classes and of functions.

    No block of the program has one of them.
    """
    found: set[str] = set()
    waiting, seen = list(main.instances), set[int]()
    while waiting:
        here = waiting.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        waiting += [inner for _, inner in here.inside()]
        if isinstance(here.target, SelfAttention | Attention):
            rule = lowered(table, here, Problems())
            found |= {helper.name for helper in (rule.support if rule else ())}
    camel = {name if name[:1].isupper() else _camel(name) for name in found}
    taken = {class_name(spec.name) for spec in (*specs_below(main), main)}
    names = shorter(sorted(camel), taken)
    return names | {snake(name): snake(short) for name, short in names.items()}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


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
