"""What programs in PyTorch bring of their own: embedding."""

from __future__ import annotations

import torch
from torch import Tensor


def sinusoids(x: Tensor, size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return sine and cosine of x * theta ** (-2 i / size), on a new last axis."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(0, size, 2, dtype=wide, device=x.device)
    angles = x.unsqueeze(-1).to(wide) * theta ** (-steps / size)
    return angles.sin().to(x.dtype), angles.cos().to(x.dtype)


def sinusoidal_positions(x: Tensor, theta: float) -> Tensor:
    """Return sines and cosines in turn for the steps of x: (..., T, D) -> (T, D)."""
    wide = torch.promote_types(x.dtype, torch.float32)
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    waves = torch.stack(sinusoids(steps, x.shape[-1], theta), dim=-1)
    return waves.flatten(-2).to(x.dtype)


def add_sinusoids_2d(x: Tensor, theta: float) -> Tensor:
    """Add sines and cosines of rows and of columns: (..., H, W, D) -> the same."""
    wide = torch.promote_types(x.dtype, torch.float32)
    halves = x.chunk(2, dim=-1)
    tables = []
    for dim in (-3, -2):
        steps = torch.arange(x.shape[dim], dtype=wide, device=x.device)
        waves = sinusoids(steps, x.shape[-1] // 2, theta)
        tables.append(torch.stack(waves, dim=-1).flatten(-2).to(x.dtype))
    rows, columns = tables
    return torch.cat((halves[0] + rows[:, None], halves[1] + columns), dim=-1)
