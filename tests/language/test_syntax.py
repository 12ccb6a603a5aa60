"""The grammar, and what a reader is told where it ends."""

import os
import re
from pathlib import Path

import pytest

from bmc import cache, driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import open_project
from bmc.source import Source
from bmc.syntax import ast
from bmc.syntax.build import NODES, Builder
from bmc.syntax.grammar import Grammar, grammar, keywords
from bmc.syntax.parse import ITEM_LIST, STATEMENT_LIST, parse

FAULTS = Path(__file__).with_name("faults.md")


def read(text):
    problems = Problems()
    return parse(Source("test.bm", text), problems), problems


def body(text):
    tree, problems = read(f"model Net {{ {text} }}")
    assert tree is not None, render_all(problems, False)
    return tree.items[0].body


def test_the_parser_knows_the_lists_of_the_grammar():
    origins = {rule.origin.name for rule in grammar().lark.rules}
    assert {ITEM_LIST, STATEMENT_LIST} <= origins


def test_every_rule_has_a_method():
    made = {rule.alias or rule.origin.name for rule in grammar().lark.rules}
    inner = {name for name in made if name.startswith("_")}
    single = {"item", "stmt", "chain", "cond", "and_", "not_", "cmp", "range_", "sum_", "prod"}
    assert {name for name in made - inner - single if not hasattr(Builder, name)} <= {
        "unary", "pow", "post", "index", "atom", "path",
    }  # fmt: skip


def test_tables_are_kept_and_made_anew_where_they_are_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Grammar(NODES)
    (kept,) = (tmp_path / "bmc").glob("grammar-*.json")
    again = Grammar(NODES)
    assert again.kinds == made.kinds and again.lark.rules == made.lark.rules
    content = kept.read_bytes()
    for damaged in (b"", b"{}", content[: len(content) // 2], content.replace(b"[0, ", b"[9, ")):
        kept.write_bytes(damaged)
        assert Grammar(NODES).lark.rules == made.lark.rules
        assert cache.read(kept.name) is not None


def test_from_is_a_name_where_no_import_has_it():
    (statement,) = body("from = from_ -> relu")
    assert statement.targets[0].name == "from"
    tree, _ = read('import { A, B } from "x.bm"')
    assert tree.items[0].path.value == "x.bm" and len(tree.items[0].names) == 2


def value(text):
    (statement,) = body(f"x = {text}")
    return statement.value


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a + b * c", "(a + (b * c))"),
        ("a * b // c", "((a * b) // c)"),
        ("-a ** 2", "(-(a ** 2))"),
        ("a ** -b", "(a ** (-b))"),
        ("a + b == c - 1", "((a + b) == (c - 1))"),
        ("a == b or not c == d and e", "((a == b) or ((not (c == d)) and e))"),
        ("0 .. n - 1", "(0 .. (n - 1))"),
    ],
)
def test_operators_bind_as_the_reference_says(text, grouped):
    def show(node):
        match node:
            case ast.Binary():
                return f"({show(node.left)} {node.operator} {show(node.right)})"
            case ast.Unary():
                space = " " if node.operator == "not" else ""
                return f"({node.operator}{space}{show(node.operand)})"
            case _:
                return node.span.text

    assert show(value(text)) == grouped


def test_spans_are_exact():
    flow = value("image -> conv(6, kernel=5) -> relu * 3")
    assert [target.span.text for target in flow.targets] == ["conv(6, kernel=5)", "relu * 3"]
    assert flow.targets[0].layer.arguments[1].span.text == "kernel=5"
    assert flow.targets[1].count.value == 3


def test_newlines_mean_nothing():
    assert len(body("input x: float[8] y = x\n->\nrelu output z = y")) == 3


def test_units_belong_to_their_number():
    assert value("2000 steps").unit == "steps"
    assert value("80%").value == 0.8
    assert value("i % 2").operator == "%"
    (first, second) = body("a = 3 steps = 4")  # `steps` begins a statement here
    assert isinstance(first.value, ast.Number) and second.targets[0].name == "steps"


def test_words_of_the_language_are_no_names_but_may_name_settings():
    for word in sorted(keywords() - {"true", "false"}):
        tree, problems = read(f"model Net {{ input {word}: float[8] }}")
        assert tree is None
        assert next(iter(problems)).code == "BM008"
    assert value('npz("a", train="b", then=clip)').arguments[1].name == "train"


def test_comments_travel_as_docs():
    tree, _ = read("## The file.\n\n## A net.\nmodel Net { ## An input.\n input x: float[1] }")
    assert tree.doc == "The file."
    assert tree.items[0].doc == "A net."


def test_every_fault_of_a_file_is_reported():
    text = "model A {\n  input x float[8]\n  y = x -> -> relu\n}\nmodel B {\n  z = 1 +\n}\n"
    _, problems = read(text)
    assert [problem.span.source.position(problem.span.start)[0] for problem in problems] == [
        2,
        3,
        6,
    ]


@pytest.mark.parametrize("text", ["(" * 100, "x = " + "(" * 80 + ")" * 80, "a" * 70, "9" * 30])
def test_what_is_too_much_is_refused(text):
    tree, problems = read(f"model Net {{ y = {text} }}")
    assert tree is None and problems.failed


def cases():
    found = re.findall(r"```bm\n(.*?)```\n+```error\n(.*?)```", FAULTS.read_text("utf-8"), re.S)
    return [pytest.param(text, shown, id=str(n)) for n, (text, shown) in enumerate(found)]


@pytest.mark.parametrize(("text", "shown"), cases())
def test_faults_are_explained(text, shown):
    _, problems = read(text)
    assert render_all(problems, False).strip() == shown.strip()


OUTCOMES = Path(__file__).with_name("sketches") / "outcomes.txt"
SKETCHES = sorted(Path(__file__).with_name("sketches").glob("*.bm"))


@pytest.mark.parametrize("path", SKETCHES, ids=lambda path: path.stem)
def test_sketches_parse(path):
    """Models of every kind, as people would write them."""
    _, problems = read(path.read_text("utf-8"))
    assert not problems.failed, render_all(problems, False)


def outcome(path: Path) -> str:
    """The name of a sketch, and what stands in the way of compiling it."""
    problems = Problems()
    project, source = open_project(str(path))
    driver.load(source, project, problems)
    found = [f"  {p.code} {p.diagnostic().message}" for p in problems]
    found = [line.replace(f"{path.parent}/", "") for line in found]
    return "\n".join([path.stem, *(found or ["  fine"])])


def test_what_the_sketches_use_is_known_or_refused_by_name():
    found = "\n".join(map(outcome, SKETCHES)) + "\n"
    if os.environ.get("BMC_UPDATE"):
        OUTCOMES.write_text(found, encoding="utf-8")
    assert found == OUTCOMES.read_text("utf-8")


def test_there_are_many_sketches():
    assert len(SKETCHES) == 32
