"""Data files and run folders as they come: right, or one clear line with file, row or name."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from tests.programs.many import run_many
from tests.programs.project import DATA, SPECS, succeed, written

BACKENDS = [pytest.param(b, marks=getattr(pytest.mark, b)) for b in ("torch", "keras", "onnx")]
SPEC = SPECS / "tabular" / "mlp.bm"
TABLE = (DATA / "penguins.csv").read_text()
HEAD, *ROWS = TABLE.splitlines()
NAMES = HEAD.split(",")
Change = Callable[[str], str]
SAME = "the predictions of the file as it was"


def columns(order: list[str]) -> str:
    """The table with these columns; one of a new name is filled with 7."""
    cells = [dict(zip(NAMES, row.split(","))) for row in ROWS]
    lines = [",".join(order), *(",".join(row.get(name, "7") for name in order) for row in cells)]
    return "\n".join(lines) + "\n"


def cell(name: str, text: str, row: int = 3) -> str:
    """The table with another text in one cell of that row, counted from one behind the head."""
    cells = [row.split(",") for row in ROWS]
    cells[row - 1][NAMES.index(name)] = text
    return "\n".join([HEAD, *(",".join(row) for row in cells)]) + "\n"


BILL, FLIPPER = "bill_length_mm", "flipper_length_mm"
SWAPPED = [{BILL: FLIPPER, FLIPPER: BILL}.get(name, name) for name in NAMES]
INSIDE = [*NAMES[: NAMES.index(FLIPPER)], "noise", *NAMES[NAMES.index(FLIPPER) :]]
TABLES: dict[str, tuple[str | bytes, str]] = {
    "as it was": (TABLE, SAME),
    "columns swapped": (columns(SWAPPED), SAME),
    "columns backwards": (columns(NAMES[::-1]), SAME),
    "a column inside a range": (columns(INSIDE), SAME),
    "columns around": (columns(["id", *NAMES, "note"]), SAME),
    "without the target": (columns([name for name in NAMES if name != "species"]), SAME),
    "byte order mark, CRLF": (b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode(), SAME),
    "no newline at the end": (TABLE.rstrip("\n"), SAME),
    "blanks around a number": (cell(BILL, " 39.1 ", 1), SAME),
    "a quoted number": (cell(BILL, '"39.1"', 1), SAME),
    "a plus before a number": (cell(BILL, "+39.1", 1), SAME),
    "an unknown target": (cell("species", "Emperor"), SAME),
    "a missing column": (columns([name for name in NAMES if name != FLIPPER]), f"table.csv.*{FLIPPER}"),
    "a column twice": (columns([*NAMES, BILL]), f"table.csv.*{BILL}"),
    "a text for a number": (cell(BILL, "long"), f"table.csv.*{BILL}.*long|row 3|line 4"),
    "digits in groups": (cell(BILL, "1_0"), "1_0"),
    "a decimal comma": (cell(BILL, '"39,1"'), "39,1"),
    "a number beyond floats": (cell(BILL, "1e999"), "1e999"),
    "a number beyond float32": (cell(BILL, "1e300"), "table.csv:4: .*beyond float32"),
    "infinity": (cell(BILL, "inf"), "inf"),
    "hexadecimal": (cell(BILL, "0x1f"), "0x1f"),
    "a cell too few": (TABLE.replace(ROWS[2], ROWS[2].rpartition(",")[0]), "table.csv:4: expected 7 values"),
    "a cell too many": (TABLE.replace(ROWS[2], ROWS[2] + ",1"), "table.csv:4: expected 7 values"),
    "a quote left open": (cell(BILL, '"39.1'), "table.csv"),
    "no rows": (HEAD + "\n", "table.csv"),
    "nothing": ("", "table.csv"),
    "UTF-16": (TABLE.encode("utf-16"), "table.csv.*(UTF-8|utf-8)"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "table.csv"),
    "a zero byte": (cell(BILL, "3\x009"), "table.csv|9"),
}  # fmt: skip


def tensors(change: Callable[[dict[str, np.ndarray]], None]) -> Callable[[Path], None]:
    """Other tensors in a weights file that says of itself what it said before."""

    def write(run: Path) -> None:
        path = run / "weights.safetensors"
        with safe_open(path, "numpy") as file:
            said = file.metadata()
        found = load_file(path)
        change(found)
        save_file(found, path, said)

    return write


def nudged(found: dict[str, np.ndarray]) -> None:
    found["dense2.weight"] = found["dense2.weight"] + np.float32(1e-6)


def swapped(found: dict[str, np.ndarray]) -> None:
    found["dense1.bias"], found["dense2.bias"] = found["dense2.bias"], found["dense1.bias"]


def turned(found: dict[str, np.ndarray]) -> None:
    found["dense2.weight"] = np.ascontiguousarray(found["dense2.weight"].T)


def lost(found: dict[str, np.ndarray]) -> None:
    found["dense1.bias"][0] = np.nan


def whole(found: dict[str, np.ndarray]) -> None:
    found["dense1.bias"] = found["dense1.bias"].astype("int64")


def fewer(found: dict[str, np.ndarray]) -> None:
    del found["dense3.bias"]


def more(found: dict[str, np.ndarray]) -> None:
    found["dense9.bias"] = np.zeros(3, "float32")


def wider(found: dict[str, np.ndarray]) -> None:
    found["dense3.bias"] = np.zeros(4, "float32")


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(run: Path) -> None:
        (run / name).write_bytes(change((run / name).read_bytes()))

    return write


def flipped(content: bytes) -> bytes:
    at = len(content) - 9
    return content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def learned(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def write(run: Path) -> None:
        path = run / "learned.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return write


def folder(name: str) -> Callable[[Path], None]:
    def write(run: Path) -> None:
        (run / name).unlink()
        (run / name).mkdir()

    return write


def from_elsewhere(kind: str) -> Callable[[Path], None]:
    """The tensors alone in another type, as others give theirs away."""

    def write(run: Path) -> None:
        path = run / "weights.safetensors"
        found = {key: array.astype(kind) for key, array in load_file(path).items()}
        save_file(found, path)

    return write


WEIGHTS, LEARNED = "weights.safetensors", "learned.json"
RUNS: dict[str, tuple[Callable[[Path], None], str]] = {
    "as it was": (lambda run: None, SAME),
    "weights in double precision": (from_elsewhere("float64"), SAME),
    "no weights": (lambda run: (run / WEIGHTS).unlink(), f"{WEIGHTS}.*no such file"),
    "half of the weights": (bytes_of(WEIGHTS, lambda content: content[: len(content) // 2]), WEIGHTS),
    "a header of weights": (bytes_of(WEIGHTS, lambda content: content[:6]), WEIGHTS),
    "empty weights": (bytes_of(WEIGHTS, lambda content: b""), WEIGHTS),
    "a text for weights": (bytes_of(WEIGHTS, lambda content: b"weights"), WEIGHTS),
    "a folder for weights": (folder(WEIGHTS), WEIGHTS),
    "a flipped bit": (bytes_of(WEIGHTS, flipped), WEIGHTS),
    "a nudged tensor": (tensors(nudged), WEIGHTS),
    "tensors swapped": (tensors(swapped), WEIGHTS),
    "a tensor transposed": (tensors(turned), WEIGHTS),
    "no number": (tensors(lost), WEIGHTS),
    "whole numbers": (tensors(whole), WEIGHTS),
    "a tensor missing": (tensors(fewer), WEIGHTS),
    "a tensor more": (tensors(more), WEIGHTS),
    "a tensor wider": (tensors(wider), WEIGHTS),
    "nothing learned": (lambda run: (run / LEARNED).unlink(), LEARNED),
    "empty learned": (bytes_of(LEARNED, lambda content: b""), LEARNED),
    "half learned": (bytes_of(LEARNED, lambda content: content[: len(content) // 2]), LEARNED),
    "a list learned": (learned(lambda found: [found]), LEARNED),
    "a key missing": (learned(lambda found: dict(list(found.items())[1:])), LEARNED),
    "learned from another run": (learned(lambda found: json.loads(json.dumps(found).replace("0.", "1."))), LEARNED),
    "a folder learned": (folder(LEARNED), LEARNED),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, trained by PyTorch; its weights are those of every backend."""
    base = tmp_path_factory.mktemp("files")
    program = written(base / "program", SPEC, "torch")
    succeed(
        program, "train.py", "--data", DATA / "penguins.csv", "--out", base / "run", "--steps", "40"
    )
    return base / "run"


