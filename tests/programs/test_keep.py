"""`keep`: columns of the data beside the predictions, in the order of the rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.programs.drawn import table
from tests.programs.project import run, succeed, written
from tests.programs.test_parts import problems_of
from tests.programs.test_places import spec as tagger
from tests.programs.test_places import table as tags  # noqa: F401  (a fixture)

SPEC = """
model Net {
  input x: float[4]
  output logits = x -> dense(3)
}
data {
  source = SOURCE
  x      = COLUMNS -> standardize
  kind: int[] = "kind"CATEGORY
  split  = random(train=80%, validation=20%, seed=1)
}
train {
  loss      = (logits, kind) -> cross_entropy
  optimizer = adam(lr=1e-2)
  steps     = 5
}
predict {
  p     = logits -> argmax
  keep  = KEEP
  write = csv("out.csv")
}
"""


def spec(folder: Path, keep: str, source: str = 'csv("rows.csv")') -> Path:
    plain = "npz" in source
    text = SPEC.replace("SOURCE", source).replace("KEEP", keep)
    text = text.replace("COLUMNS", '"x"' if plain else '["a".."d"]')
    (folder / "net.bm").write_text(text.replace("CATEGORY", "" if plain else " -> category"))
    return folder / "net.bm"


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_columns_of_a_table(tmp_path: Path) -> None:
    table(tmp_path / "rows.csv")
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    ids = [f"n° {7 * row % 100}" for row in range(100)]
    marked = [
        lines[0] + ",id",
        *(f"{line},{word}" for line, word in zip(lines[1:], ids, strict=True)),
    ]
    (tmp_path / "rows.csv").write_text("\n".join(marked) + "\n", encoding="utf-8")
    path = spec(tmp_path, '["id", "yes"]')
    made = {b: written(tmp_path / b, path, b) for b in ("torch", "keras", "onnx")}
    data = ("--data", tmp_path / "rows.csv")
    succeed(made["torch"], "train.py", *data, "--out", tmp_path / "run")
    succeed(made["onnx"], "model.py")
    given = ("--weights", tmp_path / "run" / "weights.safetensors")
    found = []
    for backend, folder in made.items():
        succeed(folder, "predict.py", *given, *data, "-o", tmp_path / f"{backend}.csv")
        found.append((tmp_path / f"{backend}.csv").read_text(encoding="utf-8"))
    rows = list(csv.DictReader(found[0].splitlines()))
    assert list(rows[0]) == ["id", "yes", "p"]
    assert [row["id"] for row in rows] == ids
    assert found[0] == found[1] == found[2]
    # A file to predict needs what is kept, and says so.
    (tmp_path / "less.csv").write_text("\n".join(lines) + "\n")
    done = run(made["torch"], "predict.py", *given, "--data", tmp_path / "less.csv", "-o", "x.csv")
    assert done.returncode == 1 and "id" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.torch
def test_arrays(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    arrays = {"x": chance.normal(size=(60, 4)).astype("float32"), "kind": np.arange(60) % 3}
    np.savez(tmp_path / "rows.npz", **arrays, number=np.arange(60) * 11)
    made = written(tmp_path / "torch", spec(tmp_path, '"number"', 'npz("rows.npz")'), "torch")
    data = ("--data", tmp_path / "rows.npz")
    succeed(made, "train.py", *data, "--out", tmp_path / "run")
    given = ("--weights", tmp_path / "run" / "weights.safetensors", *data)
    succeed(made, "predict.py", *given, "-o", tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [int(row["number"]) for row in rows] == [11 * row for row in range(60)]


@pytest.mark.torch
def test_places_have_the_columns_of_their_rows(tags: Path, tmp_path: Path) -> None:  # noqa: F811
    predict = 'tag = scores -> argmax\n  keep = ["happy", "text"]'
    made = written(tmp_path / "torch", tagger(tmp_path, predict=predict), "torch")
    succeed(made, "train.py", "--data", tags, "--out", tmp_path / "run")
    given = ("--weights", tmp_path / "run" / "weights.safetensors", "--data", tags)
    succeed(made, "predict.py", *given, "-o", tmp_path / "out.csv")
    texts = [row["text"] for row in csv.DictReader(tags.open())]
    for row in csv.DictReader((tmp_path / "out.csv").open()):
        assert row["text"] == texts[int(row["row"])]
        assert int(row["place"]) < len(row["text"].split())


@pytest.mark.parametrize(("keep", "expected"), [
    ('["id", "id"]', "each once"), ("id", "takes names of columns"), ("[3]", "takes names of columns"),
    ('["p"]', "`p` is a prediction, too"), ('["id"]', ""),
])  # fmt: skip
def test_names_are_checked(keep: str, expected: str, tmp_path: Path) -> None:
    found = problems_of(spec(tmp_path, keep))
    assert expected in found if expected else not found


LINES = """
model Net {
  input x: int[T, pad=0]
  output y = x -> embedding(9, 4) -> mean(axis=0) -> dense(1)
}
data {
  source = text("x.txt", lines=true)
  x      = "text" -> tokenize(words)
}
train {
  loss      = y -> mean
  optimizer = adam(lr=1e-2)
  steps     = 5
}
predict {
  y    = y
  keep = ["id"]
}
"""


def test_lines_of_text_have_none(tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(LINES)
    assert "`keep` from `text`" in problems_of(tmp_path / "net.bm")
