# Written by bmc from a .bm file; the file is yours to edit.
"""DenseNet-121 (Huang et al. 2017): 7,978,856 parameters.

Source: densenet121.bm. 7,978,856 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROWTH = 32
CLASSES = 1000


class DenseLayer(nn.Module):
    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels, eps=1e-5, momentum=0.1)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth, eps=1e-5, momentum=0.1)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.norm1(x)
        new = F.relu(new, inplace=True)
        new = self.conv1(new)  # (B, 4 * growth, height, width)
        new = self.norm2(new)
        new = F.relu(new, inplace=True)
        new = self.conv2(new)  # (B, growth, height, width)

        y = torch.cat((x, new), dim=1)  # (B, in_channels + growth, height, width)
        return y


class Transition(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels, eps=1e-5, momentum=0.1)
        self.conv = nn.Conv2d(in_channels, in_channels // 2, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        y = F.relu(y, inplace=True)
        y = self.conv(y)  # (B, in_channels // 2, height, width)
        y = F.avg_pool2d(y, kernel_size=2)
        return y


class DenseNet121(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            3, 2 * GROWTH, kernel_size=7, stride=2, padding=3, bias=False
        )
        self.norm1 = nn.BatchNorm2d(2 * GROWTH, eps=1e-5, momentum=0.1)
        self.dense_layers1 = nn.ModuleList(
            nn.Sequential(
                *(
                    DenseLayer(in_channels=(i + 2 * 2**j) * GROWTH, growth=GROWTH)
                    for i in range(6 * 2**j)
                ),
            )
            for j in range(3)
        )
        self.transitions = nn.ModuleList(
            Transition(in_channels=8 * 2**i * GROWTH) for i in range(3)
        )
        self.dense_layers2 = nn.Sequential(
            *(
                DenseLayer(in_channels=(i + 16) * GROWTH, growth=GROWTH)
                for i in range(16)
            ),
        )
        self.norm2 = nn.BatchNorm2d(32 * GROWTH, eps=1e-5, momentum=0.1)
        self.dense = nn.Linear(32 * GROWTH, CLASSES)
        self.apply(initialize)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv(image)  # (B, 64, 112, 112)
        x = self.norm1(x)
        x = F.relu(x, inplace=True)
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # (B, 64, 56, 56)

        for dense_layer1, transition in zip(
            self.dense_layers1, self.transitions, strict=True
        ):
            x = dense_layer1(x)
            x = transition(x)

        logits = self.dense_layers2(x)  # (B, 1024, 7, 7)
        logits = self.norm2(logits)
        logits = F.relu(logits, inplace=True)
        logits = logits.mean(dim=(2, 3))  # (B, 1024)
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
