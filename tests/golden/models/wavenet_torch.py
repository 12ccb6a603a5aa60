# Written by bmc from a .bm file; the file is yours to edit.
"""WaveNet (van den Oord et al. 2016): layers whose reach doubles, each with a part in
the result.

Source: wavenet.bm. 269,248 parameters.
Input:  wave, float (B, 1, T).
Output: logits, float (B, 256, T).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 64
DEPTH = 10  # decides more than sizes: change it in the .bm file
LEVELS = 256


class Gated(nn.Module):
    def __init__(self, in_channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.conv1 = nn.Conv1d(
            in_channels, in_channels, kernel_size=2, dilation=dilation
        )
        self.conv2 = nn.Conv1d(
            in_channels, in_channels, kernel_size=2, dilation=dilation
        )
        self.conv3 = nn.Conv1d(in_channels, in_channels, kernel_size=1)
        self.conv4 = nn.Conv1d(in_channels, in_channels, kernel_size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        filter_ = self.conv1(F.pad(x, (self.dilation, 0)))
        filter_ = torch.tanh(filter_)

        gate = self.conv2(F.pad(x, (self.dilation, 0)))
        gate = torch.sigmoid(gate)

        z = filter_ * gate

        residual = self.conv3(z)
        residual = x + residual

        skip = self.conv4(z)
        return residual, skip


class WaveNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, CHANNELS, kernel_size=1)
        self.gateds = nn.ModuleList(
            Gated(in_channels=CHANNELS, dilation=2**i) for i in range(DEPTH)
        )
        self.conv2 = nn.Conv1d(CHANNELS, CHANNELS, kernel_size=1)
        self.conv3 = nn.Conv1d(CHANNELS, LEVELS, kernel_size=1)
        self.apply(initialize)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.conv1(wave)  # (B, 64, T)

        skips: list[Tensor] = []
        for layer in self.gateds:
            x, skip = layer(x)
            skips.append(skip)

        logits = x + sum(skips[1:], skips[0])
        logits = F.relu(logits, inplace=True)
        logits = self.conv2(logits)
        logits = F.relu(logits)
        logits = self.conv3(logits)  # (B, 256, T)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform weights and zero biases."""
    if isinstance(module, nn.Conv1d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
