"""Losses in double precision: one number for each place or row, over a whole split."""

from __future__ import annotations

import math

import numpy as np

from bmc_programs.parts.core import Array
from bmc_programs.parts.values import log_softmax, sigmoid, softplus


def counted_mean(losses: Array, counts: Array) -> float:
    """The mean by weights that say how much each loss counts; 0 if none does."""
    total = float(counts.sum())
    return float((losses * counts).sum()) / (total if total > 0 else 1.0)


def weighted_mean(losses: Array, weights: Array) -> float:
    """sum(w * loss) / sum(w), w being of rows or of places; 0 if none weighs."""
    missing = (1,) * (losses.ndim - weights.ndim)
    counts = np.broadcast_to(weights.reshape(*weights.shape, *missing), losses.shape)
    total = float(counts.sum(dtype=np.float64))
    return float((losses * counts).sum(dtype=np.float64)) / (
        total if total > 0 else 1.0
    )


def class_losses(logits: Array, target: Array) -> Array:
    """Cross-entropies of classes (N, ...) under logits (N, ..., C), in nats."""
    found: Array = np.take_along_axis(log_softmax(logits), target[..., None], axis=-1)
    return -found[..., 0]


def known_losses(logits: Array, target: Array, ignore: int) -> Array:
    """Cross-entropies, 0 where the target is the class to ignore."""
    known = np.where(target == ignore, 0, target)
    losses: Array = np.where(target == ignore, 0.0, class_losses(logits, known))
    return losses


def smooth_losses(logits: Array, target: Array, smoothing: float) -> Array:
    """Cross-entropies against targets mixed with the uniform distribution."""
    uniform: Array = -log_softmax(logits).mean(axis=-1)
    return (1 - smoothing) * class_losses(logits, target) + smoothing * uniform


def smooth_known_losses(
    logits: Array, target: Array, smoothing: float, ignore: int
) -> Array:
    """Cross-entropies of smoothed targets, 0 where the class is to ignore."""
    known = np.where(target == ignore, 0, target)
    losses: Array = np.where(
        target == ignore, 0.0, smooth_losses(logits, known, smoothing)
    )
    return losses


def binary_losses(logits: Array, target: Array, pos_weight: float = 1.0) -> Array:
    """Sigmoid cross-entropies, those of a yes weighted."""
    exact = logits.astype(np.float64)
    weight = 1 + (pos_weight - 1) * target
    return (1 - target) * exact + weight * softplus(-exact)


def smooth_labels(target: Array, smoothing: float) -> Array:
    """Yes-or-no targets moved towards 1/2."""
    return target * (1 - smoothing) + smoothing / 2


def focal(logits: Array, target: Array, gamma: float) -> Array:
    """Cross-entropy that counts what is known already less (Lin et al. 2017)."""
    losses = class_losses(logits, target)
    return (1 - np.exp(-losses)) ** gamma * losses


def binary_focal(logits: Array, target: Array, gamma: float) -> Array:
    """Sigmoid cross-entropy that counts what is known already less."""
    losses = binary_losses(logits, target)
    return (1 - np.exp(-losses)) ** gamma * losses


def hinge(scores: Array, target: Array) -> Array:
    """How far each score is from the right side of the margin."""
    missed: Array = np.maximum(1 - (2.0 * target - 1) * scores, 0)
    return missed


def squares(prediction: Array, target: Array) -> Array:
    """Squared differences."""
    found: Array = np.square(prediction.astype(np.float64) - target)
    return found


def distances(prediction: Array, target: Array) -> Array:
    """Absolute differences."""
    found: Array = np.abs(prediction.astype(np.float64) - target)
    return found


def huber(prediction: Array, target: Array, delta: float) -> Array:
    """Half the square of differences up to `delta`, straight beyond it (Huber 1964)."""
    far = np.abs(prediction.astype(np.float64) - target)
    near = np.minimum(far, delta)
    found: Array = near * (far - near / 2)
    return found


def log_cosh(prediction: Array, target: Array) -> Array:
    """log(cosh(d)) of each difference d, without overflow."""
    difference = prediction.astype(np.float64) - target
    return difference + softplus(-2 * difference) - math.log(2)


def quantile(prediction: Array, target: Array, level: float) -> Array:
    """The pinball loss of one quantile (Koenker & Bassett 1978)."""
    difference = target - prediction.astype(np.float64)
    pinball: Array = np.maximum(level * difference, (level - 1) * difference)
    return pinball


def quantiles(prediction: Array, target: Array, levels: tuple[float, ...]) -> Array:
    """The pinball losses of several quantiles, on the prediction's last axis."""
    difference = target[..., None] - prediction.astype(np.float64)
    level = np.array(levels)
    pinball: Array = np.maximum(level * difference, (level - 1) * difference)
    return pinball


def gaussian_nll(mean: Array, variance: Array, target: Array, epsilon: float) -> Array:
    """Negative log-likelihoods under normal distributions, without the constant."""
    variance = np.maximum(variance.astype(np.float64), epsilon)
    likely: Array = (np.log(variance) + np.square(target - mean) / variance) / 2
    return likely


def poisson_nll(rate: Array, target: Array, epsilon: float) -> Array:
    """Negative log-likelihoods of counts, without what only the target decides."""
    exact = rate.astype(np.float64)
    likely: Array = exact - target * np.log(exact + epsilon)
    return likely


def student_t_nll(
    mean: Array, scale: Array, target: Array, freedom: float, epsilon: float
) -> Array:
    """Negative log-likelihoods under Student's t-distributions."""
    scale = np.maximum(scale.astype(np.float64), epsilon)
    constant = math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)
    constant += math.log(math.pi * freedom) / 2
    distance = np.square((target - mean) / scale) / freedom
    likely: Array = constant + np.log(scale) + (freedom + 1) / 2 * np.log1p(distance)
    return likely


