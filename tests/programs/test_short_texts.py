"""Texts that are shorter than a window of the model: alone as in the company of longer ones."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.programs.project import run, succeed, written

BOTH = [pytest.param(b, marks=getattr(pytest.mark, b)) for b in ("torch", "keras")]
SPEC = """
model Short {
  input words: int[T <= 16, pad=0]
  x = words -> embedding(20, 6) -> rearrange("t d -> d t") -> conv(4, kernel=5) -> conv(4, kernel=3)
  output logits = x -> global_max_pool -> dense(2)
}
data {
  source  = csv("texts.csv")
  words   = "text" -> tokenize(words, vocab=20, unknown=1)
  verdict = "verdict" -> category
  split   = random(train=0.7, validation=0.3)
}
train {
  loss      = (logits, verdict) -> cross_entropy
  optimizer = adam(lr=5e-3)
  epochs    = 1
  batch     = 1
}
predict { score = logits -> softmax }
"""
TEXTS = ["a b c d e f g h", "a b", "b", "c d e f g", "h g f e d c b a a b", "d e", "e f g h"]


def table(path: Path, texts: list[str]) -> Path:
    rows = [(text, "no" if number % 2 else "yes") for number, text in enumerate(texts)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "verdict"), *rows])
    return path


@pytest.mark.parametrize("backend", BOTH)
def test_a_short_text_alone_is_as_in_company(backend: str, tmp_path: Path) -> None:
    spec = tmp_path / "short.bm"
    spec.write_text(SPEC)
    program = written(tmp_path / "program", spec, backend)
    every = table(tmp_path / "texts.csv", TEXTS)
    out = tmp_path / "run"
    succeed(program, "train.py", "--data", every, "--out", out)  # batches of one text
    assert "pad_at_least(" in (program / "data.py").read_text()

    def predicted(data: Path) -> np.ndarray:
        done = run(
            program, "predict.py", "--weights", out / "weights.safetensors", "--data", data,
            "-o", tmp_path / "out.csv",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return np.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1, ndmin=2)

    together = predicted(every)
    for row, text in enumerate(TEXTS):
        alone = predicted(table(tmp_path / "one.csv", [text]))
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-5, atol=1e-6)
        if row == 2:
            break
