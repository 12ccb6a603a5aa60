"""Metrics that compare whole sequences of classes, which may differ in length."""

from __future__ import annotations

from bmc.ops.base import Sample, param
from bmc.ops.kinds import Int, Refusal
from bmc.ops.metrics import Metric
from bmc.types.tensor import TensorType

PAD_DOC = "the class number that fills up sequences and counts nowhere"


class _Sequences(Metric):
    """Base of these: the likeliest class of each place, or class numbers, against class numbers."""

    sequences = True

    def fit(self, *inputs: TensorType) -> None:
        """Class numbers, or scores of classes, and class numbers."""
        prediction, target = inputs
        if (prediction.rank, prediction.dtype) not in ((2, "float"), (1, "int")):
            raise Refusal(
                f"takes scores [T, C] or class numbers [T] as the prediction, and got {prediction}"
            )
        if target.rank != 1 or target.dtype != "int":
            raise Refusal(f"takes a row of class numbers as the target, and got {target}")


class EditDistance(
    _Sequences,
    name="edit_distance",
    aliases=("cer", "wer", "levenshtein", "character_error_rate", "word_error_rate"),
):
    """Edits that make the targets of what was predicted, for each of their elements.

    Insertions, deletions and replacements (Levenshtein 1966), summed over the split and divided
    by the summed lengths of the targets: of characters the character error rate. With
    `separator` the elements are the words between: the word error rate.
    """

    better = "lower"
    pad: int = param(Int(), PAD_DOC, 0)
    separator: int | None = param(Int(), "the class number between words", None)
    samples = (
        Sample(inputs=((7, 5), ("int:5", 6))),
        Sample(inputs=(("int:4", 5), ("int:4", 8))),
        Sample({"separator": 1, "pad": 3}, inputs=(("int:4", 9), ("int:4", 9))),
    )


class Bleu(_Sequences, name="bleu", aliases=("bleu4", "bleu_score", "corpus_bleu")):
    """How many of the predicted n-grams are in the targets, from 0 to 1 (Papineni et al. 2002).

    The geometric mean of the shares of 1-grams up to n-grams over the split, times
    `exp(1 - target / predicted)` of the summed lengths where too little is predicted. 0 where
    none of one length is found.
    """

    n: int = param(Int(min=1), "how long the longest n-grams are", 4)
    pad: int = param(Int(), PAD_DOC, 0)
    samples = (
        Sample(inputs=((7, 3), ("int:3", 7))),
        Sample({"n": 2}, inputs=(("int:4", 9), ("int:4", 8))),
    )
