"""What is computed from a model's outputs, in double precision, over a whole split."""

from __future__ import annotations

import numpy as np

from bmc_programs.parts.core import Array
from bmc_programs.parts.values import log_softmax


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
