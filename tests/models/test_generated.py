"""Well-typed specs drawn at random: all are accepted, shaped as they say, and laid out safely."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_format import same
from tests.models.generator import draw

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import open_project


def check(seed: int, folder: Path) -> None:
    """Checks, compiles and formats the spec of a seed."""
    text = draw(seed)
    path = folder / "drawn.bm"
    path.write_text(text, encoding="utf-8")
    project, source = open_project(str(path))
    problems = Problems()
    program = driver.load(source, project, problems)
    assert program is not None and not problems.failed, render_all(problems, False) + text
    for backend in ("torch", "keras", "onnx"):
        refused = Problems()
        files = driver.compile(program, backend, refused)
        assert {problem.code for problem in refused} <= {"BM501"}, text
        if not refused.failed:
            again = driver.compile(program, backend, Problems())
            assert files == again
    same(text)


@pytest.mark.parametrize("start", range(0, 40, 20))
def test_drawn_specs_are_accepted(start: int, tmp_path: Path) -> None:
    for seed in range(start, start + 20):
        check(seed, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(1000, 4000, 100))
def test_many_drawn_specs_are_accepted(start: int, tmp_path: Path) -> None:
    for seed in range(start, start + 100):
        check(seed, tmp_path)
