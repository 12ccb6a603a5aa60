"""What programs in PyTorch bring of their own: activation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def keep_top(x: Tensor, count: int, dim: int, fill: float) -> Tensor:
    """Keep the largest elements of an axis, of equal ones the first; fill the rest."""
    top = x.argsort(dim=dim, descending=True, stable=True).narrow(dim, 0, count)
    return torch.full_like(x, fill).scatter(dim, top, x.gather(dim, top))


def tanh_glu(x: Tensor, dim: int) -> Tensor:
    """Multiply one half of an axis by the tanh of the other (Shazeer 2020)."""
    a, b = x.chunk(2, dim=dim)
    return a * torch.tanh(b)


def gelu_glu(x: Tensor, dim: int) -> Tensor:
    """Multiply one half of an axis by the gelu of the other (Shazeer 2020)."""
    a, b = x.chunk(2, dim=dim)
    return a * F.gelu(b)


def silu_glu(x: Tensor, dim: int) -> Tensor:
    """Multiply one half of an axis by the silu of the other (Shazeer 2020)."""
    a, b = x.chunk(2, dim=dim)
    return a * F.silu(b)


def relu_glu(x: Tensor, dim: int) -> Tensor:
    """Multiply one half of an axis by the relu of the other (Shazeer 2020)."""
    a, b = x.chunk(2, dim=dim)
    return a * F.relu(b)
