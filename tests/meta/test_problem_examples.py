"""The example on each problem's page really gives that problem."""

import re

import pytest

from bmc import docs
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems import every_problem
from bmc.diagnostics.problems.files import FileRefused
from bmc.project import open_project

driver = pytest.importorskip("bmc.driver")

EXAMPLES = {code: docs.problem_parts(problem)[1] for code, problem in every_problem().items()}
ENCODER = "block Encoder { input x: float[8]  output y = x -> dense(8) }\n"
MODEL = "model Net { input x: float[8]  output y = x -> dense(3) }\n"
DATA = 'data { source = csv("rows.csv")  x = ["a".."h"]  label: int[] = "y" }\n'
CIRCLE = 'import { A } from "example.bm"\nblock B { input x: float[8]  output y = x -> relu }\n'


def complete(code):
    """The example with what it leaves out: a section needs a model and data around it."""
    example = EXAMPLES[code]
    sections = re.findall(r"^(model|data|train|predict|block|let|import)\b", example, re.MULTILINE)
    before = ""
    if sections and set(sections) <= {"data", "train", "predict"}:
        before += MODEL
    if "train" in sections and "data" not in sections and code != "BM410":
        before += DATA
    return before + example


def problems_of(code, folder):
    """The text of the example in a folder with what it imports, and its problems."""
    (folder / "blocks").mkdir(parents=True)
    (folder / "blocks" / "transformer.bm").write_text(ENCODER)
    (folder / "b.bm").write_text(CIRCLE)
    text = complete(code) + "\n"
    file = folder / "example.bm"
    file.write_text(text)
    project, source = open_project(str(file), root=str(folder))
    problems = Problems()
    try:
        program = driver.load(source, project, problems, {})
        if program is not None:
            driver.check(program, None, problems)
    except FileRefused as refused:
        problems.add(refused.problem)
    return text, problems


@pytest.mark.parametrize("code", [c for c, text in EXAMPLES.items() if not text.startswith("bmc ")])
def test_example_gives_its_problem(code, tmp_path):
    _, problems = problems_of(code, tmp_path)
    assert code in {problem.code for problem in problems}
