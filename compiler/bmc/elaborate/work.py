"""A bound on the work of one compilation, so that a small file can't ask for a large one.

Layers, elements and connections have bounds of their own; this one counts what costs time without
making any of them: statements, turns of loops, elaborations of blocks, items of ranges.
"""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.shapes import TooMuchWork
from bmc.source import Span

MOST = 50_000  # units; one is about a statement
BLOCK = 20  # units for an elaboration of a block
RANGE = 1  # items of a range in a unit


class Work:
    """Counts units of work; past the bound it reports one problem and refuses more."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.done = 0

    def allows(self, units: int, span: Span) -> bool:
        """Whether so much more may be done."""
        before = self.done
        self.done += units
        if self.done <= MOST:
            return True
        if before <= MOST:
            self.problems.add(TooMuchWork(span, MOST))
        return False
