"""Losses, metrics and predictions for the places of padded sequences: padding counts nowhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tests.programs.project import run, succeed, written
from tests.programs.test_parts import problems_of
from tests.programs.test_trajectory import SCRIPT, STEPS, start

SPEC = """
model Tagger(dim = 8) {
  input words: int[T <= 32, pad=0]
  x = words -> embedding(100, dim) -> gru(dim, bidirectional=true)
  output scores = x -> dense(6)
  output level = x -> dense(1) -> squeeze
  output mood = x -> mean(axis=0) -> dense(2)
}
data {
  source = csv("tags.csv")
  words  = "text" -> tokenize(words)
  tags   = "tags" -> tokenize(words, first=1)
  happy  = "happy" -> category
  split  = random(train=70%, validation=15%, test=15%, seed=1)
}
train {
  loss      = LOSS
  metrics   = (scores, tags) -> [accuracy, log_loss]
  optimizer = adam(lr=1e-2)
  epochs    = 2
  batch     = 16
}
predict { PREDICT }
"""
PLAIN = "(scores, tags) -> cross_entropy"
LOSSES = {
    "cross_entropy": PLAIN,
    "smooth": "(scores, tags) -> cross_entropy(label_smoothing=0.1)",
    "masked": f"({PLAIN}) + ((level, 1.0 * tags) -> huber)",
    "root": f"({PLAIN}) + ((level, tags ** 0.5) -> huber)",
    "own input": "(x_scores, words) -> cross_entropy",
    "two": "0.5 * ((scores, tags) -> cross_entropy) + ((mood, happy) -> cross_entropy)",
    "product": "(scores * 0.5, tags) -> cross_entropy",
}
LEXICON = {"D": ["the", "a", "that"], "N": ["cat", "dog", "tree"], "V": ["sees", "eats"]}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 sentences of 2 to 20 words, each with a tag."""
    chance = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("tags") / "tags.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "tags", "happy"])
        for _ in range(200):
            tags = "".join(chance.choice(["DN", "DNV", "DNVDN"], size=chance.integers(1, 5)))
            words = [str(chance.choice(LEXICON[tag])) for tag in tags]
            writer.writerow([" ".join(words), " ".join(tags), "yes" if "cat" in words else "no"])
    return path


def spec(folder: Path, loss: str = PLAIN, predict: str = "tag = scores -> argmax") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = SPEC.replace("LOSS", loss).replace("PREDICT", predict)
    if "x_scores" in loss:
        text = text.replace("  output mood", "  output x_scores = x -> dense(100)\n  output mood")
        text = text.replace(
            "(scores, tags) -> [accuracy, log_loss]", "(x_scores, words) -> accuracy"
        )
    (folder / "net.bm").write_text(text)
    return folder / "net.bm"


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("name", [
    pytest.param(one, marks=[] if one in ("masked", "two") else [pytest.mark.nightly])
    for one in LOSSES
])  # fmt: skip
def test_the_frameworks_agree(name: str, table: Path, tmp_path: Path) -> None:
    path = spec(tmp_path, LOSSES[name])
    start(path, tmp_path / "start.safetensors")
    losses = {}
    for backend in ("torch", "keras"):
        folder = written(tmp_path / backend, path, backend)
        given = (backend, folder, tmp_path / "start.safetensors", table, "float64", STEPS)
        losses[backend] = np.array(json.loads(succeed(tmp_path, SCRIPT, *given).splitlines()[-1]))
    mine, theirs = losses["keras"], losses["torch"]
    assert theirs[-1] < theirs[0]
    assert (np.abs(mine - theirs) / np.abs(theirs)).max() <= 1e-8


LOOK = """
import json, sys
import numpy as np, torch, train
from data import load
from model import Tagger
torch.manual_seed(3)
model = Tagger().double()
data = load(sys.argv[1])
batch = next(data.batches("train", 16))
words, tags = torch.from_numpy(batch["words"]), torch.from_numpy(batch["tags"])
assert (words == 0).any()
kept = []
step = torch.Tensor.backward
torch.Tensor.backward = lambda loss: kept.append(float(loss.detach()))
train.train_step(model.eval(), train.create_optimizer(model), words, tags)
# Each sequence alone, without padding.
total, places = 0.0, 0
for ids, wanted in zip(words, tags):
    length = int((ids != 0).sum())
    scores = model(ids[None, :length])[0][0].log_softmax(-1)
    total -= float(scores[torch.arange(length), wanted[:length]].sum().detach())
    places += length
print(json.dumps([kept[0], total / places]))
"""


