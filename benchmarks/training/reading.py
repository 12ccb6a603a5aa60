"""How the programs by hand read their data and tell their times; none of it is timed."""

from __future__ import annotations

import csv
import gzip
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


class Clock:
    """Prints the processor's seconds of each epoch."""

    def __init__(self) -> None:
        self.started = time.process_time()

    def epoch(self) -> None:
        now = time.process_time()
        print(now - self.started, flush=True)
        self.started = now


COMPILED = "compiled" in sys.argv  # by torch.compile, or by XLA


def arguments() -> tuple[Path, int]:
    """The data, and how many epochs."""
    return Path(sys.argv[1]), int(sys.argv[2])


def divided(arrays: Arrays, share: float = 0.9) -> tuple[Arrays, Arrays]:
    """Rows to train on, and the others."""
    count = len(next(iter(arrays.values())))
    rows = np.random.default_rng(0).permutation(count)
    here, there = rows[: int(share * count)], rows[int(share * count) :]
    return {k: v[here] for k, v in arrays.items()}, {k: v[there] for k, v in arrays.items()}


def digits(path: Path) -> tuple[Arrays, Arrays]:
    """MNIST: pictures (N, 28, 28) from 0 to 1, and classes."""
    with np.load(path) as file:
        x, y = file["x_train"].reshape(-1, 28, 28), file["y_train"]
    return divided({"x": (x / 255).astype("float32"), "y": y.astype("int64")})


def characters(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Shakespeare as class numbers: nine tenths, and the rest."""
    text = path.read_text(encoding="utf-8")
    places = {c: place for place, c in enumerate(sorted(set(text)))}
    ids = np.array([places[c] for c in text], dtype="int64")
    return ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]


def sentences(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """SST-2: ids of words, at most 48 of 6,000, and verdicts."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    words = [row["sentence"].split()[:48] for row in rows]
    common = Counter(word for row in words for word in row).most_common(5998)
    places = {word: place + 2 for place, (word, _) in enumerate(common)}
    ids = [np.array([places.get(word, 1) for word in row]) for row in words]
    return ids, np.array([int(row["label"]) for row in rows])


NUMBERS = (
    "age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"
)  # fmt: skip
WORDS = (
    "workclass", "education", "marital_status", "occupation", "relationship", "race", "sex",
    "native_country",
)  # fmt: skip


def census(path: Path) -> tuple[Arrays, Arrays]:
    """Adult: six numbers, eight words as class numbers, and whether somebody is rich."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    numbers = np.array([[float(row[name]) for name in NUMBERS] for row in rows], "float32")
    numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    words = [np.unique([row[name] for row in rows], return_inverse=True)[1] for name in WORDS]
    rich = np.array([row["income"] == ">50K" for row in rows], "float32")
    return divided({"numbers": numbers, "words": np.stack(words, axis=1), "rich": rich})
