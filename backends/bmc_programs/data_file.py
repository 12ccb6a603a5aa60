"""One `data.py` from a `DataProgram`: constants, glue functions, and the helpers that they use."""

from __future__ import annotations

import builtins
import keyword

from bmc.emit.gate import HEADER
from bmc.emit.layout import render
from bmc.emit.pyexpr import Assign, Name
from bmc.emit.templates import Code
from bmc.emit.templates import render as fill
from bmc.emit.text import clean
from bmc.ir.data import DataProgram, Entry
from bmc_programs.batch import batch_functions, storing
from bmc_programs.library import Definition, import_block, needed
from bmc_programs.load import Loader
from bmc_programs.lower.data_sources import reader
from bmc_programs.nodes import (
    Function,
    Statement,
    all_names,
    assign,
    expr,
)
from bmc_programs.run import Run
from bmc_programs.undo import classes, undo_arguments
from bmc_programs.undo import undo as undo_function

LOCALS = {
    "arrays", "batch", "columns", "draw", "fitted", "folder", "known", "parts", "path", "points",
    "row", "rows", "table", "words", "word", "part", "np", "Path", "Any",
}  # fmt: skip


def emit(
    program: DataProgram,
    *,
    file: str = "a .bm file",
    undo: tuple[str, ...] = (),
    named: tuple[str, ...] = (),
    predict: tuple[str, ...] | None = None,
    lone: bool = True,
    sampler: str | None = None,
    keep: tuple[str, ...] = (),
) -> str:
    """The text of `data.py`.

    `undo` names the entries that predictions undo, `named` those whose classes name columns;
    `predict` the inputs that predicting needs,
    by default all; `lone` says whether the model trains on a batch of one row; `sampler` names the
    entry with the weights that training rows are drawn by, `keep` the columns beside predictions.
    """
    inputs = program.wanted("input")
    if predict is not None:
        inputs = tuple(entry for entry in inputs if entry.name in predict)
    drawn = any(use.step.random for entry in program.entries for use in entry.uses())
    drawn = drawn or any(hasattr(use, "training") for e in program.entries for use in e.batch)
    # Which helpers are used does not depend on the variables, but these must avoid them.
    plain = {entry.name: entry.name for entry in program.entries}
    column = storing(program, program.entry(sampler)).name if sampler else None
    helpers = _helpers(_glue(program, inputs, drawn, plain, undo, named, keep), drawn, lone, column)
    variables = _variables(program, {helper.name for helper in helpers})
    loader = Loader(program, inputs, variables)
    return _assemble(
        file,
        _constants(program, loader),
        _glue(program, inputs, drawn, variables, undo, named, keep),
        helpers,
    )


def emit_for(run: Run) -> str:
    """The text of `data.py` for a whole program."""
    data = run.data
    undone = tuple(entry for entry in run.undone if undo_arguments(data, entry) is not None)
    file = run.program.file.replace("\\", "/").rpartition("/")[2]
    lone = run.train.model.least_rows < 2
    named = tuple(dict.fromkeys((*run.named, *filter(None, [run.pictured]))))
    return emit(data, file=file, undo=undone, named=named, predict=run.inputs, lone=lone,
                sampler=run.train.sampler, keep=run.train.keep)  # fmt: skip


def _glue(
    program: DataProgram,
    inputs: tuple[Entry, ...],
    drawn: bool,
    variables: dict[str, str],
    undone: tuple[str, ...],
    named: tuple[str, ...],
    keep: tuple[str, ...],
) -> list[Function]:
    """The functions that this data set alone has."""
    loader = Loader(program, inputs, variables)
    glue = [loader.load(), loader.load_inputs()]
    glue += [loader.load_kept(keep)] if keep else []
    glue += loader.needs.values()
    glue += batch_functions(program, inputs, drawn, variables)
    glue += [undo_function(program, name) for name in undone]
    return glue + [made for name in named if (made := classes(program, name)) is not None]


def _variables(program: DataProgram, helpers: set[str]) -> dict[str, str]:
    """A variable for every entry that no helper, keyword or local name is in the way of."""
    taken = LOCALS | helpers | set(keyword.kwlist) | set(dir(builtins))
    found: dict[str, str] = {}
    for entry in program.entries:
        name = entry.name
        while name in taken:
            name += "_"
        taken = taken | {name}
        found[entry.name] = name
    return found


def _constants(program: DataProgram, loader: Loader) -> list[Statement]:
    found: list[Statement] = [assign("SOURCE", program.source.path)]  # type: ignore[attr-defined]
    missing = reader(program).missing
    if missing:
        found.append(assign("MISSING", missing))
    if loader.learned:
        found.append(assign("LEARNED", expr(loader.learned)))
    return found


def _helpers(
    glue: list[Function], drawn: bool, lone: bool, sampler: str | None
) -> list[Definition]:
    roots = all_names(glue) | {"Data", "DataError", "Array", "Arrays", "Columns"}
    roots |= {"name_pictures"} if "find_pictures" in roots else set()
    return needed(roots, drawn, lone, sampler)


def _assemble(
    file: str, constants: list[Statement], glue: list[Function], helpers: list[Definition]
) -> str:
    """The parts of the file in reading order."""
    used = all_names(glue) | {"Any"}
    for helper in helpers:
        used |= helper.names
    constants = [line for line in constants if _target(line) in used]
    top = [render([line]).strip() for line in constants]
    top += [helper.text for helper in helpers if helper.constant]
    classes = [helper for helper in helpers if helper.name in ("DataError", "Data")]
    rest = [helper for helper in helpers if not helper.constant and helper not in classes]
    blocks = [
        "\n".join(top),
        *(helper.text for helper in classes),
        *(function.render() for function in glue),
        *(helper.text for helper in rest),
    ]
    return fill(
        "bmc_programs",
        "data.py",
        header=Code(HEADER.rstrip("\n")),
        file=Code(clean(file)),
        imports=Code(import_block(used)),
        blocks=Code("\n\n\n".join(blocks)),
    )


def _target(line: Statement) -> str:
    assert isinstance(line, Assign) and isinstance(line.targets, Name)
    return line.targets.id
