"""Losses that PyTorch has not, or not so: one number for each place or row."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def counted_mean(losses: Tensor, counts: Tensor) -> Tensor:
    """Return the mean by weights that say how much each loss counts; 0 if none does."""
    total = counts.sum().to(losses.dtype)
    return (losses * counts).sum() / torch.where(
        total > 0, total, torch.ones_like(total)
    )


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return sum(w * loss) / sum(w), w being of rows or of places; 0 if none weighs."""
    missing = losses.ndim - weights.ndim
    weights = weights.to(losses.dtype).reshape(*weights.shape, *[1] * missing)
    weights = weights.expand_as(losses)
    total = weights.sum()
    return (losses * weights).sum() / torch.where(
        total > 0, total, torch.ones_like(total)
    )


def smooth_labels(target: Tensor, smoothing: float) -> Tensor:
    """Return yes-or-no targets moved towards 1/2."""
    return target * (1 - smoothing) + smoothing / 2


def focal(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Return cross-entropy that counts what is known already less (Lin et al. 2017)."""
    losses = F.cross_entropy(logits, target, reduction="none")
    return (1 - torch.exp(-losses)) ** gamma * losses


def binary_focal(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Return sigmoid cross-entropy that counts what is known already less."""
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (1 - torch.exp(-losses)) ** gamma * losses


def hinge(scores: Tensor, target: Tensor) -> Tensor:
    """Return how far each score is from the right side of the margin."""
    return F.relu(1 - (2 * target - 1) * scores)


def log_cosh(prediction: Tensor, target: Tensor) -> Tensor:
    """Return log(cosh(d)) of each difference d, without overflow."""
    difference = prediction - target
    return difference + F.softplus(-2 * difference) - math.log(2)


def quantile(prediction: Tensor, target: Tensor, level: float) -> Tensor:
    """Return the pinball loss of one quantile (Koenker & Bassett 1978)."""
    difference = target - prediction
    return torch.maximum(level * difference, (level - 1) * difference)


def quantiles(prediction: Tensor, target: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Return the pinball losses of several quantiles, on the prediction's last axis."""
    difference = target.unsqueeze(-1) - prediction
    level = prediction.new_tensor(levels)
    return torch.maximum(level * difference, (level - 1) * difference)


def gaussian_nll(
    mean: Tensor, variance: Tensor, target: Tensor, epsilon: float
) -> Tensor:
    """Return negative log-likelihoods under normal distributions, up to a constant."""
    variance = variance.clamp(min=epsilon)
    return (torch.log(variance) + (target - mean) ** 2 / variance) / 2


def student_t_nll(
    mean: Tensor, scale: Tensor, target: Tensor, freedom: float, epsilon: float
) -> Tensor:
    """Return negative log-likelihoods under Student's t-distributions."""
    scale = scale.clamp(min=epsilon)
    constant = math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)
    constant += math.log(math.pi * freedom) / 2
    distance = ((target - mean) / scale) ** 2 / freedom
    return constant + torch.log(scale) + (freedom + 1) / 2 * torch.log1p(distance)


def kl_divergence(prediction: Tensor, target: Tensor) -> Tensor:
    """Return p * (log p - log q), summed over the last axis; both are logarithms."""
    return (torch.exp(target) * (target - prediction)).sum(dim=-1)


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence from the standard normal (Kingma & Welling 2014)."""
    return (mean**2 + torch.exp(log_variance) - log_variance - 1) / 2


def contrastive(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Return how badly rows find their own among the others (Radford et al. 2021)."""
    one, other = F.normalize(one, dim=-1), F.normalize(other, dim=-1)
    scores = one @ other.T / temperature
    own = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float
) -> Tensor:
    """Return how much nearer its like should be than others (Schroff et al. 2015)."""
    near = torch.linalg.vector_norm(anchor - positive, dim=-1)
    far = torch.linalg.vector_norm(anchor - negative, dim=-1)
    return F.relu(near - far + margin)


def dice(logits: Tensor, target: Tensor, smooth: float) -> Tensor:
    """Return one minus the Dice coefficient of each row (Milletari et al. 2016)."""
    share, target = torch.sigmoid(logits).flatten(1), target.flatten(1)
    both = (share * target).sum(dim=1)
    return 1 - (2 * both + smooth) / (share.sum(dim=1) + target.sum(dim=1) + smooth)


def jaccard(logits: Tensor, target: Tensor, smooth: float) -> Tensor:
    """Return one minus intersection over union of each row (Rahman & Wang 2016)."""
    share, target = torch.sigmoid(logits).flatten(1), target.flatten(1)
    both = (share * target).sum(dim=1)
    return 1 - (both + smooth) / (share.sum(dim=1) + target.sum(dim=1) - both + smooth)


def class_dice(logits: Tensor, target: Tensor, smooth: float) -> Tensor:
    """Return the mean over classes of `dice`, by a softmax on the last axis."""
    share = F.softmax(logits, dim=-1).flatten(1, -2)
    hot = F.one_hot(target.flatten(1), logits.shape[-1]).to(share.dtype)
    both, size = (share * hot).sum(dim=1), (share + hot).sum(dim=1)
    return (1 - (2 * both + smooth) / (size + smooth)).mean(dim=-1)


def class_jaccard(logits: Tensor, target: Tensor, smooth: float) -> Tensor:
    """Return the mean over classes of `jaccard`, by a softmax on the last axis."""
    share = F.softmax(logits, dim=-1).flatten(1, -2)
    hot = F.one_hot(target.flatten(1), logits.shape[-1]).to(share.dtype)
    both, size = (share * hot).sum(dim=1), (share + hot).sum(dim=1)
    return (1 - (both + smooth) / (size - both + smooth)).mean(dim=-1)


def ctc(logits: Tensor, target: Tensor, blank: int) -> Tensor:
    """Return how unlikely frames (B, T, C) spell targets (B, L) (Graves et al. 2006).

    Blanks at the end of a target fill it up; one too long for its frames counts as 0.
    """
    frames = logits.new_full((len(logits),), logits.shape[1], dtype=torch.long)
    return F.ctc_loss(
        F.log_softmax(logits, dim=-1).transpose(0, 1),
        target,
        frames,
        (target != blank).sum(dim=1),
        blank,
        reduction="none",
        zero_infinity=True,
    )
