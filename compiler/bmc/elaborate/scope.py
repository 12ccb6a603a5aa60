"""Names and what they stand for, inside one file and inside one block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bmc.ir.model import Instance, Value
from bmc.records import field, record
from bmc.source import Span
from bmc.syntax import ast


class Unknown:
    """What a failed expression is worth. Later checks skip it: one cause, one error."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@record(frozen=False, eq=False)
class Tensors:
    """Several tensors that flow together."""

    items: list[Value]


@record(frozen=False, eq=False)
class Family:
    """`skip[i] = …`: tensors (or layers) by index; their shapes may differ."""

    name: str
    members: dict[int, Any] = field(default_factory=dict)


@record(frozen=False, eq=False)
class Chain:
    """Layers not applied yet, with the scope that their settings are read in."""

    expression: ast.Expr
    scope: Scope
    name: str = ""
    count: ast.Expr | None = None


@record(frozen=False, eq=False)
class BoundLayer:
    """`layer name = …`: made on its first use, the same weights on every use."""

    name: str
    chain: Chain
    span: Span
    doc: str | None = None
    instance: Instance | None = None
    place: int | None = None  # its index when it is a member of a family


@record(frozen=False, eq=False)
class FileTable:
    """The blocks, models and lets that a file sees."""

    name: str
    blocks: dict[str, ast.Block] = field(default_factory=dict)
    owners: dict[str, FileTable] = field(default_factory=dict)  # where an imported name lives
    lets: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    file: ast.File | None = None

    def owner(self, name: str) -> FileTable:
        """The file that declares the block `name`."""
        return self.owners.get(name, self)


@record(frozen=False, eq=False)
class Scope:
    """Names of a block, or of one turn of a loop in it (then `parent` is what is around it)."""

    table: FileTable
    parent: Scope | None = None
    names: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)

    def find(self, name: str) -> Any:
        """What a name stands for here, or None."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return self.table.lets.get(name)

    def span(self, name: str) -> Span | None:
        """Where a name was made."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.spans:
                return scope.spans[name]
            scope = scope.parent
        return self.table.spans.get(name)

    def define(self, name: str, thing: Any, span: Span) -> None:
        """Binds a name here, or where it lives already in this block."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                scope.names[name] = thing
                scope.spans[name] = span
                return
            scope = scope.parent
        self.names[name] = thing
        self.spans[name] = span

    def every_value(self) -> Iterator[Any]:
        """What all names of this place stand for, those of the file aside."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names.values()
            scope = scope.parent

    def every_name(self) -> Iterator[str]:
        """All names that can be used here."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent
        yield from self.table.lets
