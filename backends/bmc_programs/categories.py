"""Categories of words: how their numbers are called."""

from __future__ import annotations

from bmc.ops.data_steps import Category
from bmc_programs.nodes import Expr, expr, starred


def class_names(step: Category, learned: Expr) -> Expr:
    """The names of a column's classes by their numbers: those learned, after what is unknown."""
    if step.unknown is None:
        return learned
    unknown = step.unknown if isinstance(step.unknown, str) else "unknown"
    return expr([unknown, starred(learned)])
