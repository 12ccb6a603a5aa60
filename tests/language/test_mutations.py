"""Damaged files: whatever stands in one, there are problems and no traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.files import FileRefused
from bmc.diagnostics.render import render_all
from bmc.project import open_project

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("specs/*/*.bm"), *ROOT.glob("tests/language/sketches/*.bm")])
WORDS = (
    "model block data train predict input output layer param state for in if then else and not "
    'assert -> * / // % ** + - == <= .. , : = ( ) [ ] { } " # ## 0 1 -1 1e400 99999999999999999999 '
    "0.5 80% 25ms 2000 steps T x y relu dense conv(3) conv(0) dropout(2) flatten repeat true none "
    "same float[ int[T <= 4] null é \\ \x00 \t"
).split(" ")


def mutated(text: str, chance: random.Random) -> str:
    """The text with a few words dropped, doubled, swapped or replaced."""
    for _ in range(chance.randint(1, 4)):
        pieces = text.split(" ")
        at = chance.randrange(len(pieces))
        kind = chance.randrange(5)
        if kind == 0:
            del pieces[at]
        elif kind == 1:
            pieces.insert(at, pieces[chance.randrange(len(pieces))])
        elif kind == 2:
            pieces[at] = chance.choice(WORDS)
        elif kind == 3:
            pieces.insert(at, chance.choice(WORDS))
        else:
            cut = chance.randrange(len(text))
            pieces = [text[:cut] + text[cut + chance.randint(1, 30) :]]
        text = " ".join(pieces)
    return text


def survives(text: str, path: Path) -> None:
    """Reads a text, and compiles what can be read."""
    path.write_text(text, encoding="utf-8")
    problems = Problems()
    try:
        project, source = open_project(str(path))
        program = driver.load(source, project, problems)
        for backend in ("torch", "keras", "onnx") if program else ():
            assert program is not None
            driver.compile(program, backend, problems)
    except FileRefused as refused:
        problems.add(refused.problem)
    render_all(problems, False)
    assert "BM699" not in {problem.code for problem in problems}


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_end_in_problems(seed: int, tmp_path: Path) -> None:
    many(seed, 100, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_damaged_files_end_in_problems(seed: int, tmp_path: Path) -> None:
    many(seed, 100, tmp_path)


def many(seed: int, count: int, folder: Path) -> None:
    """So many damaged files; the first one that fails is in the message."""
    chance = random.Random(seed)
    for _ in range(count):
        text = mutated(chance.choice(FILES).read_text("utf-8"), chance)
        try:
            survives(text, folder / "damaged.bm")
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n\n{text}") from error


def test_a_fault_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    """A brace that closes a list of imports, where a name was due, opens no block."""
    text = 'import { dense Backbone } from "x.bm) {\n  input image: float[3]\n'
    survives(text, tmp_path / "damaged.bm")


def test_a_padded_input_has_one_free_axis(tmp_path: Path) -> None:
    text = "model Net { input x: float[T, S, pad=0]  output y = x -> relu }"
    survives(text, tmp_path / "damaged.bm")


def test_sizes_that_grow_with_every_copy(tmp_path: Path) -> None:
    """A size of 700 summands is a number: nobody would read it, and nothing walks it."""
    text = (
        "block Wider(growth) {\n  input x: float[C, H]\n"
        "  output y = (x, x -> conv(growth, kernel=3, padding=1)) -> concat(axis=0)\n}\n"
        "model Net(growth = 2) {\n  input x: float[3, 8]\n"
        "  output y = x -> Wider(growth) * 700 -> flatten -> dense(2)\n}\n"
    )
    survives(text, tmp_path / "wider.bm")
