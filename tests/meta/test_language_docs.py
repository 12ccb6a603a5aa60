"""The examples of `docs/language.md` and of the README are checked as a reader would check them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.programs.project import compiled

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import Project
from bmc.source import Source
from bmc.syntax.format import format_source

ROOT = Path(__file__).parents[2]
PAGES = ("docs/language.md", "docs/tutorial.md")
FENCE = re.compile(r"^```bm *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str]]:
    """(where, words after `bm`, text) of every example."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8") if (ROOT / page).exists() else ""
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{page}:{line}", match[1].strip(), match[2]))
    return found


EXAMPLES = examples()


def whole(words: str, text: str) -> str:
    """A whole file: `body` examples stand inside a model."""
    if "body" not in words.split():
        return text
    inner = "\n".join(f"  {line}".rstrip() for line in text.rstrip("\n").split("\n"))
    return f"model Example {{\n{inner}\n}}\n"


@pytest.mark.parametrize("where, words, text", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_examples_are_right(where: str, words: str, text: str) -> None:
    problems = Problems()
    project = Project(ROOT / "specs")
    source = project.add(Source("example.bm", whole(words, text), "example.bm"))
    driver.load(source, project, problems)
    shown = render_all(problems, False)
    refused = re.search(r"refused (BM\d+)", words)
    if refused:
        assert {problem.code for problem in problems} == {refused[1]}, shown
        return
    assert not len(problems), shown
    again = format_source(source, Problems())
    assert again == source.text, f"{where} is not in the standard layout:\n{again}"


def test_the_reference_has_examples() -> None:
    assert len(EXAMPLES) >= 20


def test_the_readme_shows_a_spec_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = re.search(r"You write this \(`(.*?)`\):\s*```bm\n(.*?)```", readme, re.DOTALL)
    assert named and (ROOT / named[1]).read_text("utf-8") == named[2]


def test_the_readme_shows_the_program_as_it_comes_out() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"Its `model.py`:\s*```python\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    model = compiled(ROOT / "specs/vision/lenet.bm", "torch")["model.py"]
    assert _code(shown[1]) in _code(model)


def _code(text: str) -> str:
    """Without documentation, which the README leaves out."""
    text = re.sub(r'^ *"""(?:.|\n)*?"""\n', "", text, flags=re.MULTILINE)
    return re.sub(r"\n\n+", "\n", text)
