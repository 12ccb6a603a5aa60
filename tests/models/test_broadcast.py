"""Values of different sizes meet: right in three backends, whatever the batch is."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.agree import BACKENDS, load

from bmc.emit.names import class_name
from bmc.verify.chance import draw_weights
from bmc.verify.probe import load_module

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
NUMBERS = itertools.count()
ROWS = "((x -> square -> mean) + 1)"  # a number for each sample
OPERATORS = ("+", "-", "*", "/", "<", ">=", "==", "!=")


def outputs(text: str, folder: Path, batches: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    """What three programs give for batches of these sizes."""
    spec, files = load(text, folder)
    numbers = draw_weights(spec, "float32", 0)
    models = {}
    for backend in BACKENDS:
        path = folder / f"{backend}{next(NUMBERS)}.py"
        path.write_text(files[backend], encoding="utf-8")
        probe = importlib.import_module(f"bmc_{backend}.probe")
        models[backend] = probe.Model(load_module(path), class_name(spec.name), numbers, "float32")
    found: dict[int, dict[str, Any]] = {}
    for batch in batches:
        random = np.random.default_rng(batch)
        arrays = []
        for entry in spec.inputs:
            sizes = [int(size) if isinstance(size, int) else 5 for size in entry.value.type.shape]
            arrays.append(random.normal(size=(batch, *sizes)).astype("float32"))
        found[batch] = {backend: model.run(arrays) for backend, model in models.items()}
    return found


def alike(text: str, folder: Path, batches: tuple[int, ...]) -> None:
    for batch, made in outputs(text, folder, batches).items():
        for backend in ("keras", "onnx"):
            for place, (mine, theirs) in enumerate(zip(made[backend], made["torch"], strict=True)):
                assert mine.shape == theirs.shape, (batch, backend, place)
                bound = 1e-5 * max(1.0, float(np.abs(theirs).max()))
                assert np.abs(mine - theirs).max() <= bound, (batch, backend, place)


def model(inputs: list[str], lines: list[str]) -> str:
    head = [f"input {entry}" for entry in inputs]
    return "model Net {\n  " + "\n  ".join([*head, *lines]) + "\n}\n"


def test_a_number_for_each_sample_and_a_row(tmp_path: Path) -> None:
    """A batch of as many rows as there are columns."""
    lines = []
    for place, sign in enumerate(OPERATORS):
        end = " -> cast(float)" if sign in "< >= == !=" else ""
        lines.append(f"output a{place} = (x {sign} {ROWS}){end}")
        lines.append(f"output b{place} = ({ROWS} {sign} x){end}")
    lines += [
        "output s = (x, x -> dense(1)) -> add",
        "output t = (x -> dense(1), x) -> add",
        "output u = (x -> mean, x, x -> dense(1)) -> add",
        "output v = (x, x -> mean) -> mean",
        "output m = (x, x -> mean) -> multiply",
        "output n = (x, x -> mean) -> max",
        "output w = (x, x -> dense(1)) -> [identity, identity] -> sum",
    ]
    alike(model(["x: float[6]"], lines[:-1]), tmp_path, (1, 2, 5, 6, 7))


SHAPES = [
    ("4, 5", "4, 1"), ("4, 5", "5"), ("4, 5", "1"), ("4, 1", "1, 5"), ("4, 5", ""), ("4, 4", "4, 1"),
    ("4, 4", "1, 4"), ("4, 1", "4"), ("4, 4, 4", "4, 1, 1"), ("4, 4, 4", "1, 4, 1"), ("4, 4, 4", "4"),
    ("4, 1, 4", "1, 4, 1"), ("2, 4, 4", "2, 1, 4"), ("1, 4", "4, 1"), ("4", ""), ("1", ""), ("4", "1"),
    ("T, 4", "T, 1"), ("T, 4", "4"), ("T, 1", "1, 4"), ("T, 5", "1"), ("T, 1", "4"),
]  # fmt: skip


@pytest.mark.parametrize("start", range(0, len(SHAPES), 6))
def test_shapes_that_stretch(start: int, tmp_path: Path) -> None:
    """Sums in both orders, as operators and as layers, of inputs and of learned tensors."""
    inputs, lines = [], []
    for place, (one, other) in enumerate(SHAPES[start : start + 6]):
        one, other = (text.replace("T", f"T{place}") for text in (one, other))
        a, b = f"a{place}", f"b{place}"
        inputs += [f"{a}: float[{one}]", f"{b}: float[{other}]"]
        made = [f"{a} + {b}", f"{b} + {a}", f"({a}, {b}) -> add", f"({b}, {a}) -> mean",
                f"({a}, {b}, {a}) -> add", f"{a} * {b}", f"{a} - {b}"]  # fmt: skip
        lines += [f"output y{place}_{n} = {text}" for n, text in enumerate(made)]
        if "T" not in other:
            lines += [f"param p{place}: float[{other}] = normal(1)"]
            lines += [f"output z{place} = {a} + p{place}", f"output w{place} = p{place} + {a}"]
    alike(model(inputs, lines), tmp_path, (1, 2, 4, 5))


def test_maps_laid_out_channels_last(tmp_path: Path) -> None:
    """Sums between convolutions, where Keras has the channels last."""
    lines = [
        "a = x -> conv(4, kernel=3, padding=1)",
        "g = a -> global_avg_pool -> reshape([4, 1, 1]) -> conv(4, kernel=1)",
        "r = a -> mean(axis=2, keep=true)",
        "c = a -> mean(axis=1, keep=true)",
        "output y = (a + g) -> conv(2, kernel=1)",
        "output z = (g + a) -> conv(2, kernel=1)",
        "output w = (r + c) -> conv(2, kernel=1)",
        "output v = (a, r, c) -> add -> conv(2, kernel=1)",
    ]
    alike(model(["x: float[3, 4, 4]"], lines), tmp_path, (1, 2, 4))


def test_statistics_put_back(tmp_path: Path) -> None:
    lines = [
        "z, stats = x -> instance_norm_with_stats",
        "output y = (z, stats) -> undo_instance_norm",
    ]
    alike(model(["x: float[4, 4]"], lines), tmp_path, (1, 2, 4))


def test_positions_over_several_axes(tmp_path: Path) -> None:
    lines = [
        "output a = x -> learned_positions(4)",
        "output b = z -> self_attention(heads=2, positions=alibi)",
    ]
    alike(model(["x: float[4, 4, 1]", "z: float[2, 1, 4]"], lines), tmp_path, (1, 2, 4))


def test_a_scan_that_sums(tmp_path: Path) -> None:
    text = """
block Cell {
  input x: float[D]
  input shift: float[1]
  state h: float[4] = zeros
  h = h + shift + x + (x -> mean)
  output y = h
}
model Net {
  input xs: float[4, 4]
  input shift: float[1]
  output y = (xs, shift) -> scan(Cell)
}
"""
    alike(text, tmp_path, (1, 2, 4))


def test_the_gradient_of_a_deviation_where_nothing_varies(tmp_path: Path) -> None:
    text = model(["x: float[4]"], ["output y = x -> dense(3) -> deviation"])
    spec, files = load(text, tmp_path)
    numbers = {
        name: np.zeros_like(array) for name, array in draw_weights(spec, "float32", 0).items()
    }
    for backend in ("torch", "keras"):
        path = tmp_path / f"{backend}_constant.py"
        path.write_text(files[backend], encoding="utf-8")
        probe = importlib.import_module(f"bmc_{backend}.probe")
        made = probe.Model(load_module(path), class_name(spec.name), numbers, "float32")
        gradients = made.gradients([np.ones((2, 4), "float32")])
        assert all((gradient == 0).all() for gradient in gradients.values()), backend
