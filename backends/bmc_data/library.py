"""The stock of helper functions: finds them by name in `parts`, with all that they need.

A program gets whole top-level definitions, as they stand. What a definition needs is read off
the names in it; what it imports, off the imports of its module. Nothing is imported to find out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bmc.records import record

FOLDER = Path(__file__).parent / "parts"
MODULES = (
    "core", "plain", "drawn", "splits", "npz", "tables", "pictures", "steps", "tokens", "scores",
)  # fmt: skip
OWN = "bmc_data.parts"


@record
class Definition:
    """A top-level definition: its text, the names in it, and its place in the stock."""

    name: str
    text: str
    names: frozenset[str]
    constant: bool
    order: tuple[int, int]


@record
class Import:
    """`import module`, or `from module import name`; `bound` is the name that it binds."""

    module: str
    name: str | None
    bound: str

    def line(self) -> str:
        """The statement by itself."""
        if self.name is None:
            return f"import {self.module}" + (
                f" as {self.bound}" if self.bound != self.module else ""
            )
        return f"from {self.module} import {self.name}"


@cache
def stock() -> tuple[dict[str, tuple[Definition, ...]], dict[str, Import]]:
    """All definitions by name (`Data` has two), and all imports by the name they bind."""
    definitions: dict[str, tuple[Definition, ...]] = {}
    imports: dict[str, Import] = {}
    for number, module in enumerate(MODULES):
        text = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports.update(_imports(node))
                continue
            name = _name(node)
            if name is None:
                continue
            first = node.lineno
            for decorator in getattr(node, "decorator_list", ()):
                first = min(first, decorator.lineno)
            found = Definition(
                name,
                "\n".join(lines[first - 1 : node.end_lineno]),
                names_in(node),
                isinstance(node, ast.Assign | ast.AnnAssign),
                (number, node.lineno),
            )
            definitions[name] = (*definitions.get(name, ()), found)
    return definitions, imports


def names_in(tree: ast.AST) -> frozenset[str]:
    """Every name that a piece of code uses and does not make itself, in quotes excepted."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return frozenset(node.id for node in names) - made


def _imports(node: ast.Import | ast.ImportFrom) -> dict[str, Import]:
    if isinstance(node, ast.Import):
        return {a.asname or a.name: Import(a.name, None, a.asname or a.name) for a in node.names}
    module = node.module or ""
    if module == "__future__" or module.startswith(OWN):
        return {}
    return {alias.name: Import(module, alias.name, alias.name) for alias in node.names}


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def needed(roots: Iterable[str], drawn: bool) -> list[Definition]:
    """The definitions with these names and all that they use, in the order of the stock.

    `drawn` chooses the `Data` whose steps draw random numbers.
    """
    definitions, _ = stock()
    found: dict[str, Definition] = {}
    waiting = [name for name in roots if name in definitions]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        choices = definitions[name]
        found[name] = choices[-1] if drawn else choices[0]
        waiting += [other for other in found[name].names if other in definitions]
    return sorted(found.values(), key=lambda definition: definition.order)


def import_block(names: Iterable[str]) -> str:
    """The import statements that bind these names, sorted as isort does."""
    _, known = stock()
    used = [known[name] for name in set(names) if name in known]
    third = [item for item in used if item.module.split(".")[0] in ("numpy", "PIL")]
    groups = [[item for item in used if item not in third], third]
    blocks = ["from __future__ import annotations"]
    blocks += ["\n".join(_statements(group)) for group in groups if group]
    return "\n\n".join(blocks)


def _statements(group: list[Import]) -> list[str]:
    plain = sorted(item.line() for item in group if item.name is None)
    modules: dict[str, list[str]] = {}
    for item in group:
        if item.name is not None:
            modules.setdefault(item.module, []).append(item.name)
    return plain + [
        f"from {module} import {', '.join(sorted(modules[module], key=_case))}"
        for module in sorted(modules, key=str.lower)
    ]


def _case(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
