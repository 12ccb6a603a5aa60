"""What programs in PyTorch bring of their own: pool."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bmc_torch.parts.conv import pad_same


def average_inside(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], pads: tuple[int, ...]
) -> Tensor:
    """Average windows over what is inside the border; `pads` is what `F.pad` takes."""
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(pads) // 2 - 1]
    inside = F.pad(torch.ones_like(x[:1, :1]), pads)
    return pool(F.pad(x, pads), kernel, stride) / pool(inside, kernel, stride)


def average_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Average windows over what is inside; an axis of n gives ceil(n / stride)."""
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    ones = (1,) * len(kernel)
    inside = pad_same(torch.ones_like(x[:1, :1]), kernel, stride, ones)
    total = pool(pad_same(x, kernel, stride, ones), kernel, stride)
    return total / pool(inside, kernel, stride)