@pytest.mark.torch
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("loss", [PLAIN, f"({PLAIN}) + 0 * ((level, 1.0 * tags) -> huber)"])
def test_a_batch_has_the_loss_of_its_places(
    loss: str, first: int, table: Path, tmp_path: Path
) -> None:
    """Classes may be numbered from 0, which is what fills up the words."""
    path = spec(tmp_path, loss)
    path.write_text(path.read_text().replace("first=1", f"first={first}"))
    made = written(tmp_path / "torch", path, "torch")
    (made / "look.py").write_text(LOOK)
    mine, theirs = json.loads(succeed(made, "look.py", table))
    assert mine == pytest.approx(theirs, rel=1e-10)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_scores_and_predictions_are_the_same_everywhere(table: Path, tmp_path: Path) -> None:
    """And over batches of 1,000 rows or of 7, which are padded to other lengths."""
    predict = (
        "tag = scores -> argmax -> undo(data.tags)\n  sure = scores -> softmax -> max(axis=-1)"
    )
    path = spec(tmp_path, predict=predict)
    made = {b: written(tmp_path / b, path, b) for b in ("torch", "keras", "onnx")}
    out = tmp_path / "run"
    succeed(made["torch"], "train.py", "--data", table, "--out", out)
    succeed(made["onnx"], "model.py")
    given = ("--weights", out / "weights.safetensors", "--data", table)
    text = (made["torch"] / "predict.py").read_text()
    found, lines = {}, {}
    for backend, folder in made.items():
        found[backend] = json.loads(succeed(folder, "evaluate.py", *given))
        succeed(folder, "predict.py", *given, "-o", tmp_path / f"{backend}.csv")
        lines[backend] = list(csv.DictReader((tmp_path / f"{backend}.csv").open()))
    (made["torch"] / "predict.py").write_text(text.replace("BATCH = 1000", "BATCH = 7"))
    found["small"] = json.loads(succeed(made["torch"], "evaluate.py", *given))
    succeed(made["torch"], "predict.py", *given, "-o", tmp_path / "small.csv")
    lines["small"] = list(csv.DictReader((tmp_path / "small.csv").open()))
    for scores in found.values():
        assert scores == pytest.approx(found["torch"], rel=1e-5)
        assert scores["loss"] == pytest.approx(scores["log_loss"], rel=1e-6)
    texts = [row["text"].split() for row in csv.DictReader(table.open())]
    expected = [
        (str(row), str(place)) for row, words in enumerate(texts) for place in range(len(words))
    ]
    for rows in lines.values():
        assert [(row["row"], row["place"]) for row in rows] == expected
        assert [row["tag"] for row in rows] == [row["tag"] for row in lines["torch"]]
        sure = [float(row["sure"]) for row in rows]
        assert sure == pytest.approx([float(row["sure"]) for row in lines["torch"]], rel=1e-4)


@pytest.mark.torch
def test_rows_of_other_lengths_are_refused_by_name(table: Path, tmp_path: Path) -> None:
    made = written(tmp_path / "torch", spec(tmp_path), "torch")
    rows = table.read_text().splitlines()
    words, tags, happy = rows[3].split(",")
    rows[3] = f"{words},{tags} N,{happy}"
    (tmp_path / "bad.csv").write_text("\n".join(rows) + "\n")
    done = run(made, "train.py", "--data", tmp_path / "bad.csv", "--out", tmp_path / "run")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    count = len(tags.split())
    expected = f"row 2: expected {count} tokens in 'tags', as many as in 'words', found {count + 1}"
    assert expected in done.stderr


@pytest.mark.parametrize(("loss", "predict", "expected"), [
    (PLAIN, "tag = scores -> argmax\n  mood = mood -> argmax", "a file has one or the other"),
    ("(scores -> softmax(axis=0), tags) -> cross_entropy", "tag = scores -> argmax", ""),
    ("(scores, tags) -> cross_entropy(reduce=sum)", "tag = scores -> argmax", "weighs means alone"),
    (f"({PLAIN}) + (scores -> mean)", "tag = scores -> argmax", "padding would count"),
    (PLAIN, "tag = scores -> max(axis=0)", "padding would count"),
])  # fmt: skip
def test_what_has_no_meaning_is_refused(
    loss: str, predict: str, expected: str, tmp_path: Path
) -> None:
    found = problems_of(spec(tmp_path, loss, predict))
    assert found and expected in found
