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
    "torch": ("convnext_tiny", "phi_2", "resnet20"),
    "keras": (),
    "onnx": ("resnet20",),
}
SEEDS = {"torch": 25, "keras": 3, "onnx": 15}


def marked(backend: str, *values: object, nightly: bool = False) -> object:
    marks = [getattr(pytest.mark, backend), *([pytest.mark.nightly] if nightly else [])]
    return pytest.param(backend, *values, marks=marks)


def of_spec(backend: str, path: Path, folder: Path) -> None:
    shutil.copytree(ROOT / "specs" / "blocks", folder / "blocks")
    ran, wrong = Edited(path.read_text(encoding="utf-8"), folder, backend).check()
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
            edited = Edited(text, folder, backend)
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
model Net(a = 4, b = 6, c = 4, d = 8, e = 5, g = 2, h = 3) {
  input x: float[b]
  x = if a == 4 then x -> dense(a) else x
  for i in 0..c { x = x -> dense(i + a) }
  for i in 0..h { x = x -> dense(4 + i % 4) }
  x = x -> dense(d) -> Part(e, b) -> Part(g, 3) -> dense(g)
  output y = x -> softmax(axis=g - 3) -> dense(b)
}
"""


def test_what_decides_more_than_sizes_says_so(tmp_path: Path) -> None:
    program, problems = load(DECIDING, tmp_path)
    assert program is not None, problems
    for backend in ("torch", "keras", "onnx"):
        made = driver.compile(program, backend, problems)["model.py"]
        found = dict(re.findall(r"(?m)^([A-H]) = \d+(.*)$", made))
        assert {name for name, said in found.items() if said} == found.keys() - {"E"}, made
        assert {"A", "B", "D", "E", "G"} <= found.keys()


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
    made = driver.compile(program, "keras", problems)["model.py"]
    assert "def dense(units: int, name: str)" in made


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


TURNS = """
block Part(rate) {
  input x: float[D]
  output y = x + (x -> dense(D) -> dropout(rate))
}
block Stage(depth, before, rate) {
  input x: float[D]
  for i in 0..depth { x = x -> Part(rate * (before + i) / 9) }
  output y = x
}
model Net(dim = 4, depth = 3, more = 4, rate = 0.1, rows = 3) {
  input x: float[7]
  for i in 0..more { x = x -> dense(dim + 2 * i) -> relu }
  for i in 0..depth { x = x -> Stage(3, 3 * i, rate) }
  x = x -> Stage(4, 0, rate) -> Stage(rows, 4, rate)
  for i in 0..rows { x = x -> tanh -> dense(dim) }
  for i in 0..5 { f[i] = x -> dense(i + 1) }
  output y = f -> concat
}
"""


def test_turns_that_grow_are_loops(tmp_path: Path) -> None:
    program, problems = load(TURNS, tmp_path)
    assert program is not None, problems
    made = driver.compile(program, "torch", problems)["model.py"]
    assert made.count("class Stage") == 1
    assert "Part(dim=dim, rate=rate * (before + i) / 9) for i in range(depth)" in made
    assert "*(nn.Linear(DIM + 2 * i - 2, DIM + 2 * i) for i in range(1, MORE))" in made
    assert "nn.Linear(DIM, i + 1) for i in range(5)" in made
    for backend in ("keras", "onnx"):
        made = driver.compile(program, backend, problems)["model.py"]
        assert made.count("def stage") == 1 and "for i in range(depth):" in made


@pytest.mark.parametrize("backend", [marked(backend) for backend in SOME])
@pytest.mark.parametrize("text", [CHAINS, GROWING, TURNS], ids=("chains", "copies", "turns"))
def test_what_grows_can_be_edited(backend: str, text: str, tmp_path: Path) -> None:
    ran, wrong = Edited(text, tmp_path, backend).check()
    assert ran and not wrong, wrong
