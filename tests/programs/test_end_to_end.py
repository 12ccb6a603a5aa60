"""Programs train on real data, evaluate and predict; weights go from one to the others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.project import BACKENDS, DATA, SPECS, few_digits, run, succeed, written

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]
TRAINED = ("torch", "keras")
SPEC = SPECS / "vision" / "digits.bm"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_digits(tmp_path_factory.mktemp("data") / "digits.npz")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("programs")
    return {backend: written(root / backend, SPEC, backend) for backend in BACKENDS}


@pytest.fixture(scope="module", params=TRAINED)
def trained(request: pytest.FixtureRequest, programs: dict[str, Path], data: Path) -> Path:
    """A finished run of five epochs."""
    folder = programs[request.param]
    printed = succeed(folder, "train.py", "--data", data, "--out", "run", "--epochs", "5")
    assert len(printed.splitlines()) == 5
    return folder / "run"


def test_training_writes_weights_and_metrics(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[-1]["loss"] < lines[0]["loss"] / 2
    assert lines[-1]["validation_accuracy"] > 0.8
    weights = load_file(trained / "weights.safetensors")
    assert weights["conv1.weight"].shape == (16, 1, 3, 3)
    assert weights["dense1.weight"].shape == (64, 512)
    assert not list(trained.glob("*.tmp"))


def test_every_backend_evaluates_and_predicts_alike(
    trained: Path, programs: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    weights = trained / "weights.safetensors"
    scores, tables = {}, {}
    for backend, folder in programs.items():
        given = ("--weights", weights, "--data", data)
        scores[backend] = json.loads(succeed(folder, "evaluate.py", *given))
        table = tmp_path / f"{backend}.csv"
        succeed(folder, "predict.py", *given, "-o", table)
        with table.open(newline="") as file:
            header, *rows = list(csv.reader(file))
        assert header == ["digit", *(f"probability_{i}" for i in range(10))]
        tables[backend] = np.array(rows, dtype=float)
    assert scores["torch"]["accuracy"] > 0.8
    for backend in BACKENDS:
        assert tables[backend].shape == (200, 11)
        assert scores[backend]["accuracy"] == scores["torch"]["accuracy"]
        assert abs(scores[backend]["loss"] - scores["torch"]["loss"]) < 1e-6
        assert np.abs(tables[backend] - tables["torch"]).max() <= 1e-5
        assert np.allclose(tables[backend][:, 1:].sum(axis=1), 1, atol=1e-5)


def test_onnx_needs_no_onnx_once_the_graph_is_written(
    programs: dict[str, Path], trained: Path, data: Path, tmp_path: Path
) -> None:
    folder = programs["onnx"]
    succeed(folder, "model.py")
    blocker = tmp_path / "onnx"
    blocker.mkdir()
    (blocker / "__init__.py").write_text("raise ImportError('not here')\n")
    given = ("--weights", trained / "weights.safetensors", "--data", data)
    assert "accuracy" in succeed(folder, "evaluate.py", *given, PYTHONPATH=str(tmp_path))


@pytest.mark.parametrize("backend", TRAINED)
def test_a_run_counted_in_steps_keeps_what_it_learned(backend: str, tmp_path: Path) -> None:
    folder = written(tmp_path / backend, SPECS / "tabular" / "mlp.bm", backend)
    data = DATA / "penguins.csv"
    succeed(folder, "train.py", "--data", data, "--out", "run", "--steps", "150")
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(15, 151, 15))
    learned = json.loads((folder / "run" / "learned.json").read_text())
    names = ["Adelie", "Chinstrap", "Gentoo"]
    assert learned["species.category"]["classes"]["species"] == names
    given = ("--weights", "run/weights.safetensors", "--data", data)
    assert json.loads(succeed(folder, "evaluate.py", *given))["accuracy"] > 0.9
    succeed(folder, "predict.py", *given, "-o", "table.csv")
    with (folder / "table.csv").open(newline="") as file:
        header, first, *_ = list(csv.reader(file))
    assert header == [
        "species", "probability_Adelie", "probability_Chinstrap", "probability_Gentoo"
    ]  # fmt: skip
    assert first[0] == "Adelie"


@pytest.mark.parametrize("backend", TRAINED)
def test_the_same_seed_gives_the_same_run(
    backend: str, programs: dict[str, Path], data: Path
) -> None:
    found = []
    for out in ("first", "second"):
        succeed(
            programs[backend], "train.py", "--data", data, "--out", out,
            "--epochs", "1", "--seed", "7", "--device", "cpu",
        )  # fmt: skip
        found.append((programs[backend] / out / "weights.safetensors").read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_bad_data_ends_in_one_line(backend: str, programs: dict[str, Path]) -> None:
    script = "predict.py" if backend == "onnx" else "train.py"
    given = ["--out", "bad"] if backend != "onnx" else ["--weights", "none.safetensors"]
    done = run(programs[backend], script, "--data", "missing.npz", *given)
    assert done.returncode == 1
    if backend != "onnx":
        assert done.stderr.strip().splitlines()[-1] == "missing.npz: no such file"
