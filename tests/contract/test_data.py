"""Every source, step and split has its rule, or is refused by name."""

from __future__ import annotations

import pytest

from bmc import samples
from bmc.ops.data import Source, Step
from bmc.ops.kinds import REGISTRY
from bmc_programs.lower.table import BATCHING, LOWERINGS, PREPARING

samples.load_declarations()
STEPS: dict[str, type[Step]] = REGISTRY["step"]  # type: ignore[assignment]
SOURCES: dict[str, type[Source]] = REGISTRY["source"]  # type: ignore[assignment]


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_step_runs_when_it_says(name: str) -> None:
    declared = STEPS[name]
    for table in (PREPARING, BATCHING):
        table.load(declared.__module__.rpartition(".")[2])
    assert (declared in PREPARING.rules) == (declared.when in ("load", "either"))
    assert (declared in BATCHING.rules) == (declared.when in ("batch", "either"))


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_source_is_read(name: str) -> None:
    LOWERINGS.load(SOURCES[name].__module__.rpartition(".")[2])
    assert SOURCES[name] in LOWERINGS.rules
