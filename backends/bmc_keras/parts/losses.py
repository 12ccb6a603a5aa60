"""Losses that Keras has not, or not so: one number for each place or row."""

from __future__ import annotations

import math

from keras import ops


def counted_mean(losses, counts):
    """Return the mean by weights that say how much each loss counts; 0 if none does."""
    counts = ops.cast(counts, losses.dtype)
    total = ops.sum(counts)
    return ops.sum(losses * counts) / ops.where(total > 0, total, 1)


def weighted_mean(losses, weights):
    """Return sum(w * loss) / sum(w), w being of rows or of places; 0 if none weighs."""
    weights = ops.cast(weights, losses.dtype)
    for _ in range(len(losses.shape) - len(weights.shape)):
        weights = ops.expand_dims(weights, -1)
    weights = ops.broadcast_to(weights, ops.shape(losses))
    total = ops.sum(weights)
    return ops.sum(losses * weights) / ops.where(total > 0, total, 1)


def class_losses(target, logits, ignore: int):
    """Return cross-entropies, 0 where the target is the class to ignore."""
    known = ops.where(target == ignore, 0, target)
    hot = ops.one_hot(known, logits.shape[-1], dtype=logits.dtype)
    losses = -ops.sum(hot * ops.log_softmax(logits, axis=-1), axis=-1)
    return ops.where(target == ignore, 0, losses)


def smooth_class_losses(target, logits, smoothing: float, ignore: int):
    """Return cross-entropies of smoothed targets, 0 where the class is to ignore."""
    known = ops.where(target == ignore, 0, target)
    hot = ops.one_hot(known, logits.shape[-1], dtype=logits.dtype)
    hot = (1 - smoothing) * hot + smoothing / logits.shape[-1]
    losses = -ops.sum(hot * ops.log_softmax(logits, axis=-1), axis=-1)
    return ops.where(target == ignore, 0, losses)


def binary_losses(target, logits, pos_weight: float):
    """Return sigmoid cross-entropies, those of a yes weighted."""
    weight = 1 + (pos_weight - 1) * target
    return (1 - target) * logits + weight * ops.softplus(-logits)


def smooth_labels(target, smoothing: float):
    """Return yes-or-no targets moved towards 1/2."""
    return target * (1 - smoothing) + smoothing / 2


def focal(target, logits, gamma: float):
    """Return cross-entropy that counts what is known already less (Lin et al. 2017)."""
    hot = ops.one_hot(target, logits.shape[-1], dtype=logits.dtype)
    losses = -ops.sum(hot * ops.log_softmax(logits, axis=-1), axis=-1)
    return (1 - ops.exp(-losses)) ** gamma * losses


def binary_focal(target, logits, gamma: float):
    """Return sigmoid cross-entropy that counts what is known already less."""
    losses = ops.binary_crossentropy(target, logits, from_logits=True)
    return (1 - ops.exp(-losses)) ** gamma * losses


def hinge(scores, target):
    """Return how far each score is from the right side of the margin."""
    return ops.relu(1 - (2 * target - 1) * scores)


def huber(prediction, target, delta: float):
    """Return half the square of differences up to `delta`, straight beyond it."""
    far = ops.abs(prediction - target)
    near = ops.minimum(far, delta)
    return near * (far - near / 2)


def poisson_nll(rate, target, epsilon: float):
    """Return negative log-likelihoods of counts, up to what the target decides."""
    return rate - target * ops.log(rate + epsilon)


def log_cosh(prediction, target):
    """Return log(cosh(d)) of each difference d, without overflow."""
    difference = prediction - target
    return difference + ops.softplus(-2 * difference) - math.log(2)


def quantile(prediction, target, level: float):
    """Return the pinball loss of one quantile (Koenker & Bassett 1978)."""
    difference = target - prediction
    return ops.maximum(level * difference, (level - 1) * difference)


def quantiles(prediction, target, levels: tuple[float, ...]):
    """Return the pinball losses of several quantiles, on the prediction's last axis."""
    difference = ops.expand_dims(target, -1) - prediction
    level = ops.convert_to_tensor(levels, prediction.dtype)
    return ops.maximum(level * difference, (level - 1) * difference)


def gaussian_nll(mean, variance, target, epsilon: float):
    """Return negative log-likelihoods under normal distributions, up to a constant."""
    variance = ops.maximum(variance, epsilon)
    return (ops.log(variance) + ops.square(target - mean) / variance) / 2


