"""The generated pages are what the declarations say now, and every problem is documented."""

import inspect
import typing

import pytest

from bmc import docs, samples
from bmc.curve import curve
from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems import every_problem
from bmc.ops.kinds import REGISTRY
from bmc.records import fields
from bmc.source import Source, Span

PROBLEMS = every_problem()
samples.load_declarations()


@pytest.mark.parametrize("name", docs.PAGES)
def test_page_is_fresh(name):
    assert name not in docs.stale(), "run `python -m bmc.docs --write`"


@pytest.mark.parametrize("code", PROBLEMS)
def test_problem_has_text_example_and_fix(code):
    about, example, fix = docs.problem_parts(PROBLEMS[code])
    assert about and example and fix
    assert code[2] in docs.STAGES


def test_a_page_without_an_example_is_refused():
    class Undocumented:
        """Only a title."""

    with pytest.raises(ValueError, match="Example"):
        docs.problem_parts(Undocumented)


def test_a_layers_page_has_settings_defaults_shapes_and_weights():
    page = docs.page("conv")
    assert "| `filters` | " in page
    assert "| required |" in page
    assert "weights `weight` [" in page
    assert docs.page("no_such_thing") is None


def value_for(kind, span):
    """Some value of a field's type."""
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        return (value_for(inner, span), value_for(inner, span))
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)[0]
    if kind is Label:
        return Label(span, "a label")
    return {Span: span, int: 3, bool: True}.get(kind, "word")


@pytest.mark.parametrize("code", PROBLEMS)
def test_wording_follows_the_rules(code):
    span = Span(Source("a.bm", "some text"), 0, 4)
    problem = PROBLEMS[code]
    hints = typing.get_type_hints(problem)
    given = {name: value_for(hints[name], span) for name in fields(problem)}
    diagnostic = problem(**given).diagnostic()
    assert not diagnostic.message.endswith(".")
    assert not diagnostic.message[0].isupper()
    assert "illegal" not in diagnostic.message
    assert diagnostic.code == code
    assert diagnostic.message.count("`") % 2 == 0


@pytest.mark.parametrize("name", sorted(REGISTRY["layer"]))
def test_layers_say_what_they_compute(name: str) -> None:
    """A formula, or the axes before and after."""
    text = inspect.getdoc(REGISTRY["layer"][name]) or ""
    assert name == "arithmetic" or " = " in text or "->" in text


@pytest.mark.parametrize("name", sorted(set(REGISTRY["schedule"]) - {"plateau"}))
def test_schedules_are_drawn(name: str) -> None:
    page = docs.page(name) or ""
    lines = page[page.rindex("```text") :].splitlines()
    assert lines[1].startswith("lr │") and "█" in lines[1] and lines[7].startswith(" 0 └")


def test_a_curve_has_the_heights_of_its_numbers() -> None:
    assert curve([0.0, 1.0, 0.5], "lr", width=6, height=2).splitlines() == [
        "lr │  ██", "   │  ████", " 0 └──────"
    ]  # fmt: skip


def test_no_setting_is_shown_as_python_has_it() -> None:
    assert "Measure(" not in docs.layers_page()
