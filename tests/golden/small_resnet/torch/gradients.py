# Written by bmc from a .bm file; the file is yours to edit.
"""Which gradient grew before a loss was not finite: `--watch` looks at every update."""

import math

import torch
from torch import nn


def watch_gradients(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, float]:
    """Return the largest gradient in each weight, kept up to date.

    An update with a gradient that is not finite changes nothing. To look at them waits
    for the device each time.
    """
    largest: dict[str, float] = {}

    def look(*_: object) -> None:
        found = {
            name: float(weight.grad.abs().max())
            for name, weight in model.named_parameters()
            if weight.grad is not None
        }
        if all(map(math.isfinite, found.values())):
            largest.update(found)

    optimizer.register_step_pre_hook(look)
    return largest
