"""Layers that read a sequence of classes from frames."""

from __future__ import annotations

from bmc.ops.base import Layer, Sample, param, require_float
from bmc.ops.kinds import Int, Refusal
from bmc.types.symbolic import Dim
from bmc.types.tensor import TensorType


class CtcGreedy(
    Layer, name="ctc_greedy", aliases=("ctc_decode", "greedy_ctc", "ctc_greedy_decoder")
):
    """The classes that frames spell, by the likeliest class of each (Graves et al. 2006).

    With b[t] = argmax(x[t]), y = all b[t] that are neither blank nor b[t - 1], then blanks. For
    what was trained with the loss `ctc`.
    """

    blank: int = param(Int(min=0), "the class number that stands for none", 0)
    samples = (
        Sample({}, ((9, 3),)),
        Sample({"blank": 2}, ((7, 3),)),
        Sample({}, (("T", 2),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """float[T, C] -> int[T]."""
        (x,) = inputs
        require_float(x)
        if x.rank != 2 or not x.batched:
            raise Refusal(f"takes scores of frames, [T, C], and got {x}")
        if x.ragged:
            raise Refusal("can't tell padded frames from blank ones")
        classes = x.shape[-1]
        if isinstance(classes, int) and self.blank >= classes:
            raise Refusal(
                f"has its blank at {int(self.blank)}, and classes 0 to {classes - 1} are scored",
                setting="blank",
            )
        return TensorType("int", x.shape[:1])

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """None that multiply or add."""
        return 0
