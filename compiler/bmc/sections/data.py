"""The data section: from the tree as written to a `DataProgram`, with the checks of compiling.

Reads no data: what only the file can tell (shapes of arrays, classes, bad values) is checked by
the generated program when it loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bmc.ops.data_images
import bmc.ops.data_sources
import bmc.ops.data_splits
import bmc.ops.data_steps  # noqa: F401  (declaring a step registers it)
from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.names import UnknownName
from bmc.diagnostics.problems.params import BadExpression, BadSetting
from bmc.diagnostics.problems.training import (
    DuplicateKey,
    MissingData,
    MissingKey,
    NotYet,
    UnknownEntry,
    UnknownKey,
)
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import UNKNOWN, FileTable, Scope
from bmc.ir.data import Columns, DataProgram, Entry, Wanted
from bmc.ops.base import Declaration
from bmc.ops.data import LATER, Source, Split
from bmc.ops.data_splits import Random
from bmc.ops.data_steps import Windows
from bmc.ops.kinds import REGISTRY, Word
from bmc.sections.data_entry import Pipelines
from bmc.sections.data_types import Draft, finish
from bmc.syntax import ast
from bmc.types.tensor import TensorType

KEYS = ("source", "split")


def build_data(
    section: ast.Section,
    wanted: Mapping[str, TensorType | Wanted],
    problems: Problems,
    settings: Mapping[str, Any],
) -> DataProgram | None:
    """The meaning of a data section, or None when a problem leaves no program.

    `wanted` holds the model inputs and loss targets by name; a bare `TensorType` is an input's.
    `settings` are the values that names in parentheses stand for.
    """
    before = len(problems)
    needs = {
        name: want if isinstance(want, Wanted) else Wanted(want, "input")
        for name, want in wanted.items()
    }
    builder = Builder(section, needs, problems, settings)
    program = builder.build()
    failed = any(problem.severity == "error" for problem in problems.items[before:])
    return None if failed else program


class Builder:
    """Collects the source, the split and the entries of one section."""

    def __init__(
        self,
        section: ast.Section,
        wanted: Mapping[str, Wanted],
        problems: Problems,
        settings: Mapping[str, Any],
    ) -> None:
        self.section = section
        self.wanted = wanted
        self.problems = problems
        table = FileTable(section.span.source.name, lets=dict(settings))
        self.scope = Scope(table)
        self.evaluator = Evaluator(problems)
        self.keys: dict[str, ast.Assign] = {}

    def fail(self, problem: Problem) -> None:
        """Reports a problem."""
        self.problems.add(problem)

    def build(self) -> DataProgram | None:
        """The program, as far as it can be made out."""
        assigns = self._sort()
        source = self._source()
        if source is None:
            return None
        pipelines = Pipelines(source, self.wanted, self.problems, self.evaluator, self.scope)
        for assign in assigns:
            pipelines.add(assign)
        self._filled(pipelines.drafts)
        entries = [finish(draft, self.problems) for draft in pipelines.drafts.values()]
        kept = self._kept([entry for entry in entries if entry is not None])
        split, chosen = self._split(source, pipelines.drafts)
        program = DataProgram(source, kept, split, chosen, self.section.doc)
        self._together(program)
        return program

    # --- statements -----------------------------------------------------------------------

    def _sort(self) -> list[ast.Assign]:
        """The entries; the keys `source` and `split` are put aside."""
        entries: list[ast.Assign] = []
        for statement in self.section.body:
            if not isinstance(statement, ast.Assign):
                word = statement.span.text.split()[0]
                self.fail(UnknownKey(statement.span, word, "data", KEYS))
                continue
            name = statement.targets[0].name
            if len(statement.targets) > 1 or name not in KEYS:
                entries.append(statement)
            elif name in self.keys:
                first = self.keys[name].targets[0].span
                self.fail(DuplicateKey(statement.targets[0].span, name, "data", first))
            else:
                self.keys[name] = statement
        return entries

    def _declared(self, key: str) -> tuple[ast.Expr, Any] | None:
        """What `source = …` or `split = …` declares."""
        value = self.keys[key].value
        while isinstance(value, ast.Paren):
            value = value.inner
        name = value.function if isinstance(value, ast.Call) else value
        if not isinstance(name, ast.Name):
            message = f"`{key}` is one of {_listed(key)}"
            self.fail(BadExpression(value.span, message, None))
            return None
        if name.id in LATER[key].names:
            self.fail(NotYet(name.span, name.id, f"{LATER[key].names[name.id]} come later"))
            return None
        declaration: type[Declaration] | None = REGISTRY[key].get(name.id)
        if declaration is None:
            self.fail(UnknownName(name.span, name.id, key, tuple(REGISTRY[key])))
            return None
        made = self.evaluator.make(declaration, value, self.scope)
        return None if made is UNKNOWN else (value, made)

    def _source(self) -> Source | None:
        if "source" not in self.keys:
            help_text = 'say where the data comes from, as in `source = csv("rows.csv")`'
            self.fail(MissingKey(self.section.span, "data", "source", help_text))
            return None
        found = self._declared("source")
        if found is None:
            return None
        value, source = found
        bad = [part for part in (source.path, *source.parts().values()) if not _plain_path(part)]
        if bad and source.paths:
            message = f"the path {bad[0]!a} must not be empty or hold control characters"
            self.fail(BadSetting(value.span, source.name, "path", message))
            return None
        return source  # type: ignore[no-any-return]

    # --- the split ------------------------------------------------------------------------

    def _split(
        self, source: Source, drafts: Mapping[str, Draft]
    ) -> tuple[Split | None, Columns | None]:
        if "split" not in self.keys:
            return None, None
        found = self._declared("split")
        if found is None:
            return None, None
        value, split = found
        twice = [name for name in getattr(split, "shares", dict)() if name in source.parts()]
        twice = [name for name in twice if name != "train"]
        if twice:
            message = f"has a share for `{twice[0]}`, which the source has of its own"
            self.fail(BadSetting(value.span, split.name, twice[0], message))
        if source.document and not split.contiguous:
            message = "can't split one long text"
            help_text = "use `contiguous(…)`, or `text(…, lines=true)` for one row a line"
            self.fail(BadSetting(value.span, split.name, "", message, help_text))
        if split.by_column and not source.tabular:
            message = "needs a table with a column for it"
            self.fail(BadSetting(value.span, split.name, "column", message, None))
        chosen = None
        if isinstance(split, Random):
            for key in ("stratify", "group"):
                if getattr(split, key) is not None:
                    chosen = self._labels(value, split, key, drafts)
        return split, chosen

    def _labels(
        self, value: ast.Expr, split: Random, key: str, drafts: Mapping[str, Draft]
    ) -> Columns | None:
        """The column behind `stratify=label` or `group="person"`."""
        label = getattr(split, key)
        if isinstance(label, str):
            return Columns((label,), True)
        assert isinstance(label, Word)
        draft = drafts.get(label.id)
        while draft is not None and draft.base is not None:
            draft = drafts.get(draft.base)
        if draft is None:
            self.fail(UnknownEntry(value.span, label.id, tuple(drafts)))
            return None
        if draft.columns is None or not draft.columns.single:
            message = f"needs an entry of one column, and `{label.id}` has several"
            self.fail(BadSetting(value.span, "random", key, message))
            return None
        return draft.columns

    # --- checks of the whole --------------------------------------------------------------

    def _filled(self, drafts: Mapping[str, Draft]) -> None:
        """Every input of the model and every target of a loss has an entry."""
        for name, want in self.wanted.items():
            if name in drafts:
                continue
            if want.role == "input":
                self.fail(MissingData(self.section.span, name, want.model or "the model"))
            else:
                self.fail(UnknownEntry(self.section.span, name, tuple(drafts)))

    def _kept(self, entries: list[Entry]) -> tuple[Entry, ...]:
        """The entries that are wanted, and those that they continue."""
        needed = {entry.name for entry in entries if entry.role}
        for entry in reversed(entries):
            if entry.name in needed and entry.base:
                needed.add(entry.base)
        return tuple(entry for entry in entries if entry.name in needed)

    def _together(self, program: DataProgram) -> None:
        """Windows and rows do not mix; windows start alike."""
        wanted = program.wanted()
        windowed = [entry for entry in wanted if entry.carrying.windowed]
        for entry in wanted:
            if entry.carrying.shift and not entry.carrying.windowed:
                self._entry_fails(entry, "`lead` needs `windows` after it")
        if not windowed:
            return
        for entry in wanted:
            if not entry.carrying.windowed:
                message = f"`{windowed[0].name}` has windows, so `{entry.name}` needs them too"
                self._entry_fails(entry, message)
        strides = {
            use.step.step()
            for entry in windowed
            for use in entry.uses()
            if isinstance(use.step, Windows)
        }
        if len(strides) > 1:
            message = "all windows of a program start alike: give them the same `stride`"
            self._entry_fails(windowed[-1], message)
        if program.split is not None and not program.split.contiguous:
            message = "windows need rows that follow each other: use `split = contiguous(…)`"
            self._entry_fails(windowed[0], message)

    def _entry_fails(self, entry: Entry, message: str) -> None:
        span = entry.span or self.section.span
        self.fail(BadExpression(span, message, None))


def _plain_path(path: str) -> bool:
    return bool(path) and path.isprintable()


def _listed(key: str) -> str:
    return ", ".join(f"`{name}`" for name in REGISTRY[key])
