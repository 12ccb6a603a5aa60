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

    (B, T, ..., C), (B, T) -> (B, T, ..., C). Sums over a mask have shapes that are
    known, so that the model can be compiled and exported whole.
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        data = mask.view(*mask.shape, *[1] * (x.ndim - 2))  # (B, T, ..., 1)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # for the sums
        mean, variance = self.running_mean, self.running_var
        assert mean is not None and variance is not None
        if self.training:
            over = tuple(range(x.ndim - 1))
            n = data.expand(*x.shape[:-1], 1).sum().clamp(min=1)  # in each channel
            mean = wide.where(data, 0.0).sum(dim=over) / n
            variance = (wide - mean).where(data, 0.0).square().sum(dim=over) / n
            self.keep(mean, variance * n / (n - 1).clamp(min=1))
        y = (wide - mean) * torch.rsqrt(variance + self.eps)
        if self.affine:
            y = y * self.weight + self.bias
        return y.where(data, 0.0).to(x.dtype)

    @torch.no_grad()
    def keep(self, mean: Tensor, variance: Tensor) -> None:
        """Follow the statistics of a batch."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


def row_lengths(weight: Tensor) -> Tensor:
    """Measure the rows of a weight, what makes one output: (out, ...) -> (out,)."""
    return torch.linalg.vector_norm(weight.flatten(1), dim=1)


def scale_rows(weight: Tensor, scale: Tensor) -> Tensor:
    """Give the rows of a weight these lengths."""
    ratio = scale / row_lengths(weight)
    return weight * ratio.view(-1, *[1] * (weight.ndim - 1))


@torch.no_grad()
def start_scale(scale: Tensor, weight: Tensor) -> None:
    """Start with the lengths that the rows have."""
    scale.copy_(row_lengths(weight))
