"""Imports as values: collected from the names that a program uses, printed sorted."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping

from bmc.emit.gate import PROGRAM_FILES, walk
from bmc.records import field, record


@record
class Import:
    """`import module`, `import module as alias`, or `from module import name`."""

    module: str
    name: str | None = None
    alias: str | None = None

    @property
    def bound(self) -> str:
        """The name that the program uses."""
        return self.alias or self.name or self.module.split(".")[0]


@record(frozen=False)
class Imports:
    """The imports of one program."""

    items: set[Import] = field(default_factory=set)

    def add(self, *wanted: Import) -> None:
        """Adds imports."""
        self.items.update(wanted)

    def use(self, roots: Iterable[str], table: Mapping[str, Import]) -> None:
        """Adds what the table has for these names."""
        self.items.update(table[root] for root in roots if root in table)

    def render(self, between: str = "") -> str:
        """Import statements in blocks: future, standard library, third party, own."""
        blocks: dict[float, list[str]] = {}
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
        texts = {key: "\n".join(lines) for key, lines in blocks.items()}
        if between:
            texts[STANDARD + 0.5] = between
        return "\n\n".join(texts[key] for key in sorted(texts)) + "\n" if texts else ""


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
        return STANDARD
    return 2 if root not in PROGRAM_FILES else 3


STANDARD = 1


def import_block(text: str, table: Mapping[str, Import], between: str = "") -> str:
    """The imports of the names that a file's text uses and does not define.

    `between` is what must be done before a framework is imported.
    """
    tree = ast.parse(f"{between}\n{text}")
    used = {node.id for node in walk(tree) if isinstance(node, ast.Name)}
    used -= {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    imports = Imports()
    imports.use(used, table)
    return imports.render(between).rstrip("\n")
