"""Losses of sequences that are written without saying where each of their classes is."""

from __future__ import annotations

from bmc.ops.base import Sample, param
from bmc.ops.kinds import Int, Refusal
from bmc.ops.losses import Loss, require_logits, require_numbers
from bmc.types.symbolic import Dim
from bmc.types.tensor import TensorType


class Ctc(Loss, name="ctc", aliases=("ctc_loss", "ctcloss", "connectionist_temporal")):
    """How unlikely the frames' classes spell the target (Graves et al. 2006).

    A frame's class is one of the target's, or blank; repeats without a blank between them count
    once. `-log` of the summed probabilities of all ways to spell the target, averaged over rows
    whatever their lengths. Blanks at the end of a target fill it up. A row whose target is too
    long for its frames counts as 0. Logits in, one for each frame and class.
    """

    takes = ("logits", "target")
    blank: int = param(Int(min=0), "the class number that stands for none", 0)
    samples = (
        Sample(inputs=((9, 5), ("int:5", 4))),
        Sample({"blank": 4}, inputs=((6, 5), ("int:5", 3))),
    )

    def fit(self, *inputs: TensorType) -> None:
        """Logits of frames, and a row of class numbers."""
        logits, target = inputs
        require_numbers(logits)
        require_logits(logits, "softmax")
        if logits.rank != 2:
            raise Refusal(f"takes logits of frames, [T, C], and got {logits}")
        if target.rank != 1 or target.dtype != "int":
            raise Refusal(
                f"takes a row of class numbers as the target, and got {target}",
                help="give the target its type in `data`: `name: int[L] = …`",
            )
        classes = logits.shape[-1]
        if isinstance(classes, int) and self.blank >= classes:
            raise Refusal(
                f"has its blank at {int(self.blank)}, and classes 0 to {classes - 1} are scored",
                setting="blank",
            )

    def target_type(self, prediction: TensorType) -> TensorType:
        """None that the prediction says: frames are more than what they spell."""
        raise Refusal(
            "can't tell how long its target is",
            help="give the target its type in `data`: `name: int[L] = …`",
        )

    def classes(self, scores: TensorType) -> Dim | None:
        """As many as there are scores for a frame."""
        return scores.shape[-1] if scores.rank else None

    def places(self, *inputs: TensorType) -> tuple[Dim, ...]:
        """One for each row."""
        return ()
