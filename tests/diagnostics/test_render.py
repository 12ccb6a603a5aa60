"""Diagnostics as people read them: each golden lies beside the source that it points into."""

import json
import os
import re
from pathlib import Path

import pytest

from bmc.diagnostics.diagnostic import Label, Problems
from bmc.diagnostics.problems.names import DuplicateName, UnknownName
from bmc.diagnostics.problems.params import BadExpression
from bmc.diagnostics.problems.shapes import ShapesDiffer
from bmc.diagnostics.render import all_to_json, escape, render, render_all, summary_line, to_json
from bmc.source import Source, Span

FOLDER = Path(__file__).parent / "rendering"
CASES = {
    "two_lines": ("short + y", (("short = x", "`short` is [C, H, W]"), ("y = x", "`y` is [8]"))),
    "several_lines": ("x\n    -> dense(4)\n    -> dense(8)\n    -> softmax", ()),
    "wide": ("dense(4)", (('"日本語"', "text"), ("input x", "the input"))),
    "escapes": ("gone", (("let a", ""),)),
    "long_line": ("oops", ()),
    "end_of_file": (None, ()),
}


def source_of(name):
    file = FOLDER / f"{name}.bm"
    return Source(file.name, file.read_bytes().decode())


def span_of(source, text):
    if text is None:
        return Span(source, len(source.text), len(source.text))
    start = source.text.index(text)
    return Span(source, start, start + len(text))


@pytest.mark.parametrize("name", CASES)
def test_rendering_is_the_golden(name):
    text, others = CASES[name]
    source = source_of(name)
    also = tuple(Label(span_of(source, other), words) for other, words in others)
    problem = ShapesDiffer(span_of(source, text), "+", "[64]", "[128]", also, "project it first")
    rendered = render(problem.diagnostic()) + "\n"
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("BMC_UPDATE") == "1":
        golden.write_text(rendered, "utf-8")
    assert rendered == golden.read_text("utf-8")


def test_color_adds_only_styles():
    source = source_of("two_lines")
    diagnostic = UnknownName(span_of(source, "short"), "short", "tensor", ("shorts",)).diagnostic()
    colored = render(diagnostic, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render(diagnostic)


@pytest.mark.parametrize("bad", ["\x1b[2J", "\x07", "\r", "\x00", "\u202e", "\x9b1m", "\u2028"])
def test_no_control_character_reaches_the_terminal(bad):
    source = Source(f"a{bad}.bm", f"let a{bad} = 1\n")
    problem = BadExpression(Span(source, 0, 5), f"message {bad}", f"help {bad}")
    text = render(problem.diagnostic())
    assert bad not in text
    assert escape(bad) in text


def test_labels_in_two_files_have_a_snippet_each():
    one, two = Source("one.bm", "block A {}\n"), Source("two.bm", "\nblock A {}\n")
    problem = DuplicateName(Span(two, 7, 8), "A", "block", Span(one, 6, 7))
    lines = render(problem.diagnostic()).splitlines()
    assert " --> two.bm:2:7" in lines
    assert " ::: one.bm:1:7" in lines


def test_a_problem_without_text_names_its_file_only():
    problem = BadExpression(Span(Source("gone.bm", ""), 0, 0), "no text")
    assert render(problem.diagnostic()) == "error[BM207]: no text\n --> gone.bm"


def test_fifty_problems_a_file_then_a_count():
    source = Source("many.bm", "x" * 100)
    problems = Problems()
    for at in range(60):
        problems.add(BadExpression(Span(source, at, at + 1), "bad"))
    text = render_all(problems)
    assert text.count("error[BM207]") == 50
    assert text.endswith("… and 10 more in many.bm")
    assert summary_line(problems) == "60 errors"


def test_json_has_a_stable_form():
    source = Source("a.bm", "let a = 1\nlet a = 2\n")
    problem = DuplicateName(Span(source, 14, 15), "a", "setting", Span(source, 4, 5))
    assert to_json(problem.diagnostic()) == {
        "code": "BM104",
        "severity": "error",
        "message": "the setting `a` is declared twice",
        "file": "a.bm",
        "line": 2,
        "column": 5,
        "end_line": 2,
        "end_column": 6,
        "label": "declared again here",
        "labels": [
            {
                "file": "a.bm",
                "line": 1,
                "column": 5,
                "end_line": 1,
                "end_column": 6,
                "message": "first declared here",
            }
        ],
        "notes": [],
        "help": "rename one of them",
    }
    problems = Problems([problem])
    assert json.loads(json.dumps(all_to_json(problems))) == [to_json(problem.diagnostic())]


def test_every_span_can_be_drawn():
    text = "a\n\n  b\tc\r\n" + "d" * 300 + "\n"
    source = Source("a.bm", text)
    for start in range(len(text) + 1):
        for end in (start, start + 1, start + 7, len(text), len(text) + 5):
            problem = BadExpression(Span(source, start, end), "bad")
            assert "^" in render(problem.diagnostic())
