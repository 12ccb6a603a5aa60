"""Texts that try to become code, in every place of a spec that takes text: none does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.programs.project import BACKENDS, compiled

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.files import FileRefused
from bmc.diagnostics.render import render_all
from bmc.project import bad_form, open_project

MARK = "PWNED"
CALL = f"__import__('os').system('echo {MARK}')"
QUOTES = ('"', "'", '"""', "'''")
BASES = (
    "{q}\n{call}\n{q}", "{q}; {call}; {q}", "{q} + {call} + {q}", "{q})\n{call}\n#", "\\{q}{call}",
    "{q}]; {call} #", "\\\\{q}\n{call}", "{q}\r{call}\r{q}", "f{q}{{{call}}}{q}",
)  # fmt: skip
PAYLOADS = [base.format(q=quote, call=CALL) for base in BASES for quote in QUOTES] + [
    "{{ " + CALL + " }}", "{% for x in y %}" + CALL, "{{ imports }}", "{{ model }}",
    "${" + CALL + "}", "$imports", "%s" + CALL, "{0.__class__}", "{" + CALL + "!r}",
    "`" + CALL + "`", "$(echo " + MARK + ")",
    "; rm -rf / #", "| tee x", "&& echo " + MARK, "../../../etc/passwd", "/etc/passwd", "~/.ssh/id_rsa",
    "\\x22\\x22\\x22" + CALL, "\\N{QUOTATION MARK}" + CALL, "\\u0022" + CALL,
    "# -*- coding: utf-7 -*-",
    "+ACI-" + CALL, "<script>" + CALL + "</script>", "]](" + CALL + ")", "|" + CALL + "|", "\t" + CALL,
    "import os", "lambda: " + CALL, "*" * 200, "'" * 99, '"' * 99, "\\" * 99, "\\" * 98 + '"',
    "é" * 50 + CALL, "大模型", "a" * 5000,
]  # fmt: skip
SPEC = """## {doc}

## {doc}
model Net(width = 4) {{
  ## {doc}
  input numbers: float[2]  # {doc}
  output logits = numbers -> dense(width) -> relu -> dense(3)
}}

data {{
  source = csv("{path}", missing=["{text}", ""])
  numbers = ["a", "b"] -> impute(median) -> standardize
  spare = "{text}" -> equals("{text}")
  ## {doc}
  label = "y" -> category
  split = random(train=80%, validation=20%)
}}

train {{
  loss = (logits, label) -> cross_entropy
  metrics = (logits, label) -> accuracy
  optimizer = sgd(lr=0.1)
  epochs = 1
}}

predict {{
  label = logits -> argmax -> undo(data.label)
  write = csv("{out}")
}}
"""


def quoted(text: str) -> str:
    """A text as a `.bm` string; what strings can't hold becomes a space."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", " ")


def innocent(name: str, text: str) -> None:
    """Whether a file has none of the payload outside its texts and comments."""
    if not name.endswith(".py"):
        return
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__")
        assert not isinstance(node, ast.Attribute) or node.attr != "system"
        if isinstance(node, ast.Name):
            assert MARK not in node.id
    assert text.isascii()


def codes(path: Path) -> set[str]:
    """The problems of a file."""
    problems = Problems()
    project, source = open_project(str(path))
    driver.load(source, project, problems)
    return {problem.code for problem in problems}


@pytest.mark.parametrize(
    "backend", ["torch", *(pytest.param(name, marks=pytest.mark.slow) for name in BACKENDS[1:])]
)
@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_payloads_stay_texts(number: int, backend: str, tmp_path: Path) -> None:
    payload = PAYLOADS[number]
    doc = " ".join(payload.split())
    path = tmp_path / "spec.bm"
    text = quoted(payload)
    # Paths with control characters are refused, which `test_paths_are_plain` shows.
    name = "data.csv" if any(c in text for c in ("\\n", "\\t")) else text
    out = "out.csv" if bad_form(payload) or ".." in payload else text
    spec = SPEC.format(doc=doc, text=text, path=name, out=out)
    path.write_text(spec.replace("\r", " "), encoding="utf-8")
    for name, text in compiled(path, backend).items():
        innocent(name, text)


@pytest.mark.parametrize("control", ["\\n", "\\t"])
@pytest.mark.parametrize("place", ["source", "write"])
def test_paths_are_plain(place: str, control: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.bm"
    spec = SPEC.format(doc="", text="t", path="data.csv", out="data.csv")
    path.write_text(spec.replace(f'{place} = csv("data', f'{place} = csv("da{control}ta'))
    assert "BM202" in codes(path)


@pytest.mark.parametrize("out", ["/etc/passwd", "../up.csv", "a/../../b.csv", "~/x.csv", "C:x", ""])
def test_predictions_stay_in_the_folder(out: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.bm"
    path.write_text(SPEC.format(doc="", text="t", path="data.csv", out=out))
    assert "BM202" in codes(path)


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
@pytest.mark.parametrize(
    "place",
    [
        "model {} {{",
        "layer {} = dense(3)",
        "x -> {}",
        "dense({}=3)",
        "dense({})",
        "input {}: float[2]",
    ],
)
def test_payloads_are_no_names(place: str, number: int, tmp_path: Path) -> None:
    path = tmp_path / "spec.bm"
    body = place.format(PAYLOADS[number]).replace("\r", " ")
    path.write_text(
        f"model Net {{ input x: float[2]\n {body}\n output y = x }}\n", encoding="utf-8"
    )
    problems = Problems()
    project, source = open_project(str(path))
    program = driver.load(source, project, problems)
    if program is not None:  # a comment sign may have hidden the rest
        for name, text in driver.compile(program, "torch", problems).items():
            innocent(name, text)
    render_all(problems, False)
    assert "BM699" not in {problem.code for problem in problems}


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_payloads_are_no_overrides(number: int, tmp_path: Path) -> None:
    path = tmp_path / "spec.bm"
    path.write_text("model Net(width = 4) { input x: float[2]  output y = x -> dense(width) }")
    payload = PAYLOADS[number]
    for settings in ({"Net.width": payload}, {payload: "1"}, {f"Net.{payload}": "1"}):
        problems = Problems()
        project, source = open_project(str(path))
        try:
            program = driver.load(source, project, problems, settings)
        except FileRefused as refused:
            problems.add(refused.problem)
            program = None
        assert program is None and problems.failed
        assert "BM699" not in {problem.code for problem in problems}
