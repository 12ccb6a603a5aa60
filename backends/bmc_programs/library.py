"""The stock of helper functions: finds them by name in `parts`, with all that they need.

A program gets whole top-level definitions, as they stand. What a definition needs is read off
the names in it; what it imports, off the imports of its module. Nothing is imported to find out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path

from bmc.emit.gate import walk
from bmc.emit.parts import definitions as split
from bmc.emit.parts import imports
from bmc.emit.text import string
from bmc.records import record

FOLDER = Path(__file__).parent / "parts"
MODULES = (
    "core", "plain", "drawn", "splits", "npz", "tables", "pictures", "steps", "tokens", "values",
    "losses",    "scores", "weights", "runs",
)  # fmt: skip
THIRD = ("numpy", "PIL", "safetensors", "tqdm")
OWN = "bmc_programs.parts"


LONE = "            rows = without_lone_row(rows, batch_size)\n"
SHUFFLED = "shuffled(len(rows), "
DOCS = ("as (seed, epoch) shuffles them.", "as (seed, epoch) draws them by their weights.")


class Definition:
    """A top-level definition: its text, the names in it, and its place in the stock."""

    def __init__(self, name: str, text: str, constant: bool, order: tuple[int, int]) -> None:
        self.name, self.text, self.constant, self.order = name, text, constant, order

    def without(self, line: str) -> Definition:
        """The definition without a line that it may have."""
        if line not in self.text:
            return self
        return Definition(self.name, self.text.replace(line, ""), self.constant, self.order)

    def sampling(self, column: str) -> Definition:
        """The definition of `Data` with rows drawn by the weights in a column."""
        text = self.text.replace(SHUFFLED, f"drawn_rows(self.columns[{string(column)}][rows], ")
        return Definition(self.name, text.replace(*DOCS), self.constant, self.order)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that it uses and does not make itself."""
        return names_in(ast.parse(self.text))


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
    bound: dict[str, Import] = {}
    for number, module in enumerate(MODULES):
        text = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
        for origin, names in imports(text):
            bound.update(_imports(origin or None, names))
        for match, body in split(text):
            name = str(match.group("f") or match.group("c") or match.group("v"))
            constant = match.group("v") is not None
            made = Definition(name, body, constant, (number, match.start()))
            definitions[name] = (*definitions.get(name, ()), made)
    return definitions, bound


@cache
def functions(*modules: str) -> frozenset[str]:
    """The names that modules of the stock define."""
    numbers = {MODULES.index(module) for module in modules}
    definitions, _ = stock()
    return frozenset(
        name for name, made in definitions.items() if any(one.order[0] in numbers for one in made)
    )


def names_in(tree: ast.AST) -> frozenset[str]:
    """Every name that a piece of code uses and does not make itself, in quotes excepted."""
    used: set[str] = set()
    made: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Name):
            (made if isinstance(node.ctx, ast.Store) else used).add(node.id)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            made.add(node.name)
    return frozenset(used - made)


def _imports(module: str | None, names: str) -> dict[str, Import]:
    if module is not None and (module == "__future__" or module.startswith(OWN)):
        return {}
    found: dict[str, Import] = {}
    for part in names.split(","):
        name, _, alias = part.strip().partition(" as ")
        bound = alias or name
        found[bound] = Import(module or name, name if module else None, bound)
    return found


def needed(
    roots: Iterable[str], drawn: bool, lone: bool = True, sampler: str | None = None
) -> list[Definition]:
    """The definitions with these names and all that they use, in the order of the stock.

    `drawn` chooses the `Data` whose steps draw random numbers; `lone` says whether it trains on
    a batch of one row, too; `sampler` is the column with the weights that rows are drawn by.
    """
    definitions, _ = stock()
    found: dict[str, Definition] = {}
    waiting = [name for name in roots if name in definitions]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        choices = definitions[name]
        chosen = choices[-1] if drawn else choices[0]
        chosen = chosen.without(LONE) if lone else chosen
        found[name] = chosen.sampling(sampler) if sampler and name == "Data" else chosen
        waiting += [other for other in found[name].names if other in definitions]
    return sorted(found.values(), key=lambda definition: definition.order)


def import_block(names: Iterable[str]) -> str:
    """The import statements that bind these names, sorted as isort does."""
    _, known = stock()
    used = [known[name] for name in set(names) if name in known]
    third = [item for item in used if item.module.split(".")[0] in THIRD]
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
