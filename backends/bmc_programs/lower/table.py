"""The tables of what programs do whatever the backend: scores in NumPy, schedules, and the data."""

from __future__ import annotations

from bmc.emit.backend import Lowerings, Rule
from bmc.ops.data import Step

LOWERINGS = Lowerings("evaluation", "bmc_programs.lower")
lower = LOWERINGS.rule
# Of a step: the lines for all rows, the lines for a batch, and what takes a prediction back.
PREPARING = Lowerings("data", "bmc_programs.lower")
BATCHING = Lowerings("data", "bmc_programs.lower")
UNDOING = Lowerings("data", "bmc_programs.lower")
prepares, batches, undoes = PREPARING.rule, BATCHING.rule, UNDOING.rule


def rule_of(table: Lowerings, step: Step) -> Rule:
    """The rule of a step, which has been asked for before."""
    found = table.find(step)
    assert found is not None, step.name
    return found
