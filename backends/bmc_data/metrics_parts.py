"""Metrics over a whole split: plain numpy counts, updated batch by batch.

Every metric takes logits or predicted numbers with the batch first, and gives one
float from `compute()`. The class predicted is the first index of the highest logit; a
yes-or-no logit says yes above 0. 0 / 0 counts as 0.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Metric(Protocol):
    """What all metrics can do."""

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""

    def compute(self) -> float:
        """The metric of everything counted."""


def ratio(top: Array, bottom: Array) -> Array:
    """`top / bottom`, and 0 where both are 0."""
    result: Array = np.zeros_like(top, dtype=float)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result


def class_last(logits: Array, target: Array, axis: int) -> tuple[Array, Array]:
    """Logits as (places, classes) and class numbers as (places,).

    `axis` is that of the classes, the batch not counted.
    """
    last = np.moveaxis(logits, axis if axis < 0 else axis + 1, -1)
    return last.reshape(-1, last.shape[-1]), target.reshape(-1)


class Accuracy:
    """The share of right decisions."""

    def __init__(self, axis: int = -1, ignore: int | None = None) -> None:
        self.axis, self.ignore = axis, ignore
        self.right = self.total = 0

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""
        if prediction.shape == target.shape:
            decided, target = prediction > 0, target > 0.5
        else:
            prediction, target = class_last(prediction, target, self.axis)
            decided = prediction.argmax(axis=-1)
        counts = np.ones(target.shape, dtype=bool)
        if self.ignore is not None:
            counts = target != self.ignore
        self.right += int(((decided == target) & counts).sum())
        self.total += int(counts.sum())

    def compute(self) -> float:
        """The metric of everything counted."""
        return self.right / max(self.total, 1)


class TopK:
    """The share of places whose class is among the k highest; ties go to the first."""

    def __init__(self, k: int, axis: int = -1) -> None:
        self.k, self.axis = k, axis
        self.right = self.total = 0

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""
        scores, target = class_last(prediction, target, self.axis)
        own = np.take_along_axis(scores, target[:, None], axis=-1)
        before = np.arange(scores.shape[-1]) < target[:, None]
        rank = ((scores > own) | ((scores == own) & before)).sum(axis=-1)
        self.right += int((rank < self.k).sum())
        self.total += len(target)

    def compute(self) -> float:
        """The metric of everything counted."""
        return self.right / max(self.total, 1)


class Confusion:
    """Right and wrong decisions for each class; precision, recall and F1 read them.

    `average` is "binary", "macro" (over the classes that occur), "weighted" or "micro".
    """

    def __init__(self, average: str) -> None:
        self.average = average
        self.hits = self.predicted = self.actual = np.zeros(0, dtype=np.int64)

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""
        if prediction.shape == target.shape:
            said = (prediction > 0).reshape(len(prediction), -1)
            true = (target > 0.5).reshape(len(target), -1)
        else:
            scores, target = class_last(prediction, target, -1)
            classes = np.arange(scores.shape[-1])
            said = scores.argmax(axis=-1)[:, None] == classes
            true = target[:, None] == classes
        if not len(self.hits):
            zero = np.zeros(said.shape[1], dtype=np.int64)
            self.hits = self.predicted = self.actual = zero
        self.hits = self.hits + (said & true).sum(axis=0)
        self.predicted = self.predicted + said.sum(axis=0)
        self.actual = self.actual + true.sum(axis=0)

    def score(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The metric for each class, from its counts."""
        raise NotImplementedError

    def compute(self) -> float:
        """The metric of everything counted."""
        counts = np.stack([self.hits, self.predicted, self.actual])
        if self.average == "micro":
            counts = counts.sum(axis=1, keepdims=True)
        scores = self.score(*counts)
        weights = counts[2] if self.average == "weighted" else counts[1:].any(axis=0)
        return float((scores * weights).sum() / max(weights.sum(), 1))


