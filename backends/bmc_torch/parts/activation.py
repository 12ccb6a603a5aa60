"""What programs in PyTorch bring of their own: activation."""

from __future__ import annotations

import torch
from torch import Tensor


def keep_top(x: Tensor, count: int, dim: int, fill: float) -> Tensor:
    """Keep the largest elements of an axis, of equal ones the first; fill the rest."""
    top = x.argsort(dim=dim, descending=True, stable=True).narrow(dim, 0, count)
    return torch.full_like(x, fill).scatter(dim, top, x.gather(dim, top))