def kl_divergence(prediction: Array, target: Array) -> Array:
    """p * (log p - log q), summed over the last axis; both are logarithms."""
    apart: Array = (np.exp(target) * (target - prediction)).sum(axis=-1)
    return apart


def kl_to_normal(mean: Array, log_variance: Array) -> Array:
    """The divergence from the standard normal (Kingma & Welling 2014)."""
    apart: Array = (np.square(mean) + np.exp(log_variance) - log_variance - 1) / 2
    return apart


def cosine_distance(prediction: Array, target: Array) -> Array:
    """One minus the cosine between vectors on the last axis."""
    exact = prediction.astype(np.float64)
    squares = np.square(exact).sum(axis=-1) * np.square(target).sum(axis=-1)
    apart: Array = 1 - (exact * target).sum(axis=-1) / np.sqrt(
        np.maximum(squares, 1e-16)
    )
    return apart


def contrastive(one: Array, other: Array, temperature: float) -> float:
    """How badly rows find their own among the others (Radford et al. 2021).

    The pairs of 1,000 rows at a time: all of them may be too many.
    """
    one, other = (
        x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
        for x in (one.astype(np.float64), other.astype(np.float64))
    )
    own = (one * other).sum(axis=-1) / temperature
    there: list[Array] = []
    back = np.full(len(other), -np.inf)
    for first in range(0, len(one), 1000):
        scores = one[first : first + 1000] @ other.T / temperature
        there.append(np.logaddexp.reduce(scores, axis=1))
        back = np.logaddexp(back, np.logaddexp.reduce(scores, axis=0))
    return float((np.concatenate(there) + back - 2 * own).mean()) / 2


def triplet(anchor: Array, positive: Array, negative: Array, margin: float) -> Array:
    """How much nearer than the others its like should be (Schroff et al. 2015)."""
    near = np.linalg.norm(anchor.astype(np.float64) - positive, axis=-1)
    far = np.linalg.norm(anchor.astype(np.float64) - negative, axis=-1)
    missed: Array = np.maximum(near - far + margin, 0)
    return missed


def dice(logits: Array, target: Array, smooth: float) -> Array:
    """One minus the Dice coefficient of each row (Milletari et al. 2016)."""
    share = sigmoid(logits.astype(np.float64)).reshape(len(logits), -1)
    target = target.reshape(len(logits), -1)
    both, size = (share * target).sum(axis=1), (share + target).sum(axis=1)
    apart: Array = 1 - (2 * both + smooth) / (size + smooth)
    return apart


def jaccard(logits: Array, target: Array, smooth: float) -> Array:
    """One minus intersection over union of each row (Rahman & Wang 2016)."""
    share = sigmoid(logits.astype(np.float64)).reshape(len(logits), -1)
    target = target.reshape(len(logits), -1)
    both, size = (share * target).sum(axis=1), (share + target).sum(axis=1)
    apart: Array = 1 - (both + smooth) / (size - both + smooth)
    return apart


def class_dice(logits: Array, target: Array, smooth: float) -> Array:
    """The mean over classes of `dice`, by a softmax on the last axis."""
    classes = logits.shape[-1]
    share = np.exp(log_softmax(logits)).reshape(len(logits), -1, classes)
    hot = np.eye(classes)[target.reshape(len(logits), -1)]
    both, size = (share * hot).sum(axis=1), (share + hot).sum(axis=1)
    apart: Array = (1 - (2 * both + smooth) / (size + smooth)).mean(axis=-1)
    return apart


def class_jaccard(logits: Array, target: Array, smooth: float) -> Array:
    """The mean over classes of `jaccard`, by a softmax on the last axis."""
    classes = logits.shape[-1]
    share = np.exp(log_softmax(logits)).reshape(len(logits), -1, classes)
    hot = np.eye(classes)[target.reshape(len(logits), -1)]
    both, size = (share * hot).sum(axis=1), (share + hot).sum(axis=1)
    apart: Array = (1 - (both + smooth) / (size - both + smooth)).mean(axis=-1)
    return apart


def ctc(logits: Array, target: Array, blank: int) -> Array:
    """How unlikely frames (N, T, C) spell targets (N, L) (Graves et al. 2006).

    Blanks at the end of a target fill it up; one too long for its frames counts as 0.
    """
    logs = log_softmax(logits)
    states = np.full((len(target), 2 * target.shape[1] + 1), blank)
    states[:, 1::2] = target
    skips = np.zeros(states.shape, dtype=bool)
    skips[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    total = np.full(states.shape, -np.inf)  # log probability of all ways to a state
    total[:, :2] = np.take_along_axis(logs[:, 0], states[:, :2], axis=1)
    for frame in range(1, logs.shape[1]):
        step, skip = np.roll(total, 1, axis=1), np.roll(total, 2, axis=1)
        step[:, 0] = -np.inf
        total = np.logaddexp(total, np.logaddexp(step, np.where(skips, skip, -np.inf)))
        total += np.take_along_axis(logs[:, frame], states, axis=1)
    last = 2 * (target != blank).sum(axis=1, keepdims=True)
    ends = np.take_along_axis(total, np.maximum(last - [[0, 1]], 0), axis=1)
    ends[:, 1] = np.where(last[:, 0] > 0, ends[:, 1], -np.inf)
    spelt: Array = np.logaddexp(ends[:, 0], ends[:, 1])
    return np.where(np.isinf(spelt), 0.0, -spelt)
