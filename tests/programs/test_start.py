"""`weights = pretrained(…)`: training starts from a file, also from one that others named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.language.test_entries import said
from tests.programs.project import DATA, run, succeed, written

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.project import open_project

safetensors = pytest.importorskip("safetensors.numpy")
SPEC = """
model Net {{
  input numbers: float[4]
  output logits = numbers -> dense(6) -> relu -> dense(3)
}}
data {{
  source  = csv("penguins.csv")
  numbers = ["bill_length_mm".."body_mass_g"] -> impute(median) -> standardize
  species = "species" -> category
  split   = random(train=80%, validation=20%, seed=3)
}}
train {{
  loss      = (logits, species) -> cross_entropy
  optimizer = sgd(lr=1e-9)
  weights   = {weights}
  steps     = 1
  batch     = 32
}}
predict {{ species = logits -> argmax -> undo(data.species) }}
"""
NAMES = {
    "body.{n}.kernel": {"to": "dense{n}.weight", "axes": [1, 0]},
    "body.{n}.shift": "dense{n}.bias",
    "counter": None,
}
TRAINED = ["torch", "keras"]


def spec(folder: Path, weights: str) -> Path:
    path = folder / "net.bm"
    path.write_text(SPEC.format(weights=weights), encoding="utf-8")
    return path


def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    return {
        "body.1.kernel": random.normal(size=(4, 6)).astype("float32"),
        "body.1.shift": random.normal(size=6).astype("float32"),
        "body.2.kernel": random.normal(size=(6, 3)).astype("float32"),
        "counter": np.zeros(1, "float32"),
        "spare": np.zeros(2, "float32"),
    }


def train(folder: Path, backend: str, weights: str, found: dict[str, np.ndarray]) -> Any:
    """The program, and what its training said."""
    (folder / "names.json").write_text(json.dumps(NAMES), encoding="utf-8")
    safetensors.save_file(found, folder / "start.safetensors")
    program = written(folder / backend, spec(folder, weights), backend)
    given = ("--data", DATA / "penguins.csv", "--start", folder / "start.safetensors")
    return program, ("train.py", *given, "--out", folder / "run")


MAPPED = 'pretrained("start.safetensors", names="names.json")'


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("backend", TRAINED)
def test_training_starts_from_what_others_named(backend: str, tmp_path: Path) -> None:
    found = tensors()
    program, command = train(tmp_path, backend, MAPPED, found)
    said = succeed(program, *command)
    assert "3 of the model's 4 tensors" in said
    assert "not in the file: dense2.bias" in said
    assert "not in the model: spare" in said
    made = safetensors.load_file(tmp_path / "run" / "weights.safetensors")
    assert np.allclose(made["dense1.weight"], found["body.1.kernel"].T, atol=1e-6)
    assert np.allclose(made["dense2.weight"], found["body.2.kernel"].T, atol=1e-6)
    assert np.allclose(made["dense1.bias"], found["body.1.shift"], atol=1e-6)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("backend", TRAINED)
def test_training_starts_from_its_own_names(backend: str, tmp_path: Path) -> None:
    weight = np.ones((6, 4), "float32")
    program, command = train(
        tmp_path, backend, 'pretrained("x.safetensors")', {"dense1.weight": weight}
    )
    assert "1 of the model's 4 tensors" in succeed(program, *command)
    made = safetensors.load_file(tmp_path / "run" / "weights.safetensors")
    assert np.allclose(made["dense1.weight"], weight, atol=1e-6)
    assert 'START = "x.safetensors"' in (program / "train.py").read_text()
    assert "Change" not in (program / "start.py").read_text()


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("backend", TRAINED)
def test_a_head_for_other_classes_starts_anew(backend: str, tmp_path: Path) -> None:
    found = tensors() | {"body.2.kernel": np.zeros((6, 7), "float32")}  # of seven classes
    anew = MAPPED.replace(")", ', anew="dense2")')
    program, command = train(tmp_path, backend, anew, found)
    said = succeed(program, *command)
    assert "2 of the model's 4 tensors" in said and "not in the file" not in said
    told = next(line for line in said.splitlines() if line.startswith("  anew: "))
    assert set(told.removeprefix("  anew: ").split(", ")) == {"dense2.weight", "dense2.bias"}
    made = safetensors.load_file(tmp_path / "run" / "weights.safetensors")
    assert made["dense2.weight"].shape == (3, 6) and made["dense2.weight"].any()
    assert np.allclose(made["dense1.weight"], found["body.1.kernel"].T, atol=1e-6)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("backend", TRAINED)
def test_what_does_not_fit_is_refused(backend: str, tmp_path: Path) -> None:
    wrong = {"body.1.kernel": np.zeros((5, 6), "float32")}
    program, command = train(tmp_path, backend, MAPPED, wrong)
    said = run(program, *command).stderr
    assert "dense1.weight is (6, 5), and the model has (6, 4)" in said
    assert "Traceback" not in said
    safetensors.save_file({"other": np.zeros(2, "float32")}, tmp_path / "start.safetensors")
    said = run(program, *command).stderr
    assert "no tensor of it has a name of the model" in said


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("backend", TRAINED)
def test_a_model_in_several_files(backend: str, tmp_path: Path) -> None:
    """With or without a map; one file alone is read, too, and an index that leads away is not."""
    found = tensors()
    sharded = MAPPED.replace("start.safetensors", "start.safetensors.index.json")
    program, command = train(tmp_path, backend, sharded, found)
    assert "3 of the model's 4 tensors" in succeed(program, *command)
    files = {}
    for number, name in enumerate(found):
        files[name] = f"start-{number % 2}.safetensors"
    for file in set(files.values()):
        part = {name: found[name] for name in found if files[name] == file}
        safetensors.save_file(part, tmp_path / file)
    index = tmp_path / "start.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}), encoding="utf-8")
    command = [*map(str, command)]
    command[command.index("--start") + 1] = str(index)
    assert "3 of the model's 4 tensors" in succeed(program, *command, "--overwrite")
    made = safetensors.load_file(tmp_path / "run" / "weights.safetensors")
    assert np.allclose(made["dense2.weight"], found["body.2.kernel"].T, atol=1e-6)
    away = {"weight_map": {"a": "../start-0.safetensors"}}
    for table in (away, {"weight_map": {"a": 3}}, {"weight_map": [1]}, []):
        index.write_text(json.dumps(table), encoding="utf-8")
        told = run(program, *command, "--overwrite").stderr
        assert "Traceback" not in told and "safetensors" in told.splitlines()[-1]


FAULTS = {
    "missing": ('names="none.json"', None, "BM603"),
    "outside": ('names="../names.json"', None, "BM604"),
    "broken": ('names="names.json"', "{", "BM504"),
    "astray": ('names="names.json"', '{"a": "dense7.weight"}', "BM504"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_maps_are_checked_while_compiling(fault: str, tmp_path: Path) -> None:
    setting, text, code = FAULTS[fault]
    if text is not None:
        (tmp_path / "names.json").write_text(text, encoding="utf-8")
    path = spec(tmp_path, f'pretrained("start.safetensors", {setting})')
    project, source = open_project(str(path))
    problems = Problems()
    assert driver.load(source, project, problems) is None
    (problem,) = problems
    assert problem.code == code
    assert problem.span.text == setting.partition("=")[2]


def test_a_part_that_starts_anew_is_one_of_the_model(tmp_path: Path) -> None:
    text = said(
        SPEC.format(weights='pretrained("x.safetensors", anew=["dense2", "dense3"])'), tmp_path
    )
    assert text.count("error[") == 1 and "`dense3`" in text and "dense1" in text
