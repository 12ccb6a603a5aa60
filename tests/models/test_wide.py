"""Models of every declared layer in company: three programs with the same weights agree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.models.compared import compared, shrunk
from tests.models.wide import draw

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
BATCHES = (1, 2, 2, 3, 4, 5, 8)  # many of them are other sizes of the model, too


def agree(seeds: range, folder: Path) -> None:
    """Compares the models of seeds; the first that goes wrong is shrunk and shown."""
    outputs = vague = 0
    for seed in seeds:
        batch = random.Random(seed).choice(BATCHES)
        found = compared(draw(seed), folder, seed, batch)
        outputs, vague = outputs + found.compared, vague + found.vague
        assert not found.wrong, (
            f"seed {seed}, batch {batch}: {found.wrong}\n\n"
            f"{shrunk(draw(seed), folder, seed, batch)}"
        )
        for path in folder.glob("*.*"):
            path.unlink()
    assert outputs > 2 * len(seeds) and vague < outputs / 6


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(1000, 4000, 50))
def test_3000_models_of_every_layer_agree(start: int, tmp_path: Path) -> None:
    agree(range(start, start + 50), tmp_path)


@pytest.mark.parametrize("start", range(0, 100, 50))
def test_models_of_every_layer_agree(start: int, tmp_path: Path) -> None:
    agree(range(start, start + 50), tmp_path)
