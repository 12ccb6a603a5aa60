"""Programs that read and score whole sequences: CTC, and metrics beside padding."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.programs.project import succeed, written
from tests.programs.test_parts import problems_of
from tests.programs.test_places import spec, table  # noqa: F401  (a fixture)

from bmc_programs.parts.scores import bleu, edit_distance

SPEC = """
model Reader {
  input line: float[12, 4]
  output logits = line -> gru(8, bidirectional=true) -> dense(5)
}
data {
  source = npz("lines.npz")
  line: float[12, 4] = "lines"
  text: int[5] = "texts"
  split  = random(train=80%, test=20%, seed=0)
}
train {
  loss      = (logits, text) -> ctc(blank=4)
  metrics   = (logits -> ctc_greedy(blank=4), text) -> edit_distance(pad=4)
  optimizer = adam(lr=1e-2)
  epochs    = 12
  batch     = 16
}
predict { text = logits -> ctc_greedy(blank=4) }
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of one-hot frames with empty ones between, and what they spell."""
    chance = np.random.default_rng(0)
    frames, texts = np.zeros((240, 12, 4), "float32"), np.full((240, 5), 4)
    for row in range(240):
        letters = chance.integers(0, 4, chance.integers(1, 6))
        texts[row, : len(letters)] = letters
        frames[row, 1 : 2 * len(letters) + 1 : 2] = np.eye(4)[letters]
    path = tmp_path_factory.mktemp("lines") / "lines.npz"
    np.savez(path, lines=frames, texts=texts)
    return path


def both(folder: Path, path: Path, backend: str, data: Path) -> tuple[dict[str, float], list[Any]]:
    """A trained program's scores of all rows, and its predictions of them."""
    made = written(folder / "program", path, backend)
    weights = folder / "run" / "weights.safetensors"
    succeed(made, "train.py", "--data", data, "--out", weights.parent)
    shown = succeed(made, "evaluate.py", "--weights", weights, "--data", data, "--all")
    written_to = folder / "predictions.csv"
    succeed(made, "predict.py", "--weights", weights, "--data", data, "-o", written_to)
    with written_to.open(newline="") as file:
        return json.loads(shown), list(csv.DictReader(file))


@pytest.mark.parametrize("backend", [
    pytest.param("torch", marks=pytest.mark.torch), pytest.param("keras", marks=pytest.mark.keras)
])  # fmt: skip
def test_what_frames_spell_is_learned(backend: str, lines: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.bm"
    path.write_text(SPEC)
    scores, rows = both(tmp_path, path, backend, lines)
    assert scores["edit_distance"] < 0.1
    said = np.array([[int(cell) for cell in row.values()] for row in rows])
    meant = np.load(lines)["texts"]
    assert said.shape == (240, 12)
    assert edit_distance(said, meant, pad=4) == pytest.approx(scores["edit_distance"])


@pytest.mark.torch
def test_sequences_of_padded_places(table: Path, tmp_path: Path) -> None:  # noqa: F811
    """What sentences score one by one is what the program says of all."""
    path = spec(tmp_path, predict="tag = scores -> argmax -> undo(data.tags)")
    metrics = "[accuracy, edit_distance, bleu(n=2)]"
    path.write_text(path.read_text().replace("[accuracy, log_loss]", metrics))
    scores, lines = both(tmp_path, path, "torch", table)
    said: list[list[str]] = [[] for _ in range(200)]
    for line in lines:
        said[int(line["row"])].append(line["tag"])
    with table.open(newline="") as file:
        tags = [row["tags"].split() for row in csv.DictReader(file)]
    assert all(len(one) == len(other) for one, other in zip(said, tags))
    pairs = [[np.array([ord(tag) for tag in row]) for row in rows] for rows in (said, tags)]
    assert 0 < scores["edit_distance"] < 1
    assert scores["edit_distance"] == pytest.approx(edit_distance(*pairs, pad=0))
    assert scores["bleu"] == pytest.approx(bleu(*pairs, size=2, pad=0))


REFUSED = {
    "ctc(blank=9)": "has its blank at 9, and classes 0 to 4 are scored",
    "ctc(blank=-1)": "at least 0",
}


@pytest.mark.parametrize("loss", REFUSED)
def test_blanks_that_are_no_class(loss: str, tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(SPEC.replace("ctc(blank=4)", loss, 1))
    assert REFUSED[loss] in problems_of(tmp_path / "net.bm")
