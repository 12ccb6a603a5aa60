"""What is computed from a model's outputs, in double precision, over a whole split."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    roc_auc_score,
)

from bmc_programs.parts.core import Array
from bmc_programs.parts.losses import class_losses
from bmc_programs.parts.values import log_softmax, sigmoid, softmax


def cross_entropy(logits: Array, target: Array) -> float:
    """Mean negative log-likelihood of classes (N,) under logits (N, C), in nats."""
    return -float(log_softmax(logits)[np.arange(len(target)), target].mean())


def smooth_cross_entropy(logits: Array, target: Array, smoothing: float) -> float:
    """Cross-entropy against targets mixed with the uniform distribution, in nats."""
    logarithms = log_softmax(logits)
    of_target = logarithms[np.arange(len(target)), target]
    mixed = (1 - smoothing) * of_target + smoothing * logarithms.mean(axis=-1)
    return -float(mixed.mean())


def mean_squared_error(prediction: Array, target: Array) -> float:
    """The mean of squared differences, over all elements."""
    return float(np.square(prediction.astype(np.float64) - target).mean())


def mean_absolute_error(prediction: Array, target: Array) -> float:
    """The mean of absolute differences, over all elements."""
    return float(np.abs(prediction.astype(np.float64) - target).mean())


def root_mean_squared_error(prediction: Array, target: Array) -> float:
    """The root of the mean of squared differences, in the target's unit."""
    return float(np.sqrt(mean_squared_error(prediction, target)))


def r2(prediction: Array, target: Array) -> float:
    """The share of the target's variance that is explained, the mean over its columns.

    A column that does not vary, but for rounding, has none to explain and counts 0.
    """
    exact = target.astype(np.float64).reshape(len(target), -1)
    missed = np.square(prediction.reshape(exact.shape) - exact).sum(axis=0)
    whole = np.square(exact - exact.mean(axis=0)).sum(axis=0)
    least = len(exact) * np.square(np.finfo(np.float32).eps * exact.mean(axis=0))
    varies = whole > least
    shares = np.where(varies, 1 - missed / np.where(varies, whole, 1.0), 0.0)
    return float(shares.mean())


def accuracy(logits: Array, target: Array) -> float:
    """The share of rows whose highest logit is that of their class."""
    return float((logits.argmax(axis=-1) == target).mean())


def top_k(logits: Array, target: Array, count: int) -> float:
    """The share of rows whose class is among those with the highest logits.

    Of equal logits the first class comes first.
    """
    order = np.argsort(-logits, axis=-1, kind="stable")[:, :count]
    return float((order == target[:, None]).any(axis=-1).mean())


def f1_macro(logits: Array, target: Array) -> float:
    """The mean F1 score of all classes; a class that never occurs scores 0."""
    classes = logits.shape[-1]
    confusion = np.zeros((classes, classes), dtype=np.int64)  # [class, prediction]
    np.add.at(confusion, (target, logits.argmax(axis=-1)), 1)
    hits = np.diagonal(confusion)
    occurrences = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * hits / np.maximum(occurrences, 1)).mean())


def share_right(decisions: Array, target: Array) -> float:
    """The share of decisions that are right."""
    return float((decisions == target).mean())


def share_right_known(decisions: Array, target: Array, ignore: int) -> float:
    """The share of right decisions where the target is not the class to ignore."""
    known = target != ignore
    return float((decisions == target)[known].mean()) if known.any() else 0.0


def subset_accuracy(decisions: Array, target: Array) -> float:
    """The share of rows all of whose decisions are right."""
    return float((decisions == target).reshape(len(target), -1).all(axis=1).mean())


def cohen_kappa(decisions: Array, target: Array) -> float:
    """Agreement beyond chance (Cohen 1960); 0 where all rows are of one class."""
    if len(np.union1d(decisions, target)) < 2:
        return 0.0
    return float(cohen_kappa_score(decisions, target))


def mean_class_loss(logits: Array, target: Array, ignore: int | None = None) -> float:
    """Mean cross-entropy of the places that count, in nats; 0 if none does."""
    known = np.ones(target.shape, dtype=bool) if ignore is None else target != ignore
    losses = class_losses(logits, np.where(known, target, 0))
    return float(losses[known].mean()) if known.any() else 0.0


def roc_auc(logits: Array, target: Array) -> float:
    """The chance that a yes scores above a no, the mean over columns.

    0 where there is one class alone.
    """
    columns = logits.reshape(len(logits), -1).T, target.reshape(len(target), -1).T
    areas = [
        roc_auc_score(t, x) if 0 < t.mean() < 1 else 0.0
        for x, t in zip(*columns, strict=True)
    ]
    return float(np.mean(areas))


