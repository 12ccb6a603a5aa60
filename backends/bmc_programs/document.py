"""One long text: what it is cut into."""

from __future__ import annotations

from typing import Any

from bmc.ir.data import DataProgram
from bmc.ops import data_steps as steps


def document_tokenize(program: DataProgram) -> Any:
    """The step that cuts the one long text, and the steps before it."""
    for entry in program.entries:
        if entry.head == "document":
            return next(use.step for use in entry.load if isinstance(use.step, steps.Tokenize))
    return None


def document_variable(program: DataProgram) -> str:
    """How `load` calls the pieces of the one long text."""
    return "points" if document_tokenize(program).unit == "characters" else "words"
