"""Damaged files end in `DataError` or load; nothing else comes out, whatever the damage."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.making import FIXTURES, ids, make, number, target

TURNS = 120


def damaged(content: bytes, seed: int) -> Iterator[bytes]:
    """The content cut short at random places, and with random bytes changed."""
    draw = random.Random(seed)
    for turn in range(TURNS):
        if turn % 2:
            yield content[: draw.randrange(len(content))]
            continue
        changed = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            near = draw.choice([len(content), 200, min(len(content), 60)])
            changed[draw.randrange(min(near, len(content)))] = draw.choice(
                [0, 10, 13, 34, 44, 48, 65, 255, draw.randrange(256)]
            )
        yield bytes(changed)


def survives(module: Any, load: Callable[[], Any], path: Path, content: bytes) -> None:
    refused = 0
    for damage in damaged(content, seed=1):
        path.write_bytes(damage)
        try:
            load()
        except module.DataError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > TURNS // 3


def test_npz(tmp_path: Path) -> None:
    body = f'source = npz("{tmp_path}/a.npz")\n x = "x_test" -> scale(1 / 16)\n y = "y_test"'
    module = make(tmp_path, body, {"x": number(1, 8, 8), "y": target(count=10)})
    content = (FIXTURES / "optdigits.npz").read_bytes()
    survives(module, module.load, tmp_path / "a.npz", content)


def test_csv(tmp_path: Path) -> None:
    body = (
        f'source = csv("{tmp_path}/a.csv")\n'
        ' x = ["bill_length_mm".."body_mass_g"] -> impute(median) -> standardize\n'
        ' k = ["island", "sex"] -> category(unknown=0)\n y = "species" -> category\n'
        " split = random(train=70%, test=30%, stratify=y)"
    )
    module = make(tmp_path, body, {"x": number(4), "k": ids(2), "y": target(count=3)})
    content = (FIXTURES / "penguins.csv").read_bytes()[:3000]
    survives(module, module.load, tmp_path / "a.csv", content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pictures(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set" / "class"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    body = f'source = folder("{tmp_path}/set")\n x = "image" -> scale(1 / 255)'
    module = make(tmp_path, body, {"x": number(3, 16, 16)})
    load = lambda: list(module.load().batches("train", 1))  # noqa: E731
    survives(module, load, folder / "a.png", buffer.getvalue())
