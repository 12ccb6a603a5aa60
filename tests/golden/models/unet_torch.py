# Written by bmc from a .bm file; the file is yours to edit.
"""U-Net (Ronneberger et al. 2015) with padded convolutions and batch norm: 31,037,698
parameters.

Source: unet.bm. 31,037,698 parameters.
Input:  image, float (B, 3, 256, 256).
Output: logits, float (B, 2, 256, 256).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64
CLASSES = 2


class DoubleConv(nn.Module):
    """(B, in_channels, height, width) -> (B, out, height, width)."""

    def __init__(self, in_channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out, kernel_size=3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out, eps=1e-5, momentum=0.1)
        self.conv2 = nn.Conv2d(out, out, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)  # (B, out, height, width)
        y = self.norm1(y)
        y = F.relu(y, inplace=True)
        y = self.conv2(y)
        y = self.norm2(y)
        y = F.relu(y, inplace=True)
        return y


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.double_convs1 = nn.ModuleList(
            [
                DoubleConv(in_channels=3, out=WIDTH),
                *(
                    DoubleConv(in_channels=WIDTH * 2 ** (i - 1), out=WIDTH * 2**i)
                    for i in range(1, 4)
                ),
            ],
        )
        self.double_conv = DoubleConv(in_channels=WIDTH * 8, out=16 * WIDTH)
        self.conv_transposes = nn.ModuleList(
            nn.ConvTranspose2d(
                16 * WIDTH // 2**i, 8 * WIDTH // 2**i, kernel_size=2, stride=2
            )
            for i in range(4)
        )
        self.double_convs2 = nn.ModuleList(
            DoubleConv(in_channels=16 // 2**i * WIDTH, out=8 * WIDTH // 2**i)
            for i in range(4)
        )
        self.conv = nn.Conv2d(WIDTH, CLASSES, kernel_size=1)
        self.apply(initialize)

    def forward(self, image: Tensor) -> Tensor:
        x = image
        skips: list[Tensor] = []
        for layer in self.double_convs1:
            skip = layer(x)
            skips.append(skip)
            x = F.max_pool2d(skip, kernel_size=2)

        x = self.double_conv(x)  # (B, 1024, 16, 16)
        for conv_transpose, skip, double_conv2 in zip(
            self.conv_transposes, reversed(skips), self.double_convs2, strict=True
        ):
            up = conv_transpose(x)
            x = torch.cat((skip, up), dim=1)
            x = double_conv2(x)
        logits = self.conv(x)  # (B, 2, 256, 256)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform weights and zero biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def name_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return what weights.safetensors holds: the state without batch norm's counters.

    Nothing reads those while `momentum` is given, and loading does without them.
    """
    state = model.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
