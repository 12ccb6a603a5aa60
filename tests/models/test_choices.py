"""Blocks whose uses decide a condition differently: one class or function, the same numbers."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.language.test_scan import load
from tests.models.agree import differences

from bmc import driver

# Of each: a block, what uses it, and how many classes PyTorch needs for it.
BLOCKS: dict[str, tuple[str, str, int]] = {
    "a shortcut that some uses have": (
        """
  body = x -> dense(width) -> tanh -> dense(width)
  shortcut = if D == width then x else x -> dense(width)
  output y = body + shortcut""",
        "x -> Part(8, 1) -> Part(6, 1) -> Part(6, 1) -> Part(8, 1)", 1,
    ),
    "a sum that some uses have": (
        """
  body = x -> dense(width) -> tanh
  output y = if D == width then x + body else body""",
        "x -> Part(8, 1) -> Part(6, 1) -> Part(6, 1)", 1,
    ),
    "an activation that some uses have": (
        """
  h = (if n > 1 then x -> tanh else x) -> dense(width)
  output y = h -> (if n == 3 then sigmoid else relu) -> dense(width)""",
        "x -> Part(8, 1) -> Part(6, 2) -> Part(6, 3) -> Part(6, 4)", 1,
    ),
    "two conditions, one in the other": (
        """
  h = if n > 1 then (if n > 2 then x -> tanh else x -> relu) else x
  output y = h -> dense(width)""",
        "x -> Part(8, 3) -> Part(6, 2) -> Part(6, 1)", 1,
    ),
    "a condition of both": (
        """
  h = if D == width and n == 1 then x else x -> dense(width) -> tanh
  output y = x -> dense(width) -> (if not (n == 1 or D < width) then silu else tanh)""",
        "x -> Part(8, 1) -> Part(6, 2) -> Part(6, 1)", 1,
    ),
    "layers that are called otherwise": (  # after `dense1` or not, as files have them
        """
  h = if n > 1 then x -> dense(width) -> tanh else x
  output y = h -> dense(width)""",
        "x -> Part(8, 2) -> Part(6, 1)", 2,
    ),
    "a size that is the same by a condition": (
        """
  h = if D == width then x else x -> dense(width)
  output y = (h -> layer_norm) + (h -> layer_norm -> tanh)""",
        "x -> Part(8, 1) -> Part(6, 1)", 1,
    ),
    "what is overwritten in some uses only": (
        """
  h = if n > 1 then x -> tanh else x
  g = h -> relu
  output y = g + x""",
        "x -> Part(8, 1) -> Part(8, 2)", 1,
    ),
    "words and truths": (
        """
  h = x -> dense(width)
  output y = if n == 1 or n >= 4 and n != 5 then h -> tanh else h -> sigmoid""",
        "x -> Part(8, 1) -> Part(6, 4) -> Part(6, 5) -> Part(6, 2)", 1,
    ),
    "in a block of its own": (
        """
  h = x -> Inner(width, n)
  output y = h -> Inner(width, 1)""",
        "x -> Part(8, 1) -> Part(6, 2) -> Part(8, 2)", 1,
    ),
    "a layer that is made under it": (
        """
  layer out = dense(width)
  h = x -> out
  output y = if n > 1 then h -> batch_norm else h""",
        "x -> Part(8, 1) -> Part(6, 2)", 1,
    ),
    "a chain that goes on": (
        """
  h = x -> dense(width)
  h = if n > 1 then h -> tanh else h
  h = h -> dense(width)
  output y = if n > 2 then h + x else h""",
        "x -> Part(8, 1) -> Part(8, 2) -> Part(8, 3)", 1,
    ),
}  # fmt: skip
INNER = """
block Inner(width, n) {
  input x: float[D]
  h = x -> dense(width)
  output y = if n > 1 then h -> tanh else h
}
"""


def model(kind: str) -> str:
    body, uses, _ = BLOCKS[kind]
    return (
        f"{INNER}\nblock Part(width, n) {{\n  input x: float[D]{body}\n}}\n"
        f"model Net {{\n  input x: float[8]\n  output y = {uses}\n}}\n"
    )


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_one_definition_is_one_class(kind: str, backend: str, tmp_path: Path) -> None:
    program, problems = load(model(kind), tmp_path)
    assert program is not None
    made = driver.compile(program, backend, problems)["model.py"]
    word = "class Part" if backend == "torch" else "def part"
    assert made.count(f"\n{word}") == BLOCKS[kind][2], made


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", BLOCKS)
def test_uses_keep_what_they_do(kind: str, tmp_path: Path) -> None:
    assert not differences(model(kind), tmp_path, 3)


ACTIVATIONS = ["tanh", "sigmoid", "silu", "layer_norm", "dense(width)", "relu"]
CONDITIONS = ["n > 1", "n == 2", "m", "not m", "m and n < 3", "D == width", "n != 2 or m", "n >= 3"]


def drawn(seed: int) -> str:
    """A block of random conditions, and uses that decide them at random."""
    random = Random(seed)
    values = ["v0"]

    def term(depth: int) -> str:
        kind, value = random.randrange(5 if depth else 4), random.choice(values)
        if kind == 0:
            return value
        if kind == 1:
            return f"({value} -> {random.choice(ACTIVATIONS)})"
        if kind == 2:
            return f"({value} + {random.choice(values)})"
        if kind == 3:
            chosen = [random.choice(ACTIVATIONS) for _ in range(2)]
            return (
                f"({value} -> (if {random.choice(CONDITIONS)} then {chosen[0]} else {chosen[1]}))"
            )
        return f"(if {random.choice(CONDITIONS)} then {term(depth - 1)} else {term(depth - 1)})"

    lines = ["v0 = if D == width then x else x -> dense(width)"]
    for number in range(1, random.randint(2, 6)):
        again = number > 1 and random.random() < 0.3
        name = random.choice(values[1:]) if again else f"v{number}"
        lines.append(f"{name} = {term(2)}")
        values += [] if again else [name]
    lines.append(f"output y = {values[-1]} + {random.choice(values)}")
    uses = [
        f"Part({random.choice([6, 8])}, {random.randint(1, 4)}, {random.choice(['true', 'false'])})"
        for _ in range(random.randint(2, 5))
    ]
    body = "\n  ".join(lines)
    return (
        f"block Part(width, n, m) {{\n  input x: float[D]\n  {body}\n}}\n"
        f"model Net {{\n  input x: float[8]\n  output y = x -> {' -> '.join(uses)}\n}}\n"
    )


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(12, 300))]
)
def test_random_choices(seed: int, tmp_path: Path) -> None:
    text = drawn(seed)
    assert not differences(text, tmp_path, seed), text
