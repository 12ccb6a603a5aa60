# Written by bmc from a .bm file; the file is yours to edit.
"""A translator of recurrent layers whose decoder looks at the words read (Bahdanau et
al. 2015).

Source: seq2seq.bm. 23,216,960 parameters.
Input:  source, int (B, T), filled up with 0 at the end.
Input:  prefix, int (B, U), filled up with 0 at the end.
Output: logits, float (B, U, 8000).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

VOCAB_IN = 8000
VOCAB_OUT = 8000
DIM = 256
HIDDEN = 512


class LSTMCell(nn.LSTMCell):
    """`nn.LSTMCell` with one learned bias: the second, which doubles it, stays zero."""

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        if self.bias:
            zeros = torch.zeros_like(self.get_parameter("bias_hh"))
            del self._parameters["bias_hh"]
            self.register_buffer("bias_hh", zeros, persistent=False)


def pack(x: Tensor, mask: Tensor) -> PackedSequence:
    """Sequences without the padding at their end: (B, T, D), (B, T)."""
    length = mask.sum(dim=1).clamp(min=1).cpu()
    return pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)


def unpack(states: PackedSequence, steps: int) -> Tensor:
    """Sequences filled up with zeros at their end: (B, steps, units)."""
    return pad_packed_sequence(states, batch_first=True, total_length=steps)[0]


def run_padded(layer: nn.RNNBase, x: Tensor, mask: Tensor) -> Tensor:
    """Run a layer on sequences padded at the end: (B, T, D), (B, T) -> (B, T, units).

    The backward direction starts at each sequence's last step; padding becomes zeros.
    """
    return unpack(layer(pack(x, mask))[0], x.shape[1])


class AttentionCell(nn.Module):
    """One word further: what of the memory the state asks for goes into the step."""

    def __init__(self, embed_dim: int, memory_dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.dense1 = nn.Linear(memory_dim, hidden, bias=False)
        self.dense2 = nn.Linear(hidden, hidden)
        self.dense3 = nn.Linear(hidden, 1, bias=False)
        self.lstm_cell = LSTMCell(embed_dim + memory_dim, hidden)

    def forward(self, x: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        h = x.new_zeros(len(x), self.hidden)
        c = x.new_zeros(len(x), self.hidden)
        y_steps = []
        for x_t in x.unbind(1):
            y_t, h, c = self.step(x_t, memory, memory_mask, h, c)
            y_steps.append(y_t)
        return torch.stack(y_steps, dim=1)

    def step(
        self, x: Tensor, memory: Tensor, memory_mask: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        score = self.dense1(memory)  # (B, T, hidden)
        score_2 = self.dense2(h)  # (B, hidden)
        score = score + score_2[:, None]
        score = torch.tanh(score)
        score = self.dense3(score)  # (B, T, 1)

        score = score.masked_fill(
            ~memory_mask[:, :, None], torch.finfo(score.dtype).min
        )
        context = F.softmax(score, dim=1)
        context = context * memory  # (B, T, memory_dim)
        context = context.masked_fill(~memory_mask[:, :, None], 0.0)
        context = context.sum(dim=1)  # (B, memory_dim)

        h_2 = torch.cat((x, context), dim=-1)  # (B, embed_dim + memory_dim)
        h, c = self.lstm_cell(h_2, (h, c))

        y = torch.cat((h, context), dim=-1)  # (B, hidden + memory_dim)
        return y, h, c


class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding1 = nn.Embedding(VOCAB_IN, DIM)
        self.gru = nn.GRU(DIM, HIDDEN, bidirectional=True, batch_first=True)
        self.embedding2 = nn.Embedding(VOCAB_OUT, DIM)
        self.attention_cell = AttentionCell(
            embed_dim=DIM, memory_dim=HIDDEN * 2, hidden=HIDDEN
        )
        self.dense = nn.Linear(3 * HIDDEN, VOCAB_OUT)
        self.apply(initialize)

    def forward(self, source: Tensor, prefix: Tensor) -> Tensor:
        source_mask = source != 0

        x = self.embedding1(source)  # (B, T, 256)
        memory = run_padded(self.gru, x, source_mask)  # (B, T, 1024)

        x = self.embedding2(prefix)  # (B, U, 256)
        y = self.attention_cell(x, memory, source_mask)  # (B, U, 1536)

        logits = self.dense(y)  # (B, U, 8000)
        return logits


def initialize(module: nn.Module) -> None:
    """Start from forget_gate_one, glorot_uniform, normal and orthogonal weights and
    zero biases.
    """
    if isinstance(module, LSTMCell):
        nn.init.xavier_uniform_(module.get_parameter("weight_ih"))
        nn.init.orthogonal_(module.get_parameter("weight_hh"))
        nn.init.zeros_(module.get_parameter("bias_ih"))
        nn.init.ones_(module.get_parameter("bias_ih").chunk(4)[1])
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.GRU):
        nn.init.xavier_uniform_(module.get_parameter("weight_ih_l0"))
        nn.init.orthogonal_(module.get_parameter("weight_hh_l0"))
        nn.init.zeros_(module.get_parameter("bias_ih_l0"))
        nn.init.zeros_(module.get_parameter("bias_hh_l0"))
        nn.init.xavier_uniform_(module.get_parameter("weight_ih_l0_reverse"))
        nn.init.orthogonal_(module.get_parameter("weight_hh_l0_reverse"))
        nn.init.zeros_(module.get_parameter("bias_ih_l0_reverse"))
        nn.init.zeros_(module.get_parameter("bias_hh_l0_reverse"))
