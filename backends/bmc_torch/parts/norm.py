"""What programs in PyTorch bring of their own: norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def standardize_series(x: Tensor, dim: int, eps: float) -> tuple[Tensor, Tensor]:
    """Give each series mean 0 and deviation 1; return it, and both of before."""
    variance, mean = torch.var_mean(x, dim=dim, correction=0, keepdim=True)
    deviation = torch.sqrt(variance + eps)
    return (x - mean) / deviation, torch.cat((mean, deviation), dim=dim)


class GroupNorm(nn.GroupNorm):
    """Group normalisation of single numbers, too: an axis of free size may be 1."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class PaddedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of the steps that are data; padding becomes zeros.

    (B, T, ..., C), (B, T) -> (B, T, ..., C)
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        steps = x[mask]
        y = torch.zeros_like(x)
        y[mask] = super().forward(steps.flatten(0, -2)).view_as(steps)
        return y


def scale_rows(weight: Tensor, scale: Tensor) -> Tensor:
    """Give the rows of a weight, what makes one output, these lengths."""
    axes = tuple(range(1, weight.ndim))
    lengths = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return weight * (scale.view_as(lengths) / lengths)
