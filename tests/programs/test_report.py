"""report.py: the curves of a run, a picture of its results, its worst rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.programs.project import DATA, SPECS, succeed, written
from tests.programs.test_keys import BOTH, TABLE, program
from tests.programs.test_places import spec as tagger
from tests.programs.test_places import table  # noqa: F401  (a fixture)


def pictures(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: Image.open(path).size for path in sorted(folder.glob("*.png"))}


@pytest.mark.parametrize("backend", BOTH)
def test_classes(backend: str, tmp_path: Path) -> None:
    made = program(tmp_path, backend, length="epochs = 3")
    out = tmp_path / "run"
    succeed(made, "train.py", *TABLE, "--out", out)
    told = succeed(made, "report.py", "--weights", out / "weights.safetensors", *TABLE)
    assert told.split() == [
        str(out / name) for name in ("curves.png", "confusion.png", "worst.csv")
    ]
    found = pictures(out)
    assert found.keys() == {"curves.png", "confusion.png"}
    assert found["curves.png"][0] == 2 * 400  # loss and accuracy, side by side
    picture = np.asarray(Image.open(out / "confusion.png").convert("L"))
    assert picture.std() > 10  # not empty


@pytest.mark.torch
def test_the_worst_rows_are_the_data_s_own(tmp_path: Path) -> None:
    """A row whose label is false is the first, by its number in the file."""
    made = program(tmp_path, "torch", length="epochs = 25")
    out = tmp_path / "run"
    succeed(made, "train.py", *TABLE, "--out", out)
    rows = list(csv.reader((DATA / "penguins.csv").open()))
    place = rows[0].index("species")
    assert rows[5][place] == "Adelie"
    rows[5][place] = "Gentoo"
    with (tmp_path / "false.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    given = ("--weights", out / "weights.safetensors", "--data", tmp_path / "false.csv")
    for split in ("train", "validation", "test"):
        succeed(made, "report.py", *given, "--split", split)
        worst = list(csv.DictReader((out / "worst.csv").open()))
        losses = [float(row["loss"]) for row in worst]
        assert losses == sorted(losses, reverse=True) and len(worst) <= 50
        if any(row["row"] == "4" for row in worst):
            assert worst[0]["row"] == "4" and worst[0]["kind"] == "Adelie"
            break
    else:
        pytest.fail("the row is in no split")


@pytest.mark.torch
def test_numbers_and_yes_or_no(tmp_path: Path) -> None:
    data = DATA / "penguins.csv"
    for name, loss, picture in (
        ("mass", "(mass, grams) -> mse", "scatter.png"),
        ("sex", "(mass, male) -> binary_cross_entropy", "confusion.png"),
    ):
        text = f"""
model Net {{
  input x: float[3]
  output mass = x -> dense(8) -> relu -> dense(1) -> squeeze
}}
data {{
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  grams  = "body_mass_g" -> impute(median) -> standardize
  male   = "sex" -> equals("male")
  split  = random(train=80%, validation=20%, seed=1)
}}
train {{
  loss      = {loss}
  optimizer = adam(lr=1e-2)
  steps     = 40
}}
predict {{ mass = mass }}
"""
        folder = tmp_path / name
        folder.mkdir()
        (folder / "net.bm").write_text(text)
        made = written(folder / "torch", folder / "net.bm", "torch")
        succeed(made, "train.py", "--data", data, "--out", folder / "run")
        given = ("--weights", folder / "run" / "weights.safetensors", "--data", data)
        succeed(made, "report.py", *given)
        assert pictures(folder / "run").keys() == {"curves.png", picture}
        scores = json.loads(succeed(made, "evaluate.py", *given))
        rows = list(csv.DictReader((folder / "run" / "worst.csv").open()))
        assert float(rows[0]["loss"]) >= scores["loss"] >= float(rows[-1]["loss"])


@pytest.mark.torch
def test_places_have_a_picture(table: Path, tmp_path: Path) -> None:  # noqa: F811
    made = written(tmp_path / "torch", tagger(tmp_path), "torch")
    succeed(made, "train.py", "--data", table, "--out", tmp_path / "run")
    given = ("--weights", tmp_path / "run" / "weights.safetensors", "--data", table)
    told = succeed(made, "report.py", *given).split()
    assert told == [str(tmp_path / "run" / name) for name in ("curves.png", "confusion.png")]


@pytest.mark.nightly
@pytest.mark.torch
@pytest.mark.onnx
def test_weights_without_records_have_no_curves(tmp_path: Path) -> None:
    spec = SPECS / "vision" / "digits.bm"
    data = DATA / "optdigits.npz"
    torch, onnx = (written(tmp_path / b, spec, b) for b in ("torch", "onnx"))
    succeed(torch, "train.py", "--data", data, "--out", tmp_path / "run", "--epochs", "1")
    (tmp_path / "run" / "metrics.jsonl").unlink()
    succeed(onnx, "model.py")
    given = ("--weights", tmp_path / "run" / "weights.safetensors", "--data", data)
    worst = []
    for made in (torch, onnx):
        told = succeed(made, "report.py", *given).split()
        assert told == [str(tmp_path / "run" / name) for name in ("confusion.png", "worst.csv")]
        rows = list(csv.DictReader((tmp_path / "run" / "worst.csv").open()))
        worst.append([row["row"] for row in rows[:5]])
    assert worst[0] == worst[1]
