"""Predictions as CSV, JSON lines, arrays and Parquet."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars
import pytest
from tests.programs.drawn import table
from tests.programs.project import compiled, run, succeed, written
from tests.programs.test_keep import spec
from tests.programs.test_parts import problems_of

COLUMNS: dict[str, Any] = {
    "file": np.array(["a, b", 'n° "1"', ""]),  # as a parameter of NumPy is called
    "kind": np.array([3, 1, 2]),
    "logits": np.array([[0.1, -2.5], [1e-9, 3.0], [np.nan, np.inf]], "float32"),
    "yes": np.array([True, False, True]),
    "map": np.arange(12.0, dtype="float32").reshape(3, 2, 2),
}


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module `table.py` of a program."""
    folder = tmp_path_factory.mktemp("program")
    made = written(folder, spec(folder, '["id"]'), "onnx")
    sys.path.insert(0, str(made))
    try:
        found = importlib.util.spec_from_file_location("table", made / "table.py")
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    finally:
        sys.path.remove(str(made))
        sys.modules.pop("data", None)
    return module


FLAT = ["file", "kind", "logits_0", "logits_1", "yes", "map_0", "map_1", "map_2", "map_3"]


def test_csv(writing: ModuleType, tmp_path: Path) -> None:
    for name in ("out.csv", "out"):
        writing.write_table(tmp_path / name, COLUMNS)
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        assert lines[0] == FLAT
        assert lines[2] == ['n° "1"', "1", "9.99999972e-10", "3", "False", "4", "5", "6", "7"]


def test_json_lines(writing: ModuleType, tmp_path: Path) -> None:
    writing.write_table(tmp_path / "out.jsonl", COLUMNS)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert rows[0].pop("logits") == pytest.approx([0.1, -2.5])
    assert rows[0] == {"file": "a, b", "kind": 3, "yes": True, "map": [[0, 1], [2, 3]]}
    assert rows[2]["logits"] == [None, None] and rows[1]["file"] == 'n° "1"'
    assert polars.read_ndjson(tmp_path / "out.jsonl").height == 3


def test_arrays(writing: ModuleType, tmp_path: Path) -> None:
    writing.write_table(tmp_path / "out.npz", COLUMNS)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert list(found) == list(COLUMNS)
        for name, array in COLUMNS.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


def test_parquet(writing: ModuleType, tmp_path: Path) -> None:
    writing.write_table(tmp_path / "out.parquet", COLUMNS)
    found = polars.read_parquet(tmp_path / "out.parquet")
    assert found.columns == FLAT
    assert found["file"].to_list() == COLUMNS["file"].tolist()
    np.testing.assert_array_equal(found["logits_1"], COLUMNS["logits"][:, 1])


def test_without_polars(
    writing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(SystemExit, match="pip install polars"):
        writing.write_table(tmp_path / "out.parquet", COLUMNS)
    with pytest.raises(SystemExit, match="No such file"):
        writing.write_table(tmp_path / "none" / "out.csv", COLUMNS)


@pytest.mark.torch
def test_a_run_writes_what_the_spec_says(tmp_path: Path) -> None:
    table(tmp_path / "rows.csv")
    path = spec(tmp_path, '["yes"]')
    path.write_text(path.read_text().replace('csv("out.csv")', 'npz("out.npz")'))
    made = written(tmp_path / "torch", path, "torch")
    data = ("--data", tmp_path / "rows.csv")
    succeed(made, "train.py", *data, "--out", "run")
    given = ("predict.py", "--weights", "run/weights.safetensors", *data)
    succeed(made, *given)
    succeed(made, *given, "-o", "out.jsonl")
    rows = [json.loads(line) for line in (made / "out.jsonl").read_text().splitlines()]
    with np.load(made / "out.npz", allow_pickle=False) as found:
        assert found["p"].tolist() == [row["p"] for row in rows]
        assert found["yes"].tolist() == [row["yes"] for row in rows]
    assert run(made, *given, "-o", "none/out.npz").returncode == 1


def test_what_is_written_is_required(tmp_path: Path) -> None:
    path = spec(tmp_path, '["id"]')
    assert "polars" not in compiled(path, "torch")["requirements.txt"]
    path.write_text(path.read_text().replace('csv("out.csv")', 'parquet("out.parquet")'))
    for backend in ("torch", "keras", "onnx"):
        assert "\npolars>=1\n" in compiled(path, backend)["requirements.txt"]


@pytest.mark.parametrize(("write", "message"), [
    ('npz("out.csv")', "this one says csv"),
    ('csv("out.jsonl")', "this one says jsonl"),
    ('excel("out.xlsx")', "predictions are written as"),
    ('parquet("../out.parquet")', "leaves the folder"),
])  # fmt: skip
def test_bad_files(write: str, message: str, tmp_path: Path) -> None:
    path = spec(tmp_path, '["id"]')
    path.write_text(path.read_text().replace('csv("out.csv")', write))
    assert message in problems_of(path)
