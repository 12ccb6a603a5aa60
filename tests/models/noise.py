"""How far rounding reaches: a PyTorch program in which every step is off by a little."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SHARE = 6e-8  # what rounding to single precision may take or add
# whose tangents onnxruntime takes from a table: right to so much of one
RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell"})


class Noise(TorchFunctionMode):
    """Within it, PyTorch rounds as another program might; `lost` says whether a number was none."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.lost = False
        self.chance = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        least = SHARE if getattr(func, "__name__", "") in RECURRENT else 0.0
        return self._moved(func(*args, **(kwargs or {})), least)

    def _moved(self, made: Any, least: float) -> Any:
        if isinstance(made, tuple):
            moved = [self._moved(one, least) for one in made]
            return tuple(moved) if type(made) is tuple else type(made)(moved)
        if not isinstance(made, torch.Tensor) or not made.is_floating_point():
            return made
        with torch._C.DisableTorchFunction():
            self.lost |= bool(made.isnan().any())
            around = torch.rand(made.shape, generator=self.chance, dtype=made.dtype)
            return made + (SHARE * made + least) * (2 * around - 1)
