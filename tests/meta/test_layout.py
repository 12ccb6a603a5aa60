"""The printer of generated code keeps all of an expression, however it breaks the lines."""

from __future__ import annotations

import ast

import pytest

from bmc.emit.layout import render
from bmc.emit.pyexpr import Assign, Compare, ListComp, Name, call, lit
from bmc.emit.pyexpr import name as dotted


@pytest.mark.parametrize("length", [1, 20, 40, 80])
def test_a_comprehension_keeps_its_condition(length: int) -> None:
    every = call("f" * length, Name("x"))
    test = Compare("==", dotted("place.ndim"), lit(2))
    made = Assign(Name("found"), ListComp(Name("place"), Name("place"), every, (test,)))
    text = render([made])
    (node,) = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.comprehension)]
    assert [ast.unparse(one) for one in node.ifs] == ["place.ndim == 2"]
