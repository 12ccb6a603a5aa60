"""Names that Python, a framework or the program has too: three files with the same weights."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import numpy as np
import pytest
from tests.models.agree import BACKENDS, differences, load, module_of
from tests.models.names import WORDS

from bmc.emit.names import class_name
from bmc.ir.model import weights
from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
BLOCKS = (
    "Norm", "Depthwise", "Dense", "Conv", "Deviation", "Relu", "Place", "Parameter", "Graph",
    "CausalSelfAttention", "SelfAttention", "Initialize", "Net2", "Layers", "Module", "Linear",
)  # fmt: skip


def same_weights(text: str, folder: Path) -> None:
    """Every backend names the weights as the language does."""
    spec, files = load(text, folder)
    numbers = draw_weights(spec, "float32", 0)
    expected = {name: tuple(map(int, weight.shape)) for name, weight in weights(spec)}
    inputs = draw_inputs(spec, "float32", 0, draw_lengths(spec))
    found: dict[str, list[np.ndarray]] = {}
    for backend in BACKENDS:
        probe = importlib.import_module(f"bmc_{backend}.probe")
        module = module_of(files[backend], folder, backend)
        made = probe.Model(module, class_name(spec.name), numbers, "float32")
        assert made.weights() == expected, backend
        found[backend] = made.run(inputs)
    for backend in ("keras", "onnx"):
        for mine, theirs in zip(found[backend], found["torch"], strict=True):
            assert np.abs(mine - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max()), backend


def drawn(words: list[str], chance: random.Random) -> str:
    """A model that gives these names to inputs, layers, parameters, values and members."""
    names = iter(words)
    inputs = [next(names), next(names)]
    lines = [f"input {inputs[0]}: float[4]", f"input {inputs[1]}: float[4]"]
    value = f"{inputs[0]} + {inputs[1]}"
    for place, word in enumerate(names):
        kind = place % 5
        if kind == 0:
            lines += [f"layer {word} = dense(4)"]
            value = f"({value}) -> {word}"
            if chance.random() < 0.4:
                value += f" -> tanh -> {word}"
        elif kind == 1:
            lines += [f"param {word}: float[4] = normal(0.5)"]
            value = f"({value}) * {word}"
        elif kind == 2:
            lines += [f"{word} = ({value}) -> relu -> dense(4)"]
            value = word
        elif kind == 3:
            lines += [f"layer {word}[{place}] = dense(4)", f"layer {word}[0] = dense(4)"]
            value = f"({value}) -> {word}[{place}] -> relu -> {word}[0]"
        else:
            lines += [f"output {word} = ({value}) -> {chance.choice(['dense(2)', 'mean', 'relu'])}"]
    lines.append(f"output the_end = ({value}) -> softmax")
    return "model Net {\n  " + "\n  ".join(lines) + "\n}\n"


def groups(seed: int, size: int) -> list[list[str]]:
    words = [word for word in WORDS if word != "dense"]  # which the drawn lines use as a layer
    random.Random(seed).shuffle(words)
    return [words[i : i + size] for i in range(0, len(words) - 2, size)]


@pytest.mark.parametrize("group", range(len(groups(0, 14))))
def test_names_of_everything(group: int, tmp_path: Path) -> None:
    words = groups(0, 14)[group]
    same_weights(drawn(words, random.Random(group)), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 30))
def test_many_names_of_everything(seed: int, tmp_path: Path) -> None:
    for number, words in enumerate(groups(seed, 12)):
        same_weights(drawn(words, random.Random(number)), tmp_path)


CASES: dict[str, str] = {
    "forward": "input x: float[4]\n  layer forward = dense(4)\n  output y = x -> forward",
    "keywords": "input x: float[4]\n  layer class = dense(4)\n  layer lambda = dense(4)\n"
    "  output y = x -> class -> lambda -> class",
    "training": "input training: float[4]\n  param eval: float[4] = ones\n"
    "  output y = (training -> dense(4)) * eval",
    "an input as a layer": "input relu: float[4]\n  output y = relu -> dense(4) -> relu -> dense(2)",
    "a mean beside mean": "input mean: float[3, 4]\n  param variance: float[4] = ones\n"
    "  output y = (mean -> mean(axis=0)) * variance + (mean -> variance(axis=0))",
    "add beside a sum": "input x: float[4]\n  layer add = dense(4)\n  layer add_1 = dense(4)\n"
    "  output y = (x -> add) + (x -> add_1) + x",
    "members in and out of loops": "input x: float[4]\n  layer b[0] = dense(4)\n  x = x -> b[0]\n"
    "  for i in 1..3 { layer b[i] = dense(4 + i)\n  x = x -> b[i] }\n  output y = x",
    "members with gaps": "input x: float[4]\n  for i in 0..3 { layer b[2 * i] = dense(4)\n"
    "  x = x -> b[2 * i] -> tanh }\n  output y = x",
    "members last to first": "input x: float[4]\n  layer b[1] = dense(4)\n  layer b[0] = dense(5)\n"
    "  output y = x -> b[1] -> b[0]",
    "members with two starts": "input x: int[3]\n  layer e[0] = embedding(9, 4)\n"
    "  layer e[1] = embedding(9, 4, init=normal(0.5))\n"
    "  output y = (x -> e[0]) + (x -> e[1])",
    "an input called as a numbered layer": "input dense1: float[4]\n"
    "  output y = dense1 -> dense(3) -> dense(2)",
    "outputs called as layers are": "input a: float[4]\n  output dense1 = (a + a) -> relu\n"
    "  output sum = dense1 -> dense(4) -> relu -> dense(3) -> tanh\n"
    "  output tanh = sum -> tanh -> tanh",
    "an output called as a layer": "input a: float[4]\n  layer y = dense(4)\n  layer c = dense(4)\n"
    "  output y = a -> y -> c",
    "numbers of a layer used twice": "input a_2: float[4]\n  layer a = relu\n"
    "  output y = a_2 -> dense(4) -> a -> dense(4) -> a",
    "a counter": "input x: float[4]\n  i = x -> (dense(4)) * 3\n  output y = i -> relu",
    "eval twice": "input x: float[4]\n  layer eval = dense(4)\n  output y = x -> eval -> relu -> eval",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_names_that_meet(name: str, tmp_path: Path) -> None:
    same_weights(f"model Net {{\n  {CASES[name]}\n}}\n", tmp_path)


def test_members_keep_their_numbers(tmp_path: Path) -> None:
    spec, _ = load(f"model Net {{\n  {CASES['members with gaps']}\n}}\n", tmp_path)
    assert [name for name, _ in weights(spec)][::2] == ["b.0.weight", "b.2.weight", "b.4.weight"]


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_called_as_what_a_program_brings(block: str, tmp_path: Path) -> None:
    text = f"""