def student_t_nll(mean, scale, target, freedom: float, epsilon: float):
    """Return negative log-likelihoods under Student's t-distributions."""
    scale = ops.maximum(scale, epsilon)
    constant = math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)
    constant += math.log(math.pi * freedom) / 2
    distance = ops.square((target - mean) / scale) / freedom
    return constant + ops.log(scale) + (freedom + 1) / 2 * ops.log1p(distance)


def kl_divergence(prediction, target):
    """Return p * (log p - log q), summed over the last axis; both are logarithms."""
    return ops.sum(ops.exp(target) * (target - prediction), axis=-1)


def kl_to_normal(mean, log_variance):
    """Return the divergence from the standard normal (Kingma & Welling 2014)."""
    return (ops.square(mean) + ops.exp(log_variance) - log_variance - 1) / 2


def cosine_distance(prediction, target):
    """Return one minus the cosine between vectors on the last axis."""
    both = ops.sum(prediction * target, axis=-1)
    squares = ops.sum(ops.square(prediction), axis=-1)
    squares *= ops.sum(ops.square(target), axis=-1)
    return 1 - both / ops.sqrt(ops.maximum(squares, 1e-16))


def contrastive(one, other, temperature: float):
    """Return how badly rows find their own among the others (Radford et al. 2021)."""
    one, other = (
        x / ops.sqrt(ops.maximum(ops.sum(x * x, axis=-1, keepdims=True), 1e-24))
        for x in (one, other)
    )
    scores = one @ ops.transpose(other) / temperature
    there = ops.diagonal(ops.log_softmax(scores, axis=1))
    back = ops.diagonal(ops.log_softmax(scores, axis=0))
    return -ops.mean(there + back) / 2


def triplet(anchor, positive, negative, margin: float):
    """Return how much nearer its like should be than others (Schroff et al. 2015)."""
    near = ops.sqrt(ops.sum(ops.square(anchor - positive), axis=-1))
    far = ops.sqrt(ops.sum(ops.square(anchor - negative), axis=-1))
    return ops.relu(near - far + margin)


def dice(logits, target, smooth: float):
    """Return one minus the Dice coefficient of each row (Milletari et al. 2016)."""
    rows = ops.shape(logits)[0]
    share = ops.reshape(ops.sigmoid(logits), (rows, -1))
    target = ops.reshape(target, (rows, -1))
    both, size = ops.sum(share * target, axis=1), ops.sum(share + target, axis=1)
    return 1 - (2 * both + smooth) / (size + smooth)


def jaccard(logits, target, smooth: float):
    """Return one minus intersection over union of each row (Rahman & Wang 2016)."""
    rows = ops.shape(logits)[0]
    share = ops.reshape(ops.sigmoid(logits), (rows, -1))
    target = ops.reshape(target, (rows, -1))
    both, size = ops.sum(share * target, axis=1), ops.sum(share + target, axis=1)
    return 1 - (both + smooth) / (size - both + smooth)


def class_dice(logits, target, smooth: float):
    """Return the mean over classes of `dice`, by a softmax on the last axis."""
    rows, classes = ops.shape(logits)[0], logits.shape[-1]
    share = ops.reshape(ops.softmax(logits, axis=-1), (rows, -1, classes))
    hot = ops.one_hot(ops.reshape(target, (rows, -1)), classes, dtype=share.dtype)
    both, size = ops.sum(share * hot, axis=1), ops.sum(share + hot, axis=1)
    return ops.mean(1 - (2 * both + smooth) / (size + smooth), axis=-1)


def class_jaccard(logits, target, smooth: float):
    """Return the mean over classes of `jaccard`, by a softmax on the last axis."""
    rows, classes = ops.shape(logits)[0], logits.shape[-1]
    share = ops.reshape(ops.softmax(logits, axis=-1), (rows, -1, classes))
    hot = ops.one_hot(ops.reshape(target, (rows, -1)), classes, dtype=share.dtype)
    both, size = ops.sum(share * hot, axis=1), ops.sum(share + hot, axis=1)
    return ops.mean(1 - (both + smooth) / (size - both + smooth), axis=-1)


def ctc(logits, target, blank: int):
    """Return how unlikely frames (B, T, C) spell targets (B, L) (Graves et al. 2006).

    Blanks at the end of a target fill it up; one too long for its frames counts as 0.
    """
    known = ops.cast(target != blank, "int32")
    twice = ops.cast(target[:, 1:] == target[:, :-1], "int32") * known[:, 1:]
    lengths = ops.sum(known, axis=1)
    frames = ops.full_like(lengths, ops.shape(logits)[1])
    losses = ops.ctc_loss(target, logits, lengths, frames, mask_index=blank)
    return ops.where(lengths + ops.sum(twice, axis=1) <= frames, losses, 0)
