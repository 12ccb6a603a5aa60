"""What programs in PyTorch bring of their own: shape."""

from __future__ import annotations

import torch
from torch import Tensor


def pad_axis(x: Tensor, before: int, after: int, dim: int, reflect: bool) -> Tensor:
    """Mirror the elements of an axis at its ends, or repeat the outermost."""
    last = x.shape[dim] - 1
    index = torch.arange(-before, last + 1 + after, device=x.device)
    index = last - (last - index.abs()).abs() if reflect else index.clamp(0, last)
    return x.index_select(dim, index)
