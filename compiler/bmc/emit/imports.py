"""Imports as values: collected from the names that a program uses, printed sorted."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bmc.emit.pyexpr import Name, walk


@dataclass(frozen=True)
class Import:
    """`import module`, `import module as alias`, or `from module import name`."""

    module: str
    name: str | None = None
    alias: str | None = None

    @property
    def bound(self) -> str:
        """The name that the program uses."""
        return self.alias or self.name or self.module.split(".")[0]


@dataclass
class Imports:
    """The imports of one program."""

    items: set[Import] = field(default_factory=set)

    def add(self, *wanted: Import) -> None:
        """Adds imports."""
        self.items.update(wanted)

    def use(self, roots: Iterable[str], table: Mapping[str, Import]) -> None:
        """Adds what the table has for these names."""
        self.items.update(table[root] for root in roots if root in table)

    def render(self) -> str:
        """Import statements in blocks: future, standard library, third party."""
        blocks: dict[int, list[str]] = {}
        plain = sorted(
            (i for i in self.items if i.name is None), key=lambda i: (i.module, i.alias or "")
        )
        for item in plain:
            text = f"import {item.module}" + (f" as {item.alias}" if item.alias else "")
            blocks.setdefault(_block(item.module), []).append(text)
        named: dict[str, set[str]] = {}
        for item in self.items:
            if item.name is not None:
                shown = f"{item.name} as {item.alias}" if item.alias else item.name
                named.setdefault(item.module, set()).add(shown)
        for module in sorted(named):
            blocks.setdefault(_block(module), []).append(
                _from(module, sorted(named[module], key=_order))
            )
        return (
            "\n\n".join("\n".join(blocks[key]) for key in sorted(blocks)) + "\n" if blocks else ""
        )


def _order(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


def _from(module: str, names: list[str]) -> str:
    one = f"from {module} import {', '.join(names)}"
    if len(one) <= 88:
        return one
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _block(module: str) -> int:
    root = module.split(".")[0]
    if root == "__future__":
        return 0
    if root in sys.stdlib_module_names:
        return 1
    return 2 if root not in LOCAL else 3


LOCAL = frozenset(
    {
        "checkpoint",
        "data",
        "evaluate",
        "metrics",
        "model",
        "optimizers",
        "predict",
        "runtime",
        "train",
    }
)


def collect(nodes: Iterable[Any], table: Mapping[str, Import]) -> Imports:
    """The imports for every name in the trees that the table knows."""
    imports = Imports()
    for node in nodes:
        imports.use({n.id for n in walk(node) if isinstance(n, Name)}, table)
    return imports
