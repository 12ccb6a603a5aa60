# Written by bmc from a .bm file; the file is yours to edit.
"""GPT-2 small (Radford et al. 2019): 124,439,808 parameters.

Source: gpt2.bm. 124,439,808 parameters.
Input:  tokens, int (B, T).
Output: logits, float (B, T, 50257).
"""

import torch.nn.functional as F
from torch import Tensor, nn

VOCAB = 50257
CONTEXT = 1024
DIM = 768
DEPTH = 12
HEADS = 12
DROPOUT = 0.1


class CausalSelfAttention(nn.Module):
    """Causal self-attention with several heads, (..., T, width) -> the same."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.size = width // heads  # of a head
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query = self.split_heads(self.query(x))  # (..., heads, T, size)
        key = self.split_heads(self.key(x))
        value = self.split_heads(self.value(x))
        x = F.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=True,
        )
        return self.output(x.transpose(-3, -2).flatten(-2))

    def split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.size)).transpose(-3, -2)


class DecoderLayer(nn.Module):
    """(B, T, dim) -> (B, T, dim)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(dim, heads, dropout=dropout)
        self.dropout1 = nn.Dropout(dropout)
        self.layer_norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.dense1 = nn.Linear(dim, 4 * dim)
        self.dense2 = nn.Linear(4 * dim, dim)
        self.dropout2 = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer_norm1(x)
        h = self.self_attention(h)  # (B, T, dim)
        h = self.dropout1(h)
        h = x + h

        y = self.layer_norm2(h)
        y = self.dense1(y)  # (B, T, 4 * dim)
        y = F.gelu(y, approximate="tanh")
        y = self.dense2(y)  # (B, T, dim)
        y = self.dropout2(y)
        y = h + y
        return y


class GPT2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.learned_positions = nn.Embedding(CONTEXT, DIM)
        self.dropout = nn.Dropout(DROPOUT)
        self.decoder_layers = nn.Sequential(
            *(DecoderLayer(dim=DIM, heads=HEADS, dropout=DROPOUT) for _ in range(DEPTH))
        )
        self.layer_norm = nn.LayerNorm(DIM, eps=1e-5)
        self.apply(initialize)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)  # (B, T, 768)
        x = x + self.learned_positions.weight[: x.shape[-2]]
        x = self.dropout(x)

        x = self.decoder_layers(x)
        x = self.layer_norm(x)

        logits = F.linear(x, self.embed.weight)  # (B, T, 50257)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from glorot_uniform and normal weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
