# Written by bmc from a .bm file; the file is yours to edit.
"""MobileNetV2.

Source: mobilenetv2.bm. 3,504,872 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).
"""

import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 1000


class ConvNorm(nn.Module):
    def __init__(
        self, in_channels: int, out: int, kernel: int, stride: int, groups: int
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out,
            kernel_size=kernel,
            stride=stride,
            padding=kernel // 2,
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = self.norm(y)
        return y


class Inverted(nn.Module):
    def __init__(self, in_channels: int, out: int, expand: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out = out
        self.expand = expand
        self.stride = stride
        if expand != 1:
            self.widen = ConvNorm(
                in_channels=in_channels,
                out=expand * in_channels,
                kernel=1,
                stride=1,
                groups=1,
            )
        self.depthwise = ConvNorm(
            in_channels=expand * in_channels,
            out=expand * in_channels,
            kernel=3,
            stride=stride,
            groups=expand * in_channels,
        )
        self.narrow = ConvNorm(
            in_channels=expand * in_channels, out=out, kernel=1, stride=1, groups=1
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.expand == 1:
            wide = x
        else:
            wide = self.widen(x)  # (B, expand * in_channels, height, width)
            wide = F.relu6(wide, inplace=True)

        body = self.depthwise(wide)
        body = F.relu6(body, inplace=True)
        body = self.narrow(body)

        if self.stride == 1 and self.in_channels == self.out:
            y = x + body  # (B, out, height, width)
        else:
            y = body
        return y


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_norm1 = ConvNorm(in_channels=3, out=32, kernel=3, stride=2, groups=1)
        self.inverteds1 = nn.ModuleList(
            [
                Inverted(in_channels=32, out=16, expand=1, stride=1),
                Inverted(in_channels=16, out=24, expand=6, stride=2),
                Inverted(in_channels=24, out=32, expand=6, stride=2),
                Inverted(in_channels=32, out=64, expand=6, stride=2),
                Inverted(in_channels=64, out=96, expand=6, stride=1),
                Inverted(in_channels=96, out=160, expand=6, stride=2),
                Inverted(in_channels=160, out=320, expand=6, stride=1),
            ],
        )
        self.inverteds2 = nn.ModuleList(
            [
                nn.Sequential(
                    *(
                        Inverted(in_channels=24, out=24, expand=6, stride=1)
                        for _ in range(1)
                    ),
                ),
                nn.Sequential(
                    *(
                        Inverted(in_channels=32, out=32, expand=6, stride=1)
                        for _ in range(2)
                    ),
                ),
                nn.Sequential(
                    *(
                        Inverted(in_channels=64, out=64, expand=6, stride=1)
                        for _ in range(3)
                    ),
                ),
                nn.Sequential(
                    *(
                        Inverted(in_channels=96, out=96, expand=6, stride=1)
                        for _ in range(2)
                    ),
                ),
                nn.Sequential(
                    *(
                        Inverted(in_channels=160, out=160, expand=6, stride=1)
                        for _ in range(2)
                    ),
                ),
            ],
        )
        self.conv_norm2 = ConvNorm(
            in_channels=320, out=1280, kernel=1, stride=1, groups=1
        )
        self.dropout = nn.Dropout(0.2)
        self.dense = nn.Linear(1280, CLASSES)
        self.apply(initialize)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv_norm1(image)  # (B, 32, 112, 112)
        x = F.relu6(x, inplace=True)

        for layer in self.inverteds1[:2]:
            x = layer(x)
        x = self.inverteds2[0](x)

        x = self.inverteds1[2](x)  # (B, 32, 28, 28)
        x = self.inverteds2[1](x)

        x = self.inverteds1[3](x)  # (B, 64, 14, 14)
        x = self.inverteds2[2](x)

        x = self.inverteds1[4](x)  # (B, 96, 14, 14)
        x = self.inverteds2[3](x)

        x = self.inverteds1[5](x)  # (B, 160, 7, 7)
        x = self.inverteds2[4](x)

        x = self.inverteds1[6](x)  # (B, 320, 7, 7)

        logits = self.conv_norm2(x)  # (B, 1280, 7, 7)
        logits = F.relu6(logits, inplace=True)
        logits = logits.mean(dim=(2, 3))  # (B, 1280)
        logits = self.dropout(logits)
        logits = self.dense(logits)  # (B, 1000)
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