def arranged(trained: Path, base: Path) -> dict[str, tuple[list[Any], str]]:
    """For every case what is run, and what is expected of it."""
    found: dict[str, tuple[list[Any], str]] = {}
    for number, (name, (content, expected)) in enumerate(TABLES.items()):
        place = base / f"table{number}"
        place.mkdir()
        data = content.encode() if isinstance(content, str) else content
        (place / "table.csv").write_bytes(data)
        words = [
            "predict",
            "--weights",
            trained / WEIGHTS,
            "--data",
            place / "table.csv",
            "-o",
            place / "out.csv",
        ]
        found[f"table: {name}"] = (words, expected)
    for number, (name, (change, expected)) in enumerate(RUNS.items()):
        place = base / f"run{number}"
        shutil.copytree(trained, place)
        change(place)
        words = [
            "predict",
            "--weights",
            place / WEIGHTS,
            "--data",
            DATA / "penguins.csv",
            "-o",
            place / "out.csv",
        ]
        found[f"run: {name}"] = (words, expected)
    good = ["--weights", trained / WEIGHTS]
    table = ["--data", DATA / "penguins.csv"]
    (base / "file").write_text("")
    (base / "no target.csv").write_text(columns(NAMES[1:]))
    (base / "new target.csv").write_text(cell("species", "Emperor"))
    found |= {
        "no table": (["predict", *good, "--data", base / "none.csv"], "none.csv.*no such file"),
        "a folder for a table": (["predict", *good, "--data", base], base.name),
        "out into nowhere": (["predict", *good, *table, "-o", base / "a" / "b.csv"], "b.csv"),
        "out over a folder": (["predict", *good, *table, "-o", base], base.name),
        "evaluate without target": (["evaluate", *good, "--data", base / "no target.csv"], "species"),
        "evaluate on an unknown class": (["evaluate", *good, "--data", base / "new target.csv", "--all"], "Emperor"),
        "evaluate an unknown split": (["evaluate", *good, *table, "--split", "holdout"], "holdout"),
    }  # fmt: skip
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_and_folders_as_they_come(backend: str, trained: Path, tmp_path: Path) -> None:
    program = written(tmp_path / "program", SPEC, backend)
    cases = arranged(trained, tmp_path)
    assert len(cases) >= 60
    right = tmp_path / "table0" / "out.csv"
    wrong = []
    ends = run_many(program, [words for words, _ in cases.values()])
    for (name, (words, expected)), ended in zip(cases.items(), ends):
        lines = [line for line in ended.text.splitlines() if line.strip()]
        if expected == SAME:
            made = Path(words[-1])
            if ended.code or made.read_text() != right.read_text():
                wrong.append(f"{name}: {ended.code}, {lines[-1:]}")
        elif ended.code not in (1, 2) or "Traceback" in ended.text:
            wrong.append(f"{name}: ends with {ended.code}: {lines[-1:]}")
        elif not re.search(expected, lines[-1]):
            wrong.append(f"{name}: says {lines[-1]!r}")
    assert not wrong, "\n".join(wrong)
