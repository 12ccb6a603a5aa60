# Written by bmc from a .bm file; the file is yours to edit.
"""LeNet-5 (LeCun et al. 1998) on handwritten digits, with ReLU and max pooling.

Source: lenet.bm. 61,706 parameters.
Input:  image, float (B, 1, 28, 28).
Output: logits, float (B, 10).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.dense1 = nn.Linear(400, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, 10)
        self.apply(initialize)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv1(image)  # (B, 6, 28, 28)
        x = F.relu(x)
        x = F.max_pool2d(x, kernel_size=2)  # (B, 6, 14, 14)
        x = self.conv2(x)  # (B, 16, 10, 10)
        x = F.relu(x)
        features = F.max_pool2d(x, kernel_size=2)  # (B, 16, 5, 5)

        x = features.flatten(start_dim=1)  # (B, 400)
        x = self.dense1(x)  # (B, 120)
        x = F.relu(x)
        x = self.dense2(x)  # (B, 84)
        x = F.relu(x)
        logits = self.dense3(x)  # (B, 10)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform weights and zero biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
