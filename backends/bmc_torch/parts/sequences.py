"""What programs in PyTorch bring of their own: sequences of classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def ctc_greedy(logits: Tensor, blank: int) -> Tensor:
    """Read what frames spell, filled up with blanks: (B, T, C) -> (B, T)."""
    best = logits.argmax(dim=-1)
    before = F.pad(best[:, :-1], (1, 0), value=blank)
    kept = (best != blank) & (best != before)
    places = torch.arange(best.shape[1], device=best.device)
    order = torch.where(kept, places, places + len(places)).argsort(dim=1)
    return torch.where(kept, best, blank).gather(1, order)
