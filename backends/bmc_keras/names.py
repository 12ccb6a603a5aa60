"""Names of layers that Keras would give to an operation as well.

Keras calls an operation after its class (`relu`, `add`, `add_1`), and refuses a model in which
a layer of that name stands beside it. Such a layer is called otherwise inside the model; its
weights keep the author's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bmc.emit import pyexpr as p
from bmc.records import replace

OPERATORS = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "truedivide", "**": "power",
    "//": "floordivide", "%": "mod", "<": "less", "<=": "lessequal", ">": "greater",
    ">=": "greaterequal",
}  # fmt: skip


def distinct(
    statements: tuple[p.Statement, ...],
    blocks: Iterable[str],
    others: Iterable[p.Statement],
    code: str,
) -> tuple[tuple[p.Statement, ...], dict[str, str]]:
    """Statements in which no layer has an operation's name, and what the renamed ones were.

    `blocks` are functions that only begin names with the one that they are given; `others` the
    statements in them, and `code` that of helpers.
    """
    nodes = [node for statement in statements for node in p.walk(statement)]
    inside = [node for statement in others for node in p.walk(statement)]
    words = set(filter(None, map(_operation, [*nodes, *inside])))
    words |= {word.replace("_", "").lower() for word in re.findall(r"(?:ops|layers)\.(\w+)", code)}
    words |= set(OPERATORS.values()) if code else set()
    # `ops.rms_normalization` is an operation `rms_norm`.
    words |= {word.removesuffix("alization") for word in words if word.endswith("normalization")}
    given = [name for node in nodes if (name := _named(node, blocks)) is not None]
    new: dict[str, str] = {}
    for name in given:
        if _plain(name) in words:
            other = f"{name}_layer"
            while other in given or other in new.values():
                other += "_"
            new[name] = other
    if not new:
        return statements, {}
    changed = tuple(_changed(statement, new, blocks) for statement in statements)
    return changed, {other: name for name, other in new.items()}


def _plain(name: str) -> str:
    """`add_1` is `add`, `get_item` is `getitem`."""
    return re.sub(r"(_\d+)?$", "", name).replace("_", "")


def _operation(node: Any) -> str | None:
    """The operation that an expression becomes, without underscores."""
    if isinstance(node, p.Bin | p.Compare):
        return OPERATORS.get(getattr(node, "op", ""))
    if isinstance(node, p.Un):
        return "negative"
    if isinstance(node, p.Index):
        return "getitem"
    if isinstance(node, p.Call) and isinstance(node.fn, p.Attr):
        unnamed = "name" not in dict(node.kwargs)
        return node.fn.name.replace("_", "").lower() if unnamed else None
    return None


def _named(node: Any, blocks: Iterable[str]) -> str | None:
    """The name that a call gives to a layer."""
    if not isinstance(node, p.Call) or (isinstance(node.fn, p.Name) and node.fn.id in blocks):
        return None
    value = dict(node.kwargs).get("name")
    return value.value if isinstance(value, p.Lit) and isinstance(value.value, str) else None


def _changed(node: Any, new: dict[str, str], blocks: Iterable[str]) -> Any:
    if isinstance(node, tuple):
        return tuple(_changed(item, new, blocks) for item in node)
    if not isinstance(node, p.Expr | p.Statement):
        return node
    made = replace(node, **{k: _changed(v, new, blocks) for k, v in vars(node).items()})
    name = _named(node, blocks)
    if name not in new or not isinstance(made, p.Call):
        return made
    kwargs = tuple((k, p.lit(new[name]) if k == "name" else v) for k, v in made.kwargs)
    return replace(made, kwargs=kwargs)
