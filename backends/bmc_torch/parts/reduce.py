"""What programs in PyTorch bring of their own: reduce."""

from __future__ import annotations

import torch
from torch import Tensor


def last_step(x: Tensor, length: Tensor) -> Tensor:
    """Take the last step that is data: (B, T, ...), (B,) -> (B, ...)."""
    return x[torch.arange(len(x), device=x.device), length - 1]
