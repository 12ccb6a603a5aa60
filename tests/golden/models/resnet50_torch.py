# Written by bmc from a .bm file; the file is yours to edit.
"""ResNet-50 (He et al. 2015): 25,557,032 parameters.

Source: resnet50.bm. 25,557,032 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).
"""

import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 1000


class ConvNorm(nn.Module):
    def __init__(self, in_channels: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out,
            kernel_size=kernel,
            stride=stride,
            padding=kernel // 2,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = self.norm(y)
        return y


class Bottleneck(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.width = width
        self.stride = stride
        self.conv_norm1 = ConvNorm(
            in_channels=in_channels, out=width, kernel=1, stride=1
        )
        self.conv_norm2 = ConvNorm(
            in_channels=width, out=width, kernel=3, stride=stride
        )
        self.conv_norm3 = ConvNorm(in_channels=width, out=4 * width, kernel=1, stride=1)
        if in_channels != 4 * width or stride != 1:
            self.conv_norm4 = ConvNorm(
                in_channels=in_channels, out=4 * width, kernel=1, stride=stride
            )

    def forward(self, x: Tensor) -> Tensor:
        body = self.conv_norm1(x)  # (B, width, height, width_in)
        body = F.relu(body, inplace=True)
        body = self.conv_norm2(body)
        body = F.relu(body, inplace=True)
        body = self.conv_norm3(body)

        if self.in_channels == 4 * self.width and self.stride == 1:
            shortcut = x
        else:
            shortcut = self.conv_norm4(x)

        y = body + shortcut
        y = F.relu(y, inplace=True)
        return y


class Stage(nn.Module):
    def __init__(self, in_channels: int, width: int, depth: int, stride: int) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(
            in_channels=in_channels, width=width, stride=stride
        )
        self.bottlenecks = nn.Sequential(
            *(
                Bottleneck(in_channels=4 * width, width=width, stride=1)
                for _ in range(depth - 1)
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bottleneck(x)
        y = self.bottlenecks(y)
        return y


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_norm = ConvNorm(in_channels=3, out=64, kernel=7, stride=2)
        self.stage1 = Stage(in_channels=64, width=64, depth=3, stride=1)
        self.stage2 = Stage(in_channels=256, width=128, depth=4, stride=2)
        self.stage3 = Stage(in_channels=512, width=256, depth=6, stride=2)
        self.stage4 = Stage(in_channels=1024, width=512, depth=3, stride=2)
        self.dense = nn.Linear(2048, CLASSES)
        self.apply(initialize)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv_norm(image)  # (B, 64, 112, 112)
        x = F.relu(x, inplace=True)
        stem = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # (B, 64, 56, 56)

        x = self.stage1(stem)  # (B, 256, 56, 56)
        x = self.stage2(x)  # (B, 512, 28, 28)
        x = self.stage3(x)  # (B, 1024, 14, 14)
        x = self.stage4(x)  # (B, 2048, 7, 7)
        x = x.mean(dim=(2, 3))  # (B, 2048)
        logits = self.dense(x)  # (B, 1000)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform weights and zero biases."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
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
