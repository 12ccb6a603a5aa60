"""Metrics against what they are defined as, written out number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bmc.ops.metrics  # noqa: F401  (declaring a metric registers it)
from bmc.emit.backend import Function, Site
from bmc.emit.lowering import rule_for
from bmc.ops.kinds import REGISTRY
from bmc.ops.losses import SCALAR
from bmc.samples import make, type_of
from bmc_programs.lower.table import LOWERINGS
from bmc_programs.parts import scores

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


def test_every_metric_has_a_rule_or_a_reason() -> None:
    lowered = set()
    for name, declared in REGISTRY["metric"].items():
        for sample in declared.samples:
            types = tuple(type_of(entry) for entry in sample.inputs)
            found = rule_for(LOWERINGS, make(declared, sample), Site(types, (SCALAR,), {}))
            if isinstance(found, Function):
                lowered.add(name)
            else:
                assert "not lowered yet" in found.reason  # type: ignore[union-attr]
    assert lowered == {"accuracy", "f1", "mse", "mae", "rmse", "r2", "top_k"}
