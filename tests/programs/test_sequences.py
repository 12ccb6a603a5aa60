"""Programs that read and score whole sequences: CTC, and metrics beside padding."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.programs.project import compiled, succeed, written
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


def test_the_length_of_a_target_is_said(tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(SPEC.replace("text: int[5] =", "text ="))
    assert "can't tell how long its target is" in problems_of(tmp_path / "net.bm")


def test_two_metrics_of_one_kind_have_names_of_their_own(tmp_path: Path) -> None:
    both_kinds = "[edit_distance(pad=4), edit_distance(pad=4, separator=2)]"
    (tmp_path / "net.bm").write_text(SPEC.replace("edit_distance(pad=4)", both_kinds))
    text = compiled(tmp_path / "net.bm", "torch")["evaluate.py"]
    assert '"edit_distance_4": edit_distance(' in text
    assert '"edit_distance_4_2": edit_distance(' in text
    twice = "[edit_distance(pad=4), edit_distance(pad=4)]"
    (tmp_path / "net.bm").write_text(SPEC.replace("edit_distance(pad=4)", twice))
    assert "metrics edit_distance" in problems_of(tmp_path / "net.bm")


@pytest.mark.torch
def test_errors_are_scaled_by_those_of_the_past(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    series = np.cumsum(chance.standard_normal((200, 2)), axis=0)
    lines = ["a,b", *(f"{a:.6f},{b:.6f}" for a, b in series)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "net.bm").write_text("""
model Net {
  input history: float[12, C]
  output forecast = history -> dense(4, axis=0)
}
data {
  source = csv("rows.csv")
  series = ["a", "b"] -> standardize
  history, future = series -> windows(12, then=4)
  split  = contiguous(train=70%, validation=30%)
}
train {
  loss      = (forecast, future) -> mae
  metrics   = (forecast, future, history) -> mase(season=2)
  optimizer = adam(lr=1e-2)
  epochs    = 1
}
predict { forecast = forecast }
""")
    made = written(tmp_path / "program", tmp_path / "net.bm", "torch")
    succeed(made, "train.py", "--data", tmp_path / "rows.csv", "--out", "run")
    (made / "look.py").write_text(LOOK)
    mine, theirs = json.loads(succeed(made, "look.py", tmp_path / "rows.csv"))
    assert mine == pytest.approx(theirs, rel=1e-6)


SINGLE = """
model Net {
  input past: float[8, 2]
  input letters: int[8]
  h = (past -> rearrange("t d -> (t d)"), letters -> embedding(3, 4) -> mean(axis=0)) -> concat
  output forecast = h -> dense(2)
  output logits = h -> dense(3)
}
data {
  source = csv("rows.csv")
  series = ["a", "b"] -> standardize
  letter = "letter" -> category
  past, next = series -> windows(8, then=1)
  letters, following = letter -> windows(8, then=1)
  split  = contiguous(train=70%, validation=30%)
}
train {
  loss number = (forecast, next) -> mse
  loss letter = (logits, following) -> cross_entropy
  metrics   = [(forecast, next) -> mae, (logits, following) -> accuracy]
  optimizer = adam(lr=1e-2)
  epochs    = 1
}
predict {
  next = forecast -> undo(data.next)
  following = logits -> argmax -> undo(data.following)
}
"""
CHECK = """
import sys
from pathlib import Path
import numpy as np
from data import load
data = load(Path(sys.argv[1]))
batch = data.make(data.columns, data.rows["train"][:5])
assert batch["next"].shape == (5, 2) and batch["following"].shape == (5,)
assert batch["following"].dtype == np.int64
np.testing.assert_array_equal(batch["next"][:-1], batch["past"][1:, -1])
np.testing.assert_array_equal(batch["following"][:-1], batch["letters"][1:, -1])
"""


@pytest.mark.torch
def test_the_row_after_a_window_has_no_axis_where_its_loss_asks_for_none(tmp_path: Path) -> None:
    rows = [f"{row % 7},{row % 5},{'xyz'[row * row % 3]}" for row in range(80)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,letter", *rows]) + "\n")
    (tmp_path / "net.bm").write_text(SINGLE)
    made = written(tmp_path / "program", tmp_path / "net.bm", "torch")
    (made / "check.py").write_text(CHECK)
    succeed(made, "check.py", tmp_path / "rows.csv")
    succeed(made, "train.py", "--data", tmp_path / "rows.csv", "--out", "run")
    (tmp_path / "net.bm").write_text(SINGLE.replace("then=1", "then=2"))
    assert "the entry `next` is float[2, 2], and float[2] is needed" in problems_of(
        tmp_path / "net.bm"
    )
    scaled = SINGLE.replace(
        "series -> windows(8, then=1)", "series -> windows(8, then=1) -> scale(2)"
    )
    (tmp_path / "net.bm").write_text(scaled)
    assert "the entry `next` is float[1, 2]" in problems_of(tmp_path / "net.bm")


LOOK = """
import json, sys
from pathlib import Path
import numpy as np
from data import load
from evaluate import compute_metrics
from predict import choose_device, compute_outputs, load_model
weights = Path("run/weights.safetensors")
from weights import read_learned
data = load(Path(sys.argv[1]), read_learned(weights))
arrays = compute_outputs(load_model(weights, choose_device("cpu")), data, "validation")
errors = abs(arrays["forecast"] - arrays["future"]).mean(1)
naive = abs(arrays["history"][:, 2:] - arrays["history"][:, :-2]).mean(1)
print(json.dumps([compute_metrics(arrays)["mase"], float((errors / naive).mean())]))
"""
