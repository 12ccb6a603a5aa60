# Written by bmc from a .bm file; the file is yours to edit.
"""A residual network (He et al. 2016) for handwritten digits of 8 x 8 pixels.

Source: small_resnet.bm. 61,498 parameters.
Input:  image, float (B, 1, 8, 8).
Output: logits, float (B, 10).
"""

import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 16
DEPTH = 2


class Residual(nn.Module):
    """Two convolutions, and the input added to what they give."""

    def __init__(self, in_channels: int, filters: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, filters, kernel_size=3, padding=1, bias=False
        )
        self.norm1 = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1)
        self.conv2 = nn.Conv2d(filters, filters, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        body = self.conv1(x)  # (B, filters, height, width)
        body = self.norm1(body)
        body = F.relu(body, inplace=True)
        body = self.conv2(body)
        body = self.norm2(body)

        y = body + x  # (B, in_channels, height, width)
        y = F.relu(y, inplace=True)
        return y


class Downsample(nn.Module):
    """Half the size and other channels; the shortcut is a convolution."""

    def __init__(self, in_channels: int, filters: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, filters, kernel_size=3, stride=2, padding=1, bias=False
        )
        self.norm1 = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1)
        self.conv2 = nn.Conv2d(filters, filters, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1)
        self.conv3 = nn.Conv2d(
            in_channels, filters, kernel_size=1, stride=2, bias=False
        )
        self.norm3 = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        body = self.conv1(x)
        body = self.norm1(body)
        body = F.relu(body, inplace=True)
        body = self.conv2(body)
        body = self.norm2(body)

        shortcut = self.conv3(x)
        shortcut = self.norm3(shortcut)

        y = body + shortcut
        y = F.relu(y, inplace=True)
        return y


class SmallResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, WIDTH, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH, eps=1e-5, momentum=0.1)
        self.residuals1 = nn.Sequential(
            *(Residual(in_channels=WIDTH, filters=WIDTH) for _ in range(DEPTH))
        )
        self.downsample = Downsample(in_channels=WIDTH, filters=2 * WIDTH)
        self.residuals2 = nn.Sequential(
            *(Residual(in_channels=2 * WIDTH, filters=2 * WIDTH) for _ in range(DEPTH))
        )
        self.dense = nn.Linear(2 * WIDTH, 10)
        self.apply(initialize)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv(image)  # (B, 16, 8, 8)
        x = self.norm(x)
        stem = F.relu(x, inplace=True)

        x = self.residuals1(stem)
        x = self.downsample(x)  # (B, 32, 4, 4)
        features = self.residuals2(x)

        x = features.mean(dim=(2, 3))  # (B, 32)
        logits = self.dense(x)  # (B, 10)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform and he_normal weights and zero biases."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def name_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return what weights.safetensors holds: the state without batch norm's counters.

    Nothing reads those while `momentum` is given, and loading does without them.
    """
    state = model.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
