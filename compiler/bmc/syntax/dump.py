"""The syntax tree as an indented outline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bmc.records import fields
from bmc.syntax import ast

HIDDEN = ("span", "name_span", "source", "comments", "text")


def dump(file: ast.File) -> str:
    """Every node a line: its form, its plain fields, and below it the nodes that it holds."""
    return "\n".join(line for item in file.items for line in _node(item, "", ""))


def _node(node: Any, pad: str, label: str) -> Iterator[str]:
    values = {name: getattr(node, name) for name in fields(type(node)) if name not in HIDDEN}
    plain = [f"{k}={v!r}" for k, v in values.items() if not _holds(v) and v not in (None, ())]
    yield f"{pad}{label}{type(node).__name__}({', '.join(plain)})"
    for name, value in values.items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, ast.Node):
                yield from _node(one, pad + "  ", f"{name}: ")


def _holds(value: Any) -> bool:
    """Whether a field has nodes in it."""
    items = value if isinstance(value, tuple) else (value,)
    return any(isinstance(item, ast.Node) for item in items)
