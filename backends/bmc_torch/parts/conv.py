"""What programs in PyTorch bring of their own: conv."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_same(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    value: float = 0.0,
    mode: str = "constant",
) -> Tensor:
    """Pad so that a window gives ceil(size / stride); what is odd goes after."""
    pads: list[int] = []
    for axis in range(-1, -len(kernel) - 1, -1):
        size, step = x.shape[axis], stride[axis]
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        total = max((-(-size // step) - 1) * step + reach - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, mode=mode, value=value)
