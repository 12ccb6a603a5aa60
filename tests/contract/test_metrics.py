"""Metrics against what they are defined as, written out number by number."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

import bmc.ops.metrics  # noqa: F401  (declaring a metric registers it)
from bmc.emit.backend import Function, Site
from bmc.emit.layout import expression
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Name
from bmc.ops.kinds import REGISTRY
from bmc.ops.losses import SCALAR
from bmc.samples import make, type_of
from bmc_programs.lower.table import LOWERINGS
from bmc_programs.parts import losses, scores, values

CHANCE = np.random.default_rng(1)
PREDICTED = CHANCE.standard_normal((9, 4)).astype("float32")
TARGET = CHANCE.standard_normal((9, 4)).astype("float32")
LOGITS = CHANCE.standard_normal((30, 5)).astype("float32")
CLASSES = CHANCE.integers(0, 5, 30)


def test_errors() -> None:
    pairs = list(zip(PREDICTED.ravel().tolist(), TARGET.ravel().tolist()))
    squares = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    assert scores.mean_squared_error(PREDICTED, TARGET) == pytest.approx(squares)
    assert scores.root_mean_squared_error(PREDICTED, TARGET) == pytest.approx(math.sqrt(squares))
    distances = sum(abs(a - b) for a, b in pairs) / len(pairs)
    assert scores.mean_absolute_error(PREDICTED, TARGET) == pytest.approx(distances)


def test_r2() -> None:
    shares = []
    for column in range(4):
        truth = TARGET[:, column].astype("float64")
        missed = ((truth - PREDICTED[:, column]) ** 2).sum()
        shares.append(1 - missed / ((truth - truth.mean()) ** 2).sum())
    assert scores.r2(PREDICTED, TARGET) == pytest.approx(np.mean(shares))
    assert scores.r2(TARGET[:, 0], TARGET[:, 0]) == 1
    mean = np.full(9, TARGET[:, 0].mean())
    assert scores.r2(mean, TARGET[:, 0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, 0.2, 1e6])
def test_r2_of_what_does_not_vary(constant: float) -> None:
    target = np.full(50, constant, dtype="float32")
    assert scores.r2(target + 1, target) == 0


def test_top_k() -> None:
    hits = 0
    for row, truth in zip(LOGITS.tolist(), CLASSES.tolist()):
        best = sorted(range(5), key=lambda place: -row[place])[:2]
        hits += truth in best
    assert scores.top_k(LOGITS, CLASSES, 2) == hits / 30
    assert scores.top_k(LOGITS, CLASSES, 1) == scores.accuracy(LOGITS, CLASSES)
    assert scores.top_k(np.zeros((3, 4)), np.array([0, 1, 2]), 2) == pytest.approx(2 / 3)


def drawn(name: str, sample: Any, metric: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a target that the metric takes; ties, rare and absent classes among them."""
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(1, 30))
    first, last = (type_of(entry) for entry in sample.inputs[:2])
    if first.dtype == "int":
        prediction = chance.integers(0, 4, (rows, *map(int, first.shape)))  # type: ignore
    else:
        prediction = np.round(chance.standard_normal((rows, *map(int, first.shape))), 1)  # type: ignore
    if last.dtype == "float":
        return prediction, np.round(chance.standard_normal((rows, *map(int, last.shape))), 1)  # type: ignore
    below = int(str(sample.inputs[1][0]).partition(":")[2])
    target = chance.integers(0, below, (rows, *map(int, last.shape)))  # type: ignore
    target = np.minimum(target, chance.integers(0, below))  # some classes never occur
    if getattr(metric, "ignore", None) is not None:
        target = np.where(chance.random(target.shape) < 0.3, metric.ignore, target)
    return prediction, target