class Precision(Confusion):
    """Of those predicted positive, the share that is."""

    def score(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The precision of each class."""
        return ratio(hits, predicted)


class Recall(Confusion):
    """Of those that are positive, the share found."""

    def score(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The recall of each class."""
        return ratio(hits, actual)


class F1(Confusion):
    """The harmonic mean of precision and recall."""

    def score(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The F1 of each class."""
        return ratio(2 * hits, predicted + actual)


class RocAuc:
    """The probability that a positive scores above a negative, ties counting half.

    Exact, from ranks. With several logits, the mean over them; missing targets (NaN) do
    not count.
    """

    def __init__(self) -> None:
        self.scores: list[Array] = []
        self.targets: list[Array] = []

    def update(self, prediction: Array, target: Array) -> None:
        """Keep one batch."""
        self.scores.append(prediction.reshape(len(prediction), -1))
        self.targets.append(target.reshape(len(target), -1))

    def compute(self) -> float:
        """The metric of everything kept."""
        if not self.scores:
            return 0.0
        scores, targets = np.concatenate(self.scores), np.concatenate(self.targets)
        columns = zip(scores.T, targets.T, strict=True)
        return float(np.mean([self.area(score, target) for score, target in columns]))

    @staticmethod
    def area(scores: Array, targets: Array) -> float:
        """The area under one curve; 0 when there is one class alone."""
        known = ~np.isnan(targets.astype(float))
        scores, positive = scores[known], targets[known] > 0.5
        _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
        yes, no = int(positive.sum()), int((~positive).sum())
        if yes == 0 or no == 0:
            return 0.0
        return float((ranks[positive].sum() - yes * (yes + 1) / 2) / (yes * no))


class MeanSquaredError:
    """Mean squared error over all elements."""

    def __init__(self) -> None:
        self.sum, self.total = 0.0, 0

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""
        self.sum += float(np.square(prediction.astype(float) - target).sum())
        self.total += prediction.size

    def compute(self) -> float:
        """The metric of everything counted."""
        return self.sum / max(self.total, 1)


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean squared error over the whole split."""

    def compute(self) -> float:
        """The metric of everything counted."""
        return float(np.sqrt(super().compute()))


class MeanAbsoluteError(MeanSquaredError):
    """Mean absolute error over all elements."""

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""
        self.sum += float(np.abs(prediction.astype(float) - target).sum())
        self.total += prediction.size


class R2:
    """The share of the target's variance that is explained, averaged over outputs."""

    def __init__(self) -> None:
        self.rows = 0
        self.mean: Array = np.zeros(1)
        self.spread: Array = np.zeros(1)
        self.residual: Array = np.zeros(1)

    def update(self, prediction: Array, target: Array) -> None:
        """Merge one batch into the running mean and squares (Chan et al. 1983)."""
        rows = len(target)
        true = target.reshape(rows, -1).astype(float)
        wrong = prediction.reshape(rows, -1).astype(float) - true
        mean = true.mean(axis=0)
        shift, total = mean - self.mean, self.rows + rows
        self.spread = self.spread + np.square(true - mean).sum(axis=0)
        self.spread = self.spread + shift**2 * self.rows * rows / total
        self.mean = self.mean + shift * rows / total
        self.residual = self.residual + np.square(wrong).sum(axis=0)
        self.rows = total

    def compute(self) -> float:
        """The metric of everything counted; 0 for a target that never varies."""
        explained = ratio(self.spread - self.residual, self.spread)
        return float(explained.mean())


class Perplexity:
    """The exponential of the mean cross-entropy over the whole split."""

    def __init__(self, axis: int = -1, ignore: int | None = None) -> None:
        self.axis, self.ignore = axis, ignore
        self.sum, self.total = 0.0, 0

    def update(self, prediction: Array, target: Array) -> None:
        """Count one batch."""
        logits, target = class_last(prediction, target, self.axis)
        if self.ignore is not None:
            counts = target != self.ignore
            logits, target = logits[counts], target[counts]
        logits = logits.astype(float)
        logits = logits - logits.max(axis=-1, keepdims=True)
        own = np.take_along_axis(logits, target[:, None], axis=-1)[:, 0]
        self.sum += float((np.log(np.exp(logits).sum(axis=-1)) - own).sum())
        self.total += len(target)

    def compute(self) -> float:
        """The metric of everything counted."""
        return float(np.exp(self.sum / max(self.total, 1)))
