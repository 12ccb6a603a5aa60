"""What programs in PyTorch bring of their own: recurrent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)


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


def run_padded_state(
    layer: nn.RNNBase, x: Tensor, mask: Tensor, given: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run a layer on sequences padded at the end, from zeros or a given state.

    (B, T, D), (B, T) -> (B, T, units), and each sequence's last state, (B, units).
    """
    states, last = layer(pack(x, mask), given)
    return unpack_state(unpack(states, x.shape[1]), last)


def run_padded_states(
    layer: nn.LSTM, x: Tensor, mask: Tensor, given: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Run a layer on sequences padded at the end, from zeros or given states.

    (B, T, D), (B, T) -> (B, T, units), and each sequence's last states, (B, units).
    """
    states, last = layer(pack(x, mask), given)
    return unpack_states(unpack(states, x.shape[1]), last)


def unpack_state(states: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """All states and the last one: (B, T, units), (1, B, units) -> ..., (B, units)."""
    return states, last[0]


def unpack_states(
    states: Tensor, last: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """All states and both of the last step: (B, T, units), (B, units), (B, units)."""
    h, c = last
    return states, h[0], c[0]


class LSTMCell(nn.LSTMCell):
    """`nn.LSTMCell` with one learned bias: the second, which doubles it, stays zero."""

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        if self.bias:
            zeros = torch.zeros_like(self.get_parameter("bias_hh"))
            del self._parameters["bias_hh"]
            self.register_buffer("bias_hh", zeros, persistent=False)


class LSTM(nn.LSTM):
    """`nn.LSTM` with one learned bias: the second, which doubles it, stays zero."""

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        for name in [name for name in self._parameters if name.startswith("bias_hh")]:
            zeros = torch.zeros_like(self.get_parameter(name))
            del self._parameters[name]
            self.register_buffer(name, zeros, persistent=False)
        self._init_flat_weights()


class RNN(nn.RNN):
    """`nn.RNN` with one learned bias: the second, which doubles it, stays zero."""

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        for name in [name for name in self._parameters if name.startswith("bias_hh")]:
            zeros = torch.zeros_like(self.get_parameter(name))
            del self._parameters[name]
            self.register_buffer(name, zeros, persistent=False)
        self._init_flat_weights()
