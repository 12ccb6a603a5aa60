"""The table of PyTorch lowerings: one rule for each declared layer."""

from __future__ import annotations

from bmc.emit.backend import Lowerings

LOWERINGS = Lowerings("torch", "bmc_torch.lower")
lower = LOWERINGS.rule