block {block}(out) {{
  input x: float[T, D]
  output y = x -> dense(out) -> relu -> layer_norm -> self_attention(heads=2, causal=true, bias=false)
}}
model Net {{
  input x: float[3, 4]
  h = x -> {block}(4) -> {block}(8) -> self_attention(heads=2, positions=rope(), causal=true)
  output y = x -> deviation(axis=0)
  output z = h -> transpose([1, 0]) -> conv(8, kernel=3, groups=depthwise, padding=1)
             -> conv(8, kernel=3, groups=depthwise, padding=1) -> batch_norm -> conv(2, kernel=1)
}}
"""
    assert differences(text, tmp_path) == []


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("layer b[0] = dense(4)\n layer b[0] = dense(4)\n output y = x -> b[0]", "BM104"),
        ("layer training = dense(4)\n output y = x -> training", "BM105"),
        ("param training: float[4] = ones\n output y = x * training", "BM105"),
    ],
)
def test_names_that_no_part_can_have(lines: str, code: str, tmp_path: Path) -> None:
    from bmc import driver
    from bmc.diagnostics.diagnostic import Problems
    from bmc.project import open_project

    path = tmp_path / "twice.bm"
    path.write_text(f"model Net {{\n input x: float[4]\n {lines}\n}}\n")
    problems = Problems()
    project, source = open_project(str(path))
    assert driver.load(source, project, problems) is None
    assert code in {problem.code for problem in problems}


def test_settings_that_programs_have_as_names(tmp_path: Path) -> None:
    """Constants are written in capitals: `F` is a module of PyTorch's, `AB` comes twice."""
    names = (
        "f",
        "opset",
        "place",
        "tensor",
        "nn",
        "np",
        "g",
        "aB",
        "ab",
        "apart",
        "torch",
        "keras",
    )
    layers = " -> ".join(f"dense({name}) -> relu" for name in names)
    settings = ", ".join(f"{name}={size}" for size, name in enumerate(names, 2))
    text = f"model Net({settings}) {{\n  input x: float[3]\n  output y = x -> {layers}\n}}\n"
    same_weights(text, tmp_path)
