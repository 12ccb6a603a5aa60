"""Every model of a file is written, or refused by name; a file without any makes no program."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_cli import run as started

TWO = """
block Body(width) {{ input x: float[N]  output y = x -> dense(width) -> relu }}
model Generator {{ input noise: float[4]  output picture = noise -> Body(8) -> dense(6) }}
model {second} {{ input picture: float[6]  output score = picture -> Body(8) -> dense(1) }}
"""
NET = "model Net {\n  input numbers: float[4]\n  output logits = numbers -> dense(3)\n}\n"
SECTIONS = """
data {
  source  = csv("penguins.csv")
  numbers = ["bill_length_mm".."body_mass_g"] -> impute(median) -> standardize
  species = "species" -> category
  split   = random(train=70%, validation=30%, seed=3)
}
train {
  loss = (logits, species) -> cross_entropy  optimizer = adam(lr=1e-2)  epochs = 1  batch = 32
}
predict { species = logits -> argmax -> undo(data.species) }
"""


def run(*arguments: str) -> Any:
    return started(*arguments, text=True)


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)}


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
@pytest.mark.parametrize(
    ("second", "file"), [("Critic", "generator.py"), ("DataModel", "generator.py")]
)
def test_two_models(backend: str, second: str, file: str, tmp_path: Path) -> None:
    spec = tmp_path / "gan.bm"
    spec.write_text(TWO.format(second=second))
    done = run("compile", str(spec), "--backend", backend, "-o", str(tmp_path / "o"))
    assert done.returncode == 0, done.stderr
    assert sorted(Path(line).name for line in done.stdout.split()) == [file, "model.py"]
    made = {"torch": "{}", "keras": "build_{}", "onnx": "build_{}"}[backend]
    low = str if backend == "torch" else str.lower
    assert made.format(low("Generator")) in names_in(tmp_path / "o" / file)
    assert made.format(low(second)) in names_in(tmp_path / "o" / "model.py")


def test_a_model_with_the_name_of_a_program(tmp_path: Path) -> None:
    spec = tmp_path / "two.bm"
    spec.write_text(NET.replace("Net", "Train") + NET + SECTIONS)
    done = run("compile", str(spec), "--backend", "torch", "-o", str(tmp_path / "o"))
    assert done.returncode == 0, done.stderr
    files = {Path(line).name for line in done.stdout.split()}
    assert {"train_model.py", "model.py", "train.py", "data.py"} <= files


def test_a_layer_refused_in_the_first_model_is_an_error(tmp_path: Path) -> None:
    spec = tmp_path / "two.bm"
    spec.write_text("model First { input x: float[4, 4, 4]  output y = x -> flaten }\n" + NET)
    done = run("compile", str(spec), "--backend", "torch", "-o", str(tmp_path / "o"))
    assert done.returncode == 1 and "flaten" in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_an_imported_model_is_trained(backend: str, tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(NET)
    spec = tmp_path / "run.bm"
    spec.write_text('import { Net } from "net.bm"\n' + SECTIONS)
    done = run("compile", str(spec), "--backend", backend, "-o", str(tmp_path / "o"))
    assert done.returncode == 0, done.stderr
    files = {Path(line).name for line in done.stdout.split()}
    assert {"model.py", "data.py", "evaluate.py", "predict.py"} <= files


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (SECTIONS, "BM410"),
        ("let a = 3\n" + SECTIONS, "BM410"),
        ("block B { input x: float[N]  output y = x -> relu }\n" + SECTIONS, "BM410"),
        ("block B { input x: float[N]  output y = x -> relu }\n", "BM410"),
        ("let a = 3\n", "BM410"),
        ("", "BM410"),
    ],
)
@pytest.mark.parametrize("command", ["compile", "summary", "train"])
def test_nothing_to_make_a_program_of(text: str, code: str, command: str, tmp_path: Path) -> None:
    spec = tmp_path / "a.bm"
    spec.write_text(text)
    more = ["-o", str(tmp_path / "o")] if command == "compile" else []
    if command != "summary":
        more += ["--backend", "torch"]
    done = run(command, str(spec), *more)
    assert done.returncode == 1 and code in done.stderr
    assert "`model`" in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_file_of_blocks_is_right_for_check(tmp_path: Path) -> None:
    spec = tmp_path / "a.bm"
    spec.write_text("block B { input x: float[N]  output y = x -> relu }\n")
    assert run("check", str(spec)).returncode == 0
