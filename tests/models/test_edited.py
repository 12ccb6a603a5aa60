"""Constants edited in a program make the program of the changed spec, or say that they do not."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest
from tests.language.test_scan import load
from tests.models import generator, wide
from tests.models.edited import Edited, with_constants

from bmc import driver

ROOT = Path(__file__).parents[2]
SPECS = sorted(path for path in (ROOT / "specs").glob("*/*.bm") if path.parent.name != "blocks")
SOME = {
    "torch": ("chargpt", "convnext_tiny", "densenet121", "phi_2", "resnet20", "t5_small", "sst2"),
    "keras": ("chargpt", "resnet20"),
    "onnx": ("chargpt", "phi_2", "resnet20", "t5_small"),
}
SEEDS = {"torch": 60, "keras": 8, "onnx": 40}


def marked(backend: str, *values: object, nightly: bool = False) -> object:
    marks = [getattr(pytest.mark, backend), *([pytest.mark.nightly] if nightly else [])]
    return pytest.param(backend, *values, marks=marks)


def of_spec(backend: str, path: Path, folder: Path) -> None:
    shutil.copytree(ROOT / "specs" / "blocks", folder / "blocks")
    ran, wrong = Edited(path.read_text(encoding="utf-8"), folder, (backend,)).check()
    assert not wrong, "\n".join(wrong)
    assert ran or path.stem in ("garch", "lenet", "vgg16")  # which have no number at the top


@pytest.mark.parametrize(
    ("backend", "stem"),
    [marked(backend, stem) for backend, stems in SOME.items() for stem in stems],
)
def test_constants_of_specs_can_be_edited(backend: str, stem: str, tmp_path: Path) -> None:
    of_spec(backend, next(path for path in SPECS if path.stem == stem), tmp_path)


@pytest.mark.parametrize(
    ("backend", "path"),
    [marked(backend, path, nightly=True) for backend in SOME for path in SPECS],
    ids=lambda value: getattr(value, "stem", value),
)
def test_constants_of_all_specs_can_be_edited(backend: str, path: Path, tmp_path: Path) -> None:
    of_spec(backend, path, tmp_path)


def of_drawn(backend: str, seeds: range, folder: Path) -> None:
    ran = 0
    for seed in seeds:
        chance = random.Random(f"edited {seed}")
        text = with_constants(chance.choice((generator.draw, wide.draw))(seed), chance)
        try:
            edited = Edited(text, folder, (backend,))
        except AssertionError:  # a literal that may be no setting
            continue
        done, wrong = edited.check()
        assert not wrong, "\n".join([f"seed {seed}", *wrong, text])
        ran += done
        for path in folder.glob("*.py"):
            path.unlink()
    assert ran > len(seeds)


@pytest.mark.parametrize("backend", [marked(backend) for backend in SOME])
def test_constants_of_drawn_models_can_be_edited(backend: str, tmp_path: Path) -> None:
    of_drawn(backend, range(SEEDS[backend]), tmp_path)


@pytest.mark.parametrize(
    ("backend", "start"),
    [marked(backend, start, nightly=True) for backend in SOME for start in range(60, 360, 50)],
)
def test_constants_of_many_models_can_be_edited(backend: str, start: int, tmp_path: Path) -> None:
    of_drawn(backend, range(start, start + 50), tmp_path)


DECIDING = """
block Part(n, m) {
  input x: float[D]
  h = if D > m then x -> dense(n) else x
  output y = h -> dense(D)
}
model Net(a = 4, b = 6, c = 3, d = 8, e = 5, g = 2) {
  input x: float[b]
  x = if a == 4 then x -> dense(a) else x
  for i in 0..c { x = x -> dense(i + a) }
  x = x -> dense(d) -> Part(e, b) -> Part(g, 3) -> dense(g)
  output y = x -> softmax(axis=g - 3) -> dense(b)
}
"""


def test_what_decides_more_than_sizes_says_so(tmp_path: Path) -> None:
    program, problems = load(DECIDING, tmp_path)
    assert program is not None, problems
    for backend in ("torch", "keras", "onnx"):
        made = driver.compile(program, backend, problems)["model.py"]
        found = dict(re.findall(r"(?m)^([A-G]) = \d+(.*)$", made))
        assert {name for name, said in found.items() if said} == {"A", "B", "D", "G"}, made
        assert "E" in found and "C" not in found


CHAINS = """
block Part {
  input x: float[D]
  output y = x -> dense(9) -> (dense(D) -> tanh -> dense(9)) * 2 -> dense(D)
}
model Net(dim = 16, half = 0.3) {
  input x: float[8]
  x = x -> (dense(dim) -> dense(8)) * 2 -> Part
  output y = x -> (dense(round(half * dim)) -> dense(max(dim, 3) + ceil(half))) * 3
}
"""


def test_chains_tell_their_sizes_from_those_around(tmp_path: Path) -> None:
    """A chain is written among the names of its block: `dim` there is no axis of its own."""
    program, problems = load(CHAINS, tmp_path)
    assert program is not None, problems
    made = driver.compile(program, "torch", problems)["model.py"]
    assert "DenseBlock(dim=DIM, dim_in=8)" in made
    assert "nn.Linear(dim_in, round(half * dim))" in made
    assert "max(dim, 3) + math.ceil(half)" in made


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_chains_agree(tmp_path: Path) -> None:
    ran, wrong = Edited(CHAINS, tmp_path).check()
    assert ran == 4 and not wrong, wrong


GROWING = """
block Grow(n) {
  input x: float[D]
  output y = (x, x -> dense(n)) -> concat(axis=0)
}
block Stage(n, depth) {
  input x: float[D]
  output y = x -> Grow(n) * depth -> dense(D)
}
model Net(n = 2, depth = 5, last = 3) {
  input x: float[7]
  x = x -> Grow(n) * depth -> Stage(3, 4) -> Stage(n, last)
  output y = x -> Grow(4) * 2 -> dense(1)
}
"""


def test_copies_that_grow_are_one_line(tmp_path: Path) -> None:
    program, problems = load(GROWING, tmp_path)
    assert program is not None, problems
    made = driver.compile(program, "torch", problems)["model.py"]
    assert "*(Grow(dim=7 + i * N, n=N) for i in range(DEPTH))" in made, made
    assert "for i in range(depth)" in made and "nn.Linear(dim + depth * n, dim)" in made
    assert made.count("class Stage") == 1
    for backend in ("keras", "onnx"):
        made = driver.compile(program, backend, problems)["model.py"]
        assert "for i in range(DEPTH):" in made and "for i in range(depth):" in made, made


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_copies_that_grow_agree(tmp_path: Path) -> None:
    ran, wrong = Edited(GROWING, tmp_path).check()
    assert ran == 6 and not wrong, wrong