def expected(name: str, op: Any, x: np.ndarray, t: np.ndarray) -> float:
    """The metric, worked out by scikit-learn or by its formula."""
    if t.dtype.kind == "f":
        return {
            "mse": lambda: sk.mean_squared_error(t, x),
            "mae": lambda: sk.mean_absolute_error(t, x),
            "rmse": lambda: math.sqrt(sk.mean_squared_error(t.ravel(), x.ravel())),
            "r2": lambda: np.mean(
                [0.0 if np.ptp(b) == 0 else sk.r2_score(b, a) for a, b in zip(x.T, t.T)]
            ),
            "mape": lambda: np.mean(abs(x - t) / np.maximum(abs(t), 1e-8)),
            "smape": lambda: np.mean(
                [0 if a == b == 0 else 2 * abs(a - b) / (abs(a) + abs(b))
                 for a, b in zip(x.ravel(), t.ravel())]
            ),
            "coverage": lambda: np.mean([b <= a for a, b in zip(x.ravel(), t.ravel())]),
        }[name]()  # fmt: skip
    if op.sequences:
        rows = [[int(c) for c in row if c != op.pad] for row in t]
        said = x if x.dtype.kind == "i" else x.argmax(-1)
        pairs = list(zip([[int(c) for c in row if c != op.pad] for row in said], rows))
        return error_rate(op, pairs) if name == "edit_distance" else bleu(op, pairs)
    if x.ndim == t.ndim:
        return of_yes(name, op, x, t)
    axis = getattr(op, "axis", -1)
    x = np.moveaxis(x, axis + 1 if axis >= 0 else axis, -1)
    return of_classes(name, op, x.reshape(-1, x.shape[-1]), t)


def sizes(sample: Any, rows: int) -> tuple[int, ...]:
    """The shape of what a metric takes third."""
    return (rows, *map(int, type_of(sample.inputs[2]).shape))  # type: ignore[arg-type]


def scaled(x: np.ndarray, t: np.ndarray, past: np.ndarray, season: int) -> float:
    """Errors over naive ones, series by series."""
    found = []
    for row in range(len(x)):
        for place in np.ndindex(x.shape[2:]):
            mine, truth, before = (part[row][(slice(None), *place)] for part in (x, t, past))
            naive = [abs(before[i] - before[i - season]) for i in range(season, len(before))]
            if sum(naive) > 0:
                found.append(np.mean(abs(mine - truth)) / np.mean(naive))
    return float(np.mean(found)) if found else 0.0


Pairs = list[tuple[list[int], list[int]]]


def error_rate(op: Any, pairs: Pairs) -> float:
    def words(row: list[int]) -> list[Any]:
        if op.separator is None:
            return row
        return ["".join(map(str, word)) for word in "".join(map(str, row)).split(str(op.separator))]

    @cache
    def apart(a: tuple[Any, ...], b: tuple[Any, ...]) -> int:
        if not a or not b:
            return len(a) + len(b)
        changed = apart(a[1:], b[1:]) + (a[0] != b[0])
        return min(changed, apart(a[1:], b) + 1, apart(a, b[1:]) + 1)

    sides = [tuple(tuple(w for w in words(row) if w != "") for row in pair) for pair in pairs]
    length = sum(len(b) for _, b in sides)
    done = sum(apart(a, b) for a, b in sides)
    return done / length if length else float(done > 0)


