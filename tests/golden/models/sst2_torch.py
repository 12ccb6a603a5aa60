# Written by bmc from a .bm file; the file is yours to edit.
"""Sentences of films as praise or not, by windows of words (after Kim 2014).

Source: sst2.bm. 545,154 parameters.
Input:  words, int (B, T), filled up with 0 at the end.
Output: logits, float (B, 2).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCAB = 8000
WIDTH = 64
FILTERS = 64
DROPOUT = 0.5


class TextCNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, WIDTH)
        self.dropout1 = nn.Dropout(0.2)
        self.conv1 = nn.Conv1d(WIDTH, FILTERS, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, FILTERS, kernel_size=5, padding=2)
        self.dropout2 = nn.Dropout(DROPOUT)
        self.dense = nn.Linear(2 * FILTERS, 2)
        self.apply(initialize)

    def forward(self, words: Tensor) -> Tensor:
        words_mask = words != 0

        x = self.embedding(words)  # (B, T, 64)
        x = self.dropout1(x)
        x = x.transpose(1, 2)  # (B, 64, T)

        x_2 = x.masked_fill(~words_mask[:, None, :], 0.0)
        three = self.conv1(x_2)
        three = F.relu(three)
        three = three.masked_fill(~words_mask[:, None, :], torch.finfo(three.dtype).min)
        three = three.amax(dim=2)  # (B, 64)
        three = three.masked_fill(~words_mask.any(dim=1)[:, None], 0.0)

        x = x.masked_fill(~words_mask[:, None, :], 0.0)
        x = self.conv2(x)
        x = F.relu(x)
        x = x.masked_fill(~words_mask[:, None, :], torch.finfo(x.dtype).min)
        x = x.amax(dim=2)  # (B, 64)
        four = x.masked_fill(~words_mask.any(dim=1)[:, None], 0.0)

        x = torch.cat((three, four), dim=-1)  # (B, 128)
        x = self.dropout2(x)
        logits = self.dense(x)  # (B, 2)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform and normal weights and zero biases."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