def average_precision(logits: Array, target: Array) -> float:
    """The mean precision over recalls, the mean over columns; 0 without a yes."""
    columns = logits.reshape(len(logits), -1).T, target.reshape(len(target), -1).T
    areas = [
        average_precision_score(t, x) if t.any() else 0.0
        for x, t in zip(*columns, strict=True)
    ]
    return float(np.mean(areas))


def brier(logits: Array, target: Array) -> float:
    """The mean squared distance of class probabilities from the truth (Brier 1950)."""
    hot = np.eye(logits.shape[-1])[target]
    return float(
        np.square(softmax(logits.astype(np.float64)) - hot).sum(axis=-1).mean()
    )


def binary_brier(logits: Array, target: Array) -> float:
    """The mean squared distance of probabilities of a yes from the truth."""
    return float(np.square(sigmoid(logits.astype(np.float64)) - target).mean())


def calibration_error(shares: Array, right: Array, bins: int) -> float:
    """How far shares are from how often they are right (Naeini et al. 2015)."""
    shares, right = shares.ravel(), right.ravel()
    place = np.minimum((shares * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=shares - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(shares))


def mean_absolute_percentage_error(prediction: Array, target: Array) -> float:
    """The mean of distances as shares of the target."""
    far = np.abs(prediction.astype(np.float64) - target)
    return float((far / np.maximum(np.abs(target), 1e-8)).mean())


def symmetric_percentage_error(prediction: Array, target: Array) -> float:
    """The mean of distances as shares of the mean of both sizes; 0 where both are 0."""
    exact = prediction.astype(np.float64)
    size = np.abs(exact) + np.abs(target)
    return float((2 * np.abs(exact - target) / np.where(size > 0, size, 1)).mean())


def mean_absolute_scaled_error(
    prediction: Array, target: Array, past: Array, season: int
) -> float:
    """Absolute errors over those of the season before (Hyndman & Koehler 2006)."""
    naive = np.abs(past[:, season:] - past[:, :-season]).mean(axis=1, dtype=np.float64)
    errors = np.abs(prediction - target).mean(axis=1, dtype=np.float64)
    known = naive > 0
    return float((errors[known] / naive[known]).mean()) if known.any() else 0.0


def coverage(prediction: Array, target: Array) -> float:
    """The share of targets that are not above the prediction."""
    return float((target <= prediction).mean())


def sequences(values: Array, lengths: Array) -> list[Array]:
    """Places that lie one after the other, as the sequences they come from."""
    return np.split(values, np.cumsum(lengths)[:-1])


def words_of(row: Sequence[int], separator: int) -> list[tuple[int, ...]]:
    """What stands between separators; there is no word between two of them."""
    words: list[list[int]] = [[]]
    for element in row:
        if element == separator:
            words.append([])
        else:
            words[-1].append(element)
    return [tuple(word) for word in words if word]


def edits(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The least insertions, deletions and replacements (Levenshtein 1966)."""
    places = np.arange(len(other) + 1)
    least = places
    for element in one:
        wrong = np.fromiter((element != mine for mine in other), dtype=bool)
        longer = least + 1
        longer[1:] = np.minimum(longer[1:], least[:-1] + wrong)
        least = np.minimum.accumulate(longer - places) + places
    return int(least[-1])


def edit_distance(
    predicted: Iterable[Array],
    target: Iterable[Array],
    pad: int,
    separator: int | None = None,
) -> float:
    """Edits for each element of the targets, or for each word between separators."""
    done = length = 0
    for said, meant in zip(predicted, target, strict=True):
        sides: list[Sequence[Any]] = [row[row != pad].tolist() for row in (said, meant)]
        if separator is not None:
            sides = [words_of(row, separator) for row in sides]
        done += edits(*sides)
        length += len(sides[1])
    return done / length if length else float(done > 0)


def bleu(
    predicted: Iterable[Array], target: Iterable[Array], size: int, pad: int
) -> float:
    """How many n-grams are in the targets, from 0 to 1 (Papineni et al. 2002)."""
    hits, tried = np.zeros(size), np.zeros(size)
    lengths = np.zeros(2)
    for said, meant in zip(predicted, target, strict=True):
        rows = [row[row != pad].tolist() for row in (said, meant)]
        lengths += [len(row) for row in rows]
        for place in range(size):
            mine, theirs = (
                Counter(zip(*(row[start:] for start in range(place + 1)), strict=False))
                for row in rows
            )
            hits[place] += (mine & theirs).total()
            tried[place] += mine.total()
    if not hits.all():
        return 0.0
    short = min(0.0, 1 - lengths[1] / lengths[0])
    return math.exp(short + float(np.log(hits / tried).mean()))
