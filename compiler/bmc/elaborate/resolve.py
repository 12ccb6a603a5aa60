"""Files, imports and top-level names.

Reads through the project only, so that no import leaves its root.
"""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.files import FileRefused
from bmc.diagnostics.problems.names import (
    DuplicateName,
    ImportCycle,
    ImportMissing,
    ReservedName,
    WrongCase,
)
from bmc.elaborate.budget import BUDGETS
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.overrides import Overrides
from bmc.elaborate.scope import UNKNOWN, FileTable, Scope
from bmc.ops.kinds import Word
from bmc.project import Project
from bmc.source import Source
from bmc.syntax import ast
from bmc.syntax.parse import parse


class Resolver:
    """Makes the table of a file and of all that it imports."""

    def __init__(self, project: Project, problems: Problems) -> None:
        self.project = project
        self.problems = problems
        self.tables: dict[str, FileTable | None] = {}
        self.chain: list[str] = []

    def table(self, file: ast.File, source: Source, overrides: Overrides) -> FileTable:
        """The names that a file sees, imports included."""
        table = FileTable(source.name, file=file)
        scope = Scope(table)
        self.chain.append(source.path or source.name)
        for item in file.items:
            if isinstance(item, ast.Import):
                self._import(item, table, source)
            elif isinstance(item, ast.Block):
                self._block(item, table)
            elif isinstance(item, ast.Let):
                self._let(item, table, scope, overrides)
        self.chain.pop()
        return table

    def _block(self, block: ast.Block, table: FileTable) -> None:
        if not block.name[0].isupper():
            self.problems.add(WrongCase(block.name_span, block.name, "capital", block.kind))
        self._declare(block.name, block, table, block.name_span)

    def _declare(self, name: str, block: ast.Block, table: FileTable, span: Any) -> None:
        if name in table.blocks:
            self.problems.add(DuplicateName(span, name, "name", table.spans[name]))
            return
        table.blocks[name] = block
        table.spans[name] = span

    def _let(self, item: ast.Let, table: FileTable, scope: Scope, overrides: Overrides) -> None:
        if item.name in BUDGETS:
            why = "`assert` counts it"
            self.problems.add(ReservedName(item.span, item.name, why))
            return
        if item.name in table.lets:
            self.problems.add(DuplicateName(item.span, item.name, "let", table.spans[item.name]))
            return
        expr = overrides.lets.get(item.name, item.value)
        evaluator = Evaluator(self.problems)
        value = evaluator.constant(expr, scope)
        if isinstance(value, Word):
            evaluator.unknown_word(expr, value, scope)
            value = UNKNOWN
        table.lets[item.name] = value
        table.spans[item.name] = item.span

    def _import(self, item: ast.Import, table: FileTable, source: Source) -> None:
        try:
            path = self.project.resolve_import(
                source.path or source.name, item.path.value, item.path.span
            )
            if path in self.chain:
                chain = (*self.chain[self.chain.index(path) :], path)
                self.problems.add(ImportCycle(item.span, chain))
                return
            if path not in self.tables:
                read = self.project.read(path, item.path.span)
                file = parse(read, self.problems)
                self.tables[path] = None if file is None else self.table(file, read, Overrides())
        except FileRefused as refused:
            self.problems.add(refused.problem)
            path = ""
        imported = self.tables.get(path)
        if imported is None:
            table.lets |= {name.id: UNKNOWN for name in item.names}
            return
        for name in item.names:
            self._import_name(name, imported, table, item)

    def _import_name(
        self, name: ast.Name, imported: FileTable, table: FileTable, item: ast.Import
    ) -> None:
        if name.id in imported.blocks:
            self._declare(name.id, imported.blocks[name.id], table, name.span)
            table.owners[name.id] = imported.owner(name.id)
        elif name.id in imported.lets:
            table.lets[name.id] = imported.lets[name.id]
            table.spans[name.id] = name.span
        else:
            known = (*imported.blocks, *imported.lets)
            self.problems.add(ImportMissing(name.span, name.id, item.path.value, known))