def bleu(op: Any, pairs: Pairs) -> float:
    """The geometric mean of clipped shares, counted n-gram by n-gram."""
    total = 1.0
    for n in range(1, op.n + 1):
        hits = tried = 0
        for said, meant in pairs:
            grams = [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
            left = [tuple(meant[i : i + n]) for i in range(len(meant) - n + 1)]
            tried += len(grams)
            for gram in grams:
                if gram in left:
                    left.remove(gram)
                    hits += 1
        total *= (hits / tried if tried else 0) ** (1 / op.n)
    said, meant = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    return total * min(1.0, math.exp(1 - meant / said)) if said else 0.0


def test_bleu_of_the_paper() -> None:
    """The example of Papineni et al. 2002: seven times `the`, of which the reference has two."""
    the, cat, is_, on, mat = range(1, 6)
    said, meant = np.full((1, 7), the), np.array([[the, cat, is_, on, the, mat, 0]])
    assert scores.bleu(said, meant, 1, 0) == pytest.approx(2 / 7)
    assert scores.bleu(meant, meant, 4, 0) == 1
    assert scores.bleu(meant[:, :4], meant, 4, 0) == pytest.approx(math.exp(1 - 6 / 4))


def of_yes(name: str, op: Any, x: np.ndarray, t: np.ndarray) -> float:
    p, said = 1 / (1 + np.exp(-x)), (x > 0).astype(int)
    columns = list(zip(x.reshape(len(x), -1).T, t.reshape(len(t), -1).T))
    flat = (t.ravel(), said.ravel())
    average = getattr(op, "average", None) or ("macro" if t.ndim > 1 else "binary")
    counted = {"average": average, "zero_division": 0.0}
    return {
        "accuracy": lambda: sk.accuracy_score(*flat),
        "hamming": lambda: sk.hamming_loss(*flat),
        "subset_accuracy": lambda: sk.accuracy_score(t, said),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(*flat),
        "cohen_kappa": lambda: np.nan_to_num(sk.cohen_kappa_score(*flat)),
        "matthews": lambda: sk.matthews_corrcoef(*flat),
        "precision": lambda: sk.precision_score(t, said, **counted),
        "recall": lambda: sk.recall_score(t, said, **counted),
        "f1": lambda: sk.f1_score(t, said, **counted),
        "iou": lambda: sk.jaccard_score(*flat, zero_division=0.0),
        "dice": lambda: sk.f1_score(*flat, zero_division=0.0),
        "roc_auc": lambda: np.mean(
            [sk.roc_auc_score(b, a) if 0 < b.mean() < 1 else 0 for a, b in columns]
        ),
        "average_precision": lambda: np.mean(
            [sk.average_precision_score(b, a) if b.any() else 0 for a, b in columns]
        ),
        "log_loss": lambda: sk.log_loss(t.ravel(), p.ravel(), labels=[0, 1]),
        "brier": lambda: np.mean((p - t) ** 2),
        "calibration_error": lambda: calibration(p.ravel(), t.ravel(), op.bins),
    }[name]()


def of_classes(name: str, op: Any, x: np.ndarray, t: np.ndarray) -> float:
    flat, said = t.ravel(), x.argmax(-1)
    shares = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    known = flat != getattr(op, "ignore", None)
    classes = range(x.shape[-1])
    average = getattr(op, "average", None) or "macro"
    counted = {"labels": classes, "average": average, "zero_division": 0.0}

    def nats() -> float:
        found = -np.log(shares[known, flat[known]])
        return found.mean() if known.any() else 0.0

    return {
        "accuracy": lambda: (said == flat)[known].mean() if known.any() else 0,
        "hamming": lambda: (said != flat).mean(),
        "subset_accuracy": lambda: (said.reshape(t.shape) == t).reshape(len(t), -1).all(1).mean(),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(flat, said),
        "cohen_kappa": lambda: np.nan_to_num(sk.cohen_kappa_score(flat, said)),
        "matthews": lambda: sk.matthews_corrcoef(flat, said),
        "top_k": lambda: np.mean(
            [b in sorted(classes, key=lambda k: -a[k])[: op.k] for a, b in zip(x, flat)]
        ),
        "precision": lambda: sk.precision_score(flat, said, **counted),
        "recall": lambda: sk.recall_score(flat, said, **counted),
        "f1": lambda: sk.f1_score(flat, said, **counted),
        "iou": lambda: sk.jaccard_score(flat, said, **counted),
        "dice": lambda: sk.f1_score(flat, said, **counted),
        "log_loss": nats,
        "perplexity": lambda: math.exp(nats()),
        "bits": lambda: nats() / math.log(2),
        "brier": lambda: ((shares - np.eye(x.shape[-1])[flat]) ** 2).sum(-1).mean(),
        "calibration_error": lambda: calibration(shares.max(-1), said == flat, op.bins),
    }[name]()


def calibration(shares: np.ndarray, right: np.ndarray, bins: int) -> float:
    total = 0.0
    for low in range(bins):
        inside = (shares >= low / bins) & (shares < (low + 1) / bins + (low == bins - 1))
        if inside.any():
            total += inside.mean() * abs(shares[inside].mean() - right[inside].mean())
    return total


CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, declared in sorted(REGISTRY["metric"].items())
    for number in range(len(declared.samples))
]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_metric_is_what_it_says(name: str, number: int) -> None:
    declared = REGISTRY["metric"][name]
    sample = declared.samples[number]
    metric = make(declared, sample)
    types = tuple(type_of(entry) for entry in sample.inputs)
    found = rule_for(LOWERINGS, metric, Site(types, (SCALAR,), {}))
    assert isinstance(found, Function)
    text = expression(found.build([Name(word) for word in ("x", "t", "past")[: len(types)]]))
    names = {**vars(sk), **vars(scores), **vars(losses), **vars(values), "math": math}
    for seed in range(50):
        x, t = drawn(name, sample, metric, seed)
        past = np.zeros(0)
        if name == "mase":
            past = np.cumsum(np.random.default_rng(seed).integers(-2, 3, sizes(sample, len(x))), 1)
        value = eval(text, names | {"x": x, "t": t, "past": past})  # the compiler's own text
        wanted = (
            scaled(x, t, past, metric.season) if name == "mase" else expected(name, metric, x, t)
        )
        assert value == pytest.approx(wanted, rel=1e-6, abs=1e-9), (text, seed)
        json.dumps(value)  # as metrics.jsonl has it
