"""`state` and `scan`: typed, counted, and refused where nothing carries a state on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.ir.cost import parameters, summary
from bmc.ir.model import BlockSpec, Program, walk, weights
from bmc.ir.print import show_ir
from bmc.project import open_project

CELL = """
block Cell(n) {
  input x: float[E]
  input memory: float[S, M]
  state h: float[n] = zeros
  h = (x, memory -> mean(axis=0), h) -> concat -> dense(n) -> tanh
  output y = h
  output z = h[0]
}
"""
MODEL = "model Net {{ input xs: float[7, 3]  input m: float[5, 4]  {} }}"


def load(text: str, folder: Path) -> tuple[Program | None, Problems]:
    path = folder / "test.bm"
    path.write_text(text, encoding="utf-8")
    problems = Problems()
    project, source = open_project(str(path))
    return driver.load(source, project, problems), problems


def net(body: str, folder: Path, cell: str = CELL) -> BlockSpec:
    program, problems = load(cell + MODEL.format(body), folder)
    assert program is not None, [problem.diagnostic().message for problem in problems]
    return program.main


def test_a_scanned_block_has_one_set_of_weights(tmp_path: Path) -> None:
    spec = net("y, z = (xs, m) -> scan(Cell(6))  output a = y  output b = z", tmp_path)
    assert [str(output.value.type) for output in spec.outputs] == ["float[7, 6]", "float[7]"]
    assert dict((name, w.shape) for name, w in weights(spec)) == {
        "cell.dense.weight": (6, 13),
        "cell.dense.bias": (6,),
    }
    assert parameters(spec) == 6 * 13 + 6
    assert [name for instance in spec.instances for name, _ in walk(instance)][-1] == "cell.index"


def test_steps_cost_operations_and_no_weights(tmp_path: Path) -> None:
    spec = net("y, z = (xs, m) -> scan(Cell(6))  output a = y", tmp_path)
    dense = next(row for row in summary(spec).rows if row.kind == "dense")
    assert dense.parameters == 84
    assert dense.flops == 7 * (2 * 6 * 13 + 6)


def test_a_named_layer_may_be_a_scan(tmp_path: Path) -> None:
    body = "layer rec = scan(Cell(3))  y, z = (xs, m) -> rec  a, b = (y, m) -> rec  output out = a"
    assert parameters(net(body, tmp_path)) == 3 * 10 + 3


def test_the_printed_ir_says_what_a_step_is(tmp_path: Path) -> None:
    program, _ = load(CELL + MODEL.format("y, z = (xs, m) -> scan(Cell(6)) output a = y"), tmp_path)
    assert program is not None
    shown = show_ir(program)
    assert "cell at every step: float[7, 6], float[7]" in shown
    assert "state h: float[6] = zeros" in shown


CASES = {
    "(xs[0], m) -> Cell(2)": "`Cell` has a state, which only `scan` carries from step to step",
    "(xs[0], m) -> Cell(2) * 2": "`Cell` has a state, which only `scan` carries from step to step",
    "xs -> scan(dense(3))": "`scan` takes one block, which it runs at every step",
    "xs -> scan": "`scan` takes one block, which it runs at every step",
    "xs -> scan(Cell(2))": "`Cell` takes 2 tensors, and got 1",
    "(xs, m, m) -> scan(Cell(2))": "`Cell` takes 2 tensors, and got 3",
    "xs -> scann(Cell(2))": "there is no layer, block or model `scann`",
}


@pytest.mark.parametrize(("use", "message"), CASES.items(), ids=str)
def test_uses_are_refused(use: str, message: str, tmp_path: Path) -> None:
    _, problems = load(CELL + MODEL.format(f"y = {use}  output a = xs"), tmp_path)
    assert [problem.diagnostic().message for problem in problems] == [message]


STATES = {
    "state h: float[2] = zeros  output y = x": "`h` never gets its next value",
    "state h: float[2] = zeros  h = (x, h) -> concat  output y = h": (
        "`h` begins as float[2] and becomes float[5]"
    ),
    "state h: float[3] = normal(0.1)  h = h + x  output y = h": (
        "a state begins as `zeros`, `ones` or `constant(…)`: it is no weight"
    ),
}


@pytest.mark.parametrize(("body", "message"), STATES.items(), ids=str)
def test_states_are_checked(body: str, message: str, tmp_path: Path) -> None:
    cell = f"block Cell {{ input x: float[E] {body} }}"
    text = cell + MODEL.format("y = xs -> scan(Cell)  output a = y")
    _, problems = load(text, tmp_path)
    assert [problem.diagnostic().message for problem in problems] == [message]


def test_a_model_has_no_state(tmp_path: Path) -> None:
    text = "model Net { input x: float[2]  state h: float[2] = zeros  h = h + x  output y = h }"
    _, problems = load(text, tmp_path)
    message = "a model has no step to carry a state to"
    assert [problem.diagnostic().message for problem in problems] == [message]
