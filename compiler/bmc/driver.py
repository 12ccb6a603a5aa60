"""The whole pipeline on one screen: read, parse, resolve, elaborate, check, lower, write.

Each step adds to `Problems` and goes on as far as it makes sense.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Nowhere, UnknownBackend, Unsupported
from bmc.diagnostics.problems.files import InternalError
from bmc.diagnostics.problems.training import DuplicateKey, SectionMissing
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.models import Elaborator
from bmc.elaborate.naming import snake
from bmc.elaborate.overrides import Overrides, overridden, read_overrides
from bmc.elaborate.resolve import Resolver
from bmc.elaborate.scope import UNKNOWN, FileTable, Scope
from bmc.emit.backend import find_backend, known_backends
from bmc.emit.gate import PROGRAM_FILES, check_program
from bmc.ir.cost import ModelSummary
from bmc.ir.cost import summary as cost_summary
from bmc.ir.model import BlockSpec, Program
from bmc.ops.kinds import Word
from bmc.project import Project
from bmc.records import replace
from bmc.sections.link import link
from bmc.source import Source, Span
from bmc.syntax import ast
from bmc.syntax.parse import parse


def load(
    source: Source, project: Project, problems: Problems, settings: dict[str, str] | None = None
) -> Program | None:
    """A program from a file's text, checked; None when there is nothing to go on with."""
    file = parse(source, problems)
    if file is None:
        return None
    overrides, file = read_overrides(settings or {}, file, problems)
    table = Resolver(project, problems).table(file, source, overrides)
    sections = _sections(file, overrides, problems)
    models = _models(table, overrides, problems)
    if not models:
        if not problems.failed and (sections or not _is_library(file)):
            span = Span(source, 0, 0)
            problems.add(
                SectionMissing(
                    span, "model", "a file needs a model, or blocks for others to import"
                )
            )
        return None
    program = Program(source.name, file.doc, models)
    if not problems.failed:
        beside = source.path or source.name
        link(
            program,
            table,
            sections,
            problems,
            lambda path, span: project.text_beside(beside, path, span),
        )
    ends = [entry.value.type for spec in models.values() for entry in spec.inputs]
    if not problems.failed and any(kind.ragged for kind in ends):
        from bmc.ir.masks import explicit_masks

        explicit_masks(program, problems)
    return None if problems.failed else program


def _is_library(file: ast.File) -> bool:
    return any(isinstance(item, ast.Block | ast.Let) for item in file.items)


def _sections(file: ast.File, overrides: Overrides, problems: Problems) -> dict[str, ast.Section]:
    sections: dict[str, ast.Section] = {}
    for item in file.items:
        if not isinstance(item, ast.Section):
            continue
        if item.kind in sections:
            problems.add(DuplicateKey(item.span, item.kind, "file", sections[item.kind].span))
            continue
        sections[item.kind] = overridden(item, overrides.sections.get(item.kind, {}))
    return sections


def _models(table: FileTable, overrides: Overrides, problems: Problems) -> dict[str, BlockSpec]:
    """The models that a file declares; of a file without any, those that it imports."""
    elaborator = Elaborator(problems)
    models: dict[str, BlockSpec] = {}
    assert table.file is not None
    seen = [block for block in table.blocks.values() if block.kind == "model"]
    own = [block for block in seen if table.owner(block.name) is table]
    for item in own or seen:
        values = _values(overrides.models.get(item.name, {}), table, problems)
        spec = elaborator.model(item, table.owner(item.name), values)
        if spec is not None:
            models[item.name] = spec
    if not problems.failed:
        for warning in (one for spec in elaborator.specs.values() if spec for one in spec.unused):
            problems.add(warning)
    return models


def _values(given: dict[str, ast.Expr], table: FileTable, problems: Problems) -> dict[str, Any]:
    evaluator = Evaluator(problems)
    values: dict[str, Any] = {}
    for name, expr in given.items():
        value = evaluator.constant(expr, Scope(table))
        if isinstance(value, Word):
            evaluator.unknown_word(expr, value, Scope(table))
            value = UNKNOWN
        values[name] = value
    return values


def compile(program: Program, backend: str, problems: Problems) -> dict[str, str]:
    """The files of a project by relative path; empty when the backend refused."""
    found = find_backend(backend)
    if found is None:
        span = program.main.span
        problems.add(UnknownBackend(span, backend, known_backends()))
        return {}
    files: dict[str, str] = {}
    for name in list(program.models)[:-1]:
        stem = _stem_of(name, files)
        only = {name: program.models[name]}
        other = replace(program, models=only, data=None, train=None, stem=stem)
        files[f"{stem}.py"] = found.compile(other, problems).get("model.py", "")
    files |= found.compile(program, problems)
    if problems.failed:
        return {}
    for path, text in files.items():
        for fault in check_program(text) if path.endswith(".py") else ():
            problems.add(InternalError(program.main.span, "emission", f"{path}: {fault}"))
    return {} if problems.failed else files


TRAINING = ("torch", "keras")  # those whose programs train


def check(program: Program, backend: str | None, problems: Problems) -> None:
    """Adds what a backend refuses; without one a warning for what none of them does yet."""
    if backend is not None:
        compile(program, backend, problems)
        return
    if program.data is None or program.train is None:
        return
    common: dict[tuple[str, str], Unsupported] | None = None
    for name in TRAINING:
        found, own = find_backend(name), Problems()
        assert found is not None
        found.check(program, own)
        refused = {(one.what, one.reason): one for one in own if isinstance(one, Unsupported)}
        common = refused if common is None else {k: v for k, v in common.items() if k in refused}
        if not common:  # the others need not be asked
            return
    for problem in (common or {}).values():
        problems.add(Nowhere(problem.span, problem.what, problem.reason))


def _stem_of(model: str, files: Container[str]) -> str:
    """`generator` for a further model `Generator`; the last one is in `model.py`."""
    name = snake(model)
    while name in PROGRAM_FILES or f"{name}.py" in files:
        name += "_model" if name in PROGRAM_FILES else "_"
    return name


def summary(program: Program) -> ModelSummary:
    """The costs of the program's model."""
    return cost_summary(program.main)


def emit(program: Program, stage: str, problems: Problems) -> str:
    """A stage of the program as text: `ir`, `shapes`, or a backend's model file."""
    from bmc.ir.print import show_ir, show_shapes

    if stage in ("ir", "shapes"):
        return {"ir": show_ir, "shapes": show_shapes}[stage](program)
    return compile(program, stage, problems).get("model.py", "")


def tree(source: Source, problems: Problems) -> str:
    """The syntax tree of a source as text."""
    from bmc.syntax.dump import dump

    file = parse(source, problems)
    return dump(file) if file is not None else ""
