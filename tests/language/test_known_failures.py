"""What compilers of model descriptions are known to get wrong: here it is refused, or right.

The cases are failures that were reproduced elsewhere: settings dropped in silence, files half
read, layers left out of a program, shapes believed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bmc import cli, driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.ir.model import Program
from bmc.project import open_project

BACKENDS = ("torch", "keras", "onnx")
TRAINED = """
model Net {{ input x: float[4]  output logits = x -> {chain} }}
data {{
  source = csv("rows.csv")
  x      = ["a".."d"] -> standardize
  label  = "kind" -> category
  split  = random(train=80%, validation=20%, seed=0)
}}
train {{
  loss      = (logits, label) -> {loss}
  optimizer = {optimizer}
  {length}
}}
predict {{ label = logits -> argmax -> undo(data.label) }}
"""


def load(text: str, folder: Path) -> tuple[Program | None, Problems]:
    path = folder / "net.bm"
    path.write_text(text, encoding="utf-8")
    problems = Problems()
    project, source = open_project(str(path))
    return driver.load(source, project, problems), problems


def model(image: str, chain: str) -> str:
    return f"model Net {{ input x: {image}  output y = x -> {chain} }}"


def training(
    chain: str = "dense(3)",
    loss: str = "cross_entropy",
    optimizer: str = "adam(lr=1e-4)",
    length: str = "epochs = 2",
) -> str:
    return TRAINED.format(chain=chain, loss=loss, optimizer=optimizer, length=length)


VECTOR, PICTURE = "float[8]", "float[1, 28, 28]"
REFUSED = {
    "an activation given to dense": (model(VECTOR, "dense(4, activation=relu)"), "activation=relu"),
    "a setting that does not exist": (model(VECTOR, "dense(4, foo=3)"), "foo=3"),
    "a setting of 1-D layers": (model(PICTURE, "conv(6, filter_size=5)"), "filter_size=5"),
    "another framework's setting": (model(PICTURE, "conv(6, kernel_size=5)"), "kernel_size=5"),
    "a misspelt setting": (model(PICTURE, "conv(6, kernal=5)"), "kernal=5"),
    "a word in quotes": (model(PICTURE, 'conv(6, kernel=5, padding="same")'), '"same"'),
    "an unknown layer": (model(VECTOR, "nosuch"), "nosuch"),
    "a misspelt activation": (model(VECTOR, "tahn"), "tahn"),
    "an unknown form of gelu": (model(VECTOR, "gelu(approximate=erf)"), "erf"),
    "a block that nobody declared": (model(VECTOR, "Encoder"), "Encoder"),
    "an unknown loss": (training(loss="nosuch"), "nosuch"),
    "an unknown optimiser": (training(optimizer="nosuch(lr=1e-3)"), "nosuch"),
    "an unknown metric": (training(length="epochs = 2  metrics = (logits, label) -> nosuch"),
                          "nosuch"),
    "softmax twice": (training(chain="dense(3) -> softmax"), "cross_entropy"),
    "a misspelt key": (training(length="epochz = 2"), "epochz"),
    "words after the end": (model(VECTOR, "dense(4)") + " garbage", "garbage"),
    "a section that does not exist": (model(VECTOR, "dense(4)") + " modules { x = 1 }", "modules"),
    "a picture with its channels last": (model("float[28, 28, 1]", "conv(6, kernel=5)"),
                                         "conv(6, kernel=5)"),
    "a convolution of a vector": (model("float[4]", "conv(4, kernel=3)"), "conv(4, kernel=3)"),
    "a reshape that does not count": (model("float[400]", "reshape([20, 21])"),
                                      "reshape([20, 21])"),
    "a reshape of the batch": (model("float[400]", "reshape([B, 20, 20])"), "[B, 20, 20]"),
    "dropout between layers that there are not": (model("float[5, 3]", "lstm(4, dropout=0.5)"),
                                                  "dropout=0.5"),
    "widths that differ": (
        "model Net { input x: float[8]  output y = (x -> dense(8)) + (x -> dense(999)) }",
        "(x -> dense(8)) + (x -> dense(999))"),
    "a borrowed matrix that does not fit": (
        "model Net { input x: int[9]  layer e = embedding(10, 8)\n"
        "output y = x -> e -> dense(999, weight=e.weight) }",
        "dense(999, weight=e.weight)"),
    "a budget on parameters": (
        "model Net { input x: float[400]  output y = x -> dense(9)  assert parameters <= 3K }",
        "assert parameters <= 3K"),
    "a budget on operations": (
        "model Net { input x: float[400]  output y = x -> dense(9)  assert flops <= 7K }",
        "assert flops <= 7K"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_once_at_the_place(case: str, tmp_path: Path) -> None:
    text, place = REFUSED[case]
    program, problems = load(text, tmp_path)
    assert program is None
    (problem,) = problems
    assert problem.span.text == place, render_all(problems, False)


# What a backend does not have, and where it stands.
LACKING = {
    "keras": (
        model("float[4, 8, 8]", "conv_transpose(4, kernel=3, groups=2)"),
        "conv_transpose(4, kernel=3, groups=2)",
    ),
    "onnx": (
        "model Net { input x: float[8]  output y = (x, x) -> sample_normal }",
        "sample_normal",
    ),
}


def test_what_is_refused_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "net.bm"
    path.write_text(model(VECTOR, "dense(4, foo=3)"), encoding="utf-8")
    assert cli.main(["compile", str(path), "--backend", "torch", "-o", str(tmp_path / "o")]) == 1
    path.write_text(LACKING["onnx"][0], encoding="utf-8")
    assert cli.main(["compile", str(path), "--backend", "onnx", "-o", str(tmp_path / "o")]) == 1
    assert not (tmp_path / "o").exists()


def files(text: str, backend: str, folder: Path) -> dict[str, str]:
    program, problems = load(text, folder)
    assert program is not None, render_all(problems, False)
    made = driver.compile(program, backend, problems)
    assert not problems.failed, render_all(problems, False)
    return made


def calls(text: str, *words: str) -> list[int]:
    return [len(re.findall(rf"(?<![a-z_]){word}\(|\"{word}\"", text)) for word in words]


LENET = "conv(6, kernel=5) -> relu -> max_pool(2) -> flatten -> dense(10)"
LAYERS = {
    "torch": ("Conv2d", "F.relu", "F.max_pool2d", "flatten", "Linear"),
    "keras": ("Conv2D", "ops.relu", "MaxPooling2D", "Flatten", "Dense"),
    "onnx": ("g.conv", "Relu", "MaxPool", "Flatten", "g.dense"),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_layer_is_in_the_program(backend: str, tmp_path: Path) -> None:
    text = files(model(PICTURE, LENET), backend, tmp_path)["model.py"]
    assert calls(text, *LAYERS[backend]) == [1] * 5


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_axis_of_an_input_counts(backend: str, tmp_path: Path) -> None:
    text = files(model("float[28, 28, 1]", "flatten -> dense(3)"), backend, tmp_path)["model.py"]
    assert "(B, 28, 28, 1)" in text and "784" in text + str(28 * 28)
    assert {"torch": "nn.Linear(784, 3)", "keras": "shape=(28, 28, 1)", "onnx": "(3, 784)"}[
        backend
    ] in text


@pytest.mark.parametrize("backend", BACKENDS[:2])
def test_training_keys_reach_the_program(backend: str, tmp_path: Path) -> None:
    text = files(training(length="epochs = 7  batch = 24"), backend, tmp_path)["train.py"]
    for constant in ("EPOCHS = 7", "BATCH = 24", "LEARNING_RATE = 0.0001"):
        assert constant in text


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sum_adds_the_values_that_it_names(backend: str, tmp_path: Path) -> None:
    text = """model Net {
      input x: float[8]
      first = x -> dense(4)
      second = x -> dense(4)
      output total = (first, second) -> add
    }"""
    made = files(text, backend, tmp_path)["model.py"]
    wanted = {"onnx": 'g.add("Sum", first, second, name="total")'}
    assert wanted.get(backend, "first + second") in made


@pytest.mark.parametrize("backend", LACKING)
def test_an_operator_without_a_rule_is_refused_by_name(backend: str, tmp_path: Path) -> None:
    text, place = LACKING[backend]
    program, problems = load(text, tmp_path)
    assert program is not None
    made = driver.compile(program, backend, problems)
    (problem,) = problems
    assert problem.code == "BM501" and problem.span.text == place
    assert not made.get("model.py")


@pytest.mark.parametrize("name", ["dense", "conv", "embedding", "lstm", "multiply", "layer_norm"])
def test_words_of_layers_are_no_keywords(name: str, tmp_path: Path) -> None:
    """A value may be called like a layer, and the layer is still there."""
    text = f"model Net {{ input {name}: float[8]  output y = {name} -> dense(3) -> layer_norm }}"
    program, problems = load(text, tmp_path)
    assert program is not None, render_all(problems, False)


def test_summary_and_compile_read_shapes_alike(tmp_path: Path, capsys: object) -> None:
    path = tmp_path / "net.bm"
    path.write_text(model("float[28, 28, 1]", "conv(6, kernel=5)"), encoding="utf-8")
    assert cli.main(["summary", str(path)]) == 1
    assert cli.main(["compile", str(path), "--backend", "torch", "-o", str(tmp_path / "o")]) == 1
    assert cli.main(["check", str(path)]) == 1
