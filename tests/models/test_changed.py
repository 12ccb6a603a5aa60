"""Specs changed in what they mean: no traceback, and what compiles builds, runs and agrees."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from tests.models import generator, wide
from tests.models.compared import Found, checked, compared
from tests.models.mutants import mutant

from bmc.ir.model import Apply, BlockSpec, weights
from bmc.ops.activation import KeepTop
from bmc.ops.arithmetic import Take
from bmc.verify.chance import LENGTH, draw_lengths, sizes

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
DRAWS = (wide.draw, wide.draw, generator.draw)
LARGEST = 2**20  # elements of a value of a model that is run


def small(spec: BlockSpec) -> bool:
    """Whether a model runs in a moment, and is made for the lengths that it gets."""
    lengths = draw_lengths(spec)
    kinds = [entry.value.type for entry in spec.inputs]
    kinds += [value.type for use in spec.applies() for value in use.outputs]
    counts = [math.prod(sizes(kind, lengths)) for kind in kinds if spec.kind == "model"]
    counts += [math.prod(map(int, weight.shape)) for _, weight in weights(spec)]
    return not any(map(_beyond, spec.applies())) and min(counts) > 0 and max(counts) <= LARGEST


def _beyond(use: Apply) -> bool:
    """Whether a layer takes more of an axis than there may be: known when it runs alone."""
    op = use.instance.target
    if isinstance(op, Take):
        return any(isinstance(item, int) and not -LENGTH <= item < LENGTH for item in op.items)
    return isinstance(op, KeepTop) and op.count > LENGTH


def changed(seed: int) -> tuple[str, int]:
    """A spec, and a size of the batch."""
    chance = random.Random(f"changed {seed}")
    drawn = chance.choice(DRAWS)(chance.randrange(10**6))
    return mutant(drawn, chance), chance.choice((1, 2, 3))


def run(seed: int, folder: Path) -> Found | None:
    """What comes of a changed spec; None where the compiler refuses it, or where it is large."""
    text, batch = changed(seed)
    program = checked(text, folder)
    if isinstance(program, str):
        assert "BM699" not in program
        return None
    if not all(small(spec) for spec in program.models.values()):
        return None
    return compared(text, folder, seed, batch)


def many(seeds: range, folder: Path) -> None:
    ran = 0
    for seed in seeds:
        try:
            found = run(seed, folder)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}\n\n{changed(seed)[0]}") from error
        if found is not None:
            ran += 1
            assert not found.wrong, f"seed {seed}: {found.wrong}\n\n{changed(seed)[0]}"
        for path in folder.glob("*.*"):
            path.unlink()
    assert ran > len(seeds) / 10


@pytest.mark.parametrize("start", (0, 150))
def test_changed_specs_run_where_they_compile(start: int, tmp_path: Path) -> None:
    many(range(start, start + 150), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(1000, 21_000, 200))
def test_many_changed_specs_run_where_they_compile(start: int, tmp_path: Path) -> None:
    many(range(start, start + 200), tmp_path)
