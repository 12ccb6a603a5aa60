"""Metrics: what is reported, from counts over a whole split, never as a mean of batches.

The numbers come from one numpy implementation that every backend's programs share. A class
prediction is the first index of the highest logit; a yes-or-no prediction is "logit above 0".
0 / 0 counts as 0. Knows no backend.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from bmc.ops.base import Declaration, Sample, param
from bmc.ops.kinds import Int, Refusal, Words
from bmc.ops.losses import class_axis, ids_type, require_logits, require_numbers, require_same_shape
from bmc.types.tensor import TensorType

Task = Literal["classes", "binary", "labels"]


class Metric(Declaration, family="metric"):
    """Base of metrics: a prediction and a target in, one number for a split out."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"
    takes: ClassVar[tuple[str, ...]] = ("prediction", "target")
    sequences: ClassVar[bool] = False  # whether it compares whole sequences, not their places

    def infer(self, *inputs: TensorType) -> TensorType:
        """The scalar type. Raises `Refusal` when the inputs do not fit."""
        if len(inputs) != len(self.takes):
            names = f"{', '.join(self.takes[:-1])} and {self.takes[-1]}"
            raise Refusal(f"takes a {names}, and got {len(inputs)} tensors")
        if not self.sequences:
            require_numbers(inputs[0])
        self.fit(*inputs)
        return TensorType("float", (), batched=False)

    def fit(self, *inputs: TensorType) -> None:
        """Refuses inputs whose shapes or kinds do not fit."""
        require_same_shape(*inputs)


def task(prediction: TensorType, target: TensorType, axis: int = -1) -> Task:
    """`classes` for class scores, `binary` for one logit a sample, `labels` for several.

    Raises `Refusal` when the shapes allow none.
    """
    if prediction.shape == target.shape:
        require_logits(prediction, "sigmoid")
        return "binary" if prediction.rank == 0 else "labels"
    if prediction.rank == target.rank + 1 and ids_type(prediction, axis).shape == target.shape:
        if target.dtype != "int":
            raise Refusal(f"takes class numbers as the target, and got {target}")
        return "classes"
    raise Refusal(
        f"compares logits [.., C] with class numbers [..], or yes-or-no logits with 0 and 1 of the "
        f"same shape, and got {prediction} and {target}"
    )


class _Classification(Metric):
    """Base of metrics on decisions."""

    def fit(self, *inputs: TensorType) -> None:
        """Scores with class numbers, or logits with 0 and 1."""
        prediction, target = inputs
        task(prediction, target, getattr(self, "axis", -1))


class Accuracy(_Classification, name="accuracy", aliases=("acc", "categorical_accuracy")):
    """The share of right decisions."""

    ignore: int | None = param(Int(), "a class number whose places do not count", None)
    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", -1)
    samples = (
        Sample(inputs=((5,), ("int:5",))),
        Sample(inputs=((), ("int:2",))),
        Sample({"ignore": -100}, inputs=((7, 5), ("int:5", 7))),
        Sample({"axis": 0}, inputs=((5, 4), ("int:5", 4))),
        Sample(inputs=((4,), ("int:2", 4))),
    )


class BalancedAccuracy(_Classification, name="balanced_accuracy", aliases=("balanced_acc", "uar")):
    """The mean of the classes' recalls: a class that is rare weighs like the others."""

    samples = (Sample(inputs=((5,), ("int:5",))), Sample(inputs=((), ("int:2",))))

    def fit(self, *inputs: TensorType) -> None:
        """One decision a row."""
        prediction, target = inputs
        if task(prediction, target) == "labels":
            raise Refusal(f"takes one decision a row, and got {prediction}")


class SubsetAccuracy(
    _Classification, name="subset_accuracy", aliases=("exact_match", "exact_match_ratio")
):
    """The share of rows all of whose decisions are right."""

    samples = (
        Sample(inputs=((4,), ("int:2", 4))),
        Sample(inputs=((7, 5), ("int:5", 7))),
    )


class Hamming(_Classification, name="hamming", aliases=("hamming_loss", "hamming_distance")):
    """The share of wrong decisions."""

    better = "lower"
    samples = (Sample(inputs=((4,), ("int:2", 4))), Sample(inputs=((5,), ("int:5",))))


class CohenKappa(_Classification, name="cohen_kappa", aliases=("kappa", "cohens_kappa")):
    """Agreement beyond chance (Cohen 1960)."""

    samples = (Sample(inputs=((5,), ("int:5",))), Sample(inputs=((), ("int:2",))))

    def fit(self, *inputs: TensorType) -> None:
        """One decision a place."""
        prediction, target = inputs
        if task(prediction, target) == "labels":
            raise Refusal(f"takes one decision a place, and got {prediction}")


class Matthews(CohenKappa, name="matthews", aliases=("mcc", "matthews_corrcoef")):
    """The correlation of decisions and truth (Matthews 1975)."""

    samples = (Sample(inputs=((5,), ("int:5",))), Sample(inputs=((), ("int:2",))))


class TopK(Metric, name="top_k", aliases=("top_k_accuracy", "top5", "topk")):
    """The share of places whose class is among the `k` highest scores."""

    k: int = param(Int(min=1), "how many of the highest scores count")
    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", -1)
    samples = (Sample({"k": 2}, inputs=((5,), ("int:5",))),)

    def fit(self, *inputs: TensorType) -> None:
        """Scores with class numbers, and at least `k` classes."""
        prediction, target = inputs
        if task(prediction, target, self.axis) != "classes":
            raise Refusal(f"takes one score for each class, and got {prediction}")
        classes = prediction.shape[class_axis(prediction, self.axis)]
        if isinstance(classes, int) and classes < self.k:
            raise Refusal(f"can't take the best {int(self.k)} of {classes} classes", setting="k")


AVERAGE = Words("binary", "macro", "micro", "weighted", "samples")
AVERAGE_DOC = (
    "`binary`: the positive class alone; `macro`: the mean over classes; `weighted`: over classes "
    "by their rows; `micro`: from the counts of all classes; `samples`: over rows of several labels. "
    "Left out: `binary` for one yes-or-no logit, else `macro`"
)


class _FromConfusion(_Classification):
    """Base of precision, recall and F1."""

    average: str | None = param(AVERAGE, AVERAGE_DOC, None)

    def averaged(self, prediction: TensorType, target: TensorType) -> str:
        """The average in force for these types."""
        return self.average or ("binary" if task(prediction, target) == "binary" else "macro")

    def fit(self, *inputs: TensorType) -> None:
        """As for decisions; `binary` needs a yes-or-no logit."""
        prediction, target = inputs
        kind = task(prediction, target)
        if self.average == "binary" and kind != "binary":
            raise Refusal(
                f"can't use `average=binary` with {prediction}",
                help="say `macro`, `micro` or `weighted`",
                setting="average",
            )
        if self.average == "samples" and kind != "labels":
            raise Refusal("needs several labels a row", setting="average")


_AVERAGES = (
    Sample(inputs=((), ("int:2",))),
    Sample(inputs=((5,), ("int:5",))),
    Sample({"average": "micro"}, inputs=((5,), ("int:5",))),
    Sample({"average": "weighted"}, inputs=((5,), ("int:5",))),
    Sample({"average": "macro"}, inputs=((4,), ("int:2", 4))),
    Sample({"average": "samples"}, inputs=((4,), ("int:2", 4))),
    Sample({"average": "micro"}, inputs=((7, 5), ("int:5", 7))),
)


class Precision(_FromConfusion, name="precision", aliases=("ppv",)):
    """Of those predicted positive, the share that is: `tp / (tp + fp)`."""

    average: str | None = param(AVERAGE, AVERAGE_DOC, None)
    samples = _AVERAGES


class Recall(_FromConfusion, name="recall", aliases=("sensitivity", "tpr")):
    """Of those that are positive, the share found: `tp / (tp + fn)`."""

    average: str | None = param(AVERAGE, AVERAGE_DOC, None)
    samples = _AVERAGES


class F1(_FromConfusion, name="f1", aliases=("f1_score", "fscore", "f1score")):
    """The harmonic mean of precision and recall: `2 * tp / (2 * tp + fp + fn)`."""

    average: str | None = param(AVERAGE, AVERAGE_DOC, None)
    samples = _AVERAGES


class RocAuc(Metric, name="roc_auc", aliases=("auc", "auroc", "rocauc")):
    """The probability that a positive scores above a negative, ties counting half.

    Exact, from ranks (Mann & Whitney 1947); with several logits the mean over them. 0 when a
    split has one class alone.
    """

    samples = (Sample(inputs=((), ("int:2",))), Sample(inputs=((3,), ("int:2", 3))))


class AveragePrecision(Metric, name="average_precision", aliases=("ap", "pr_auc", "map", "auprc")):
    """The mean precision over recalls: what matters where positives are rare.

    With several logits the mean over them. 0 when a split has no positive.
    """

    samples = (Sample(inputs=((), ("int:2",))), Sample(inputs=((3,), ("int:2", 3))))


class LogLoss(_Classification, name="log_loss", aliases=("logloss",)):
    """The mean negative logarithm of what the truth was given, in nats."""

    better = "lower"
    samples = (
        Sample(inputs=((5,), ("int:5",))),
        Sample(inputs=((), ("int:2",))),
        Sample(inputs=((4,), ("int:2", 4))),
    )


class Brier(_Classification, name="brier", aliases=("brier_score",)):
    """The mean squared distance of probabilities from the truth (Brier 1950).

    Of a yes-or-no logit `(p - y) ** 2`; of classes the sum over them.
    """

    better = "lower"
    samples = (Sample(inputs=((5,), ("int:5",))), Sample(inputs=((), ("int:2",))))


class CalibrationError(
    _Classification, name="calibration_error", aliases=("ece", "expected_calibration_error")
):
    """How far confidence is from being right, over ranges of confidence (Naeini et al. 2015)."""

    better = "lower"
    bins: int = param(Int(min=1), "how many ranges", 15)
    samples = (
        Sample(inputs=((5,), ("int:5",))),
        Sample({"bins": 5}, inputs=((), ("int:2",))),
    )


class Iou(_Classification, name="iou", aliases=("miou", "mean_iou", "jaccard_score")):
    """Intersection over union of each class, and of these the mean; a class alone for yes or no."""

    samples: ClassVar[tuple[Sample, ...]] = (
        Sample({"axis": -1}, inputs=((7, 5), ("int:5", 7))),
        Sample(inputs=((4, 4), ("int:2", 4, 4))),
        Sample(inputs=((3, 4, 4), ("int:3", 4, 4))),
    )
    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", 0)


class DiceScore(Iou, name="dice", aliases=("dice_score", "dice_coefficient")):
    """Twice the intersection over the sizes of each class, and of these the mean."""

    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", 0)
    samples = (
        Sample({"axis": -1}, inputs=((7, 5), ("int:5", 7))),
        Sample(inputs=((4, 4), ("int:2", 4, 4))),
    )


class MeanSquaredError(Metric, name="mse", aliases=("mean_squared_error",)):
    """Mean squared error."""

    better = "lower"
    samples = (Sample(inputs=((4,), (4,))),)


class MeanAbsoluteError(Metric, name="mae", aliases=("mean_absolute_error",)):
    """Mean absolute error."""

    better = "lower"
    samples = (Sample(inputs=((4,), (4,))),)


class RootMeanSquaredError(Metric, name="rmse", aliases=("root_mean_squared_error",)):
    """The root of the mean squared error over the split."""

    better = "lower"
    samples = (Sample(inputs=((4,), (4,))),)


class R2(Metric, name="r2", aliases=("r2_score", "r_squared")):
    """The share of the target's variance that is explained: `1 - residuals / variance`."""

    samples = (Sample(inputs=((4,), (4,))),)


class MeanAbsolutePercentage(Metric, name="mape", aliases=("mean_absolute_percentage_error",)):
    """The mean of |prediction - target| / |target|, targets nearer to 0 than 1e-8 counting as that."""

    better = "lower"
    samples = (Sample(inputs=((4,), (4,))),)


class SymmetricPercentage(Metric, name="smape", aliases=("symmetric_mape",)):
    """The mean of 2 |prediction - target| / (|prediction| + |target|), 0 where both are 0."""

    better = "lower"
    samples = (Sample(inputs=((4,), (4,))),)


class Mase(Metric, name="mase", aliases=("mean_absolute_scaled_error",)):
    """The mean absolute error of a forecast over that of the last season in its own past.

    For each row and series `mean |prediction - target|` over the mean of
    `|past[t] - past[t - season]|`, and of these the mean (Hyndman & Koehler 2006). A past that
    repeats itself exactly has no such error, and is left out. `(forecast, future, history) -> mase`.
    """

    better = "lower"
    takes = ("prediction", "target", "past")
    season: int = param(Int(min=1), "how many steps before the naive forecast takes its values", 1)
    samples = (
        Sample(inputs=((4,), (4,), (9,))),
        Sample({"season": 3}, inputs=((5, 2), (5, 2), (12, 2))),
    )

    def fit(self, *inputs: TensorType) -> None:
        """A forecast and a target of one shape, and a past of the same series."""
        prediction, target, past = inputs
        require_same_shape(prediction, target)
        if prediction.rank == 0 or past.shape[1:] != prediction.shape[1:]:
            raise Refusal(f"takes a past of the same series, and got {prediction} and {past}")
        length = past.shape[0] if past.rank else 0
        if isinstance(length, int) and length <= self.season:
            raise Refusal(f"needs a past of more than {int(self.season)} steps", setting="season")


class Coverage(Metric, name="coverage", aliases=("quantile_coverage",)):
    """The share of targets that are not above the prediction: of a quantile its level."""

    samples = (Sample(inputs=((4,), (4,))),)


class Perplexity(Metric, name="perplexity", aliases=("ppl",)):
    """The exponential of the mean cross-entropy over the split."""

    better = "lower"
    ignore: int | None = param(Int(), "a class number whose places do not count", None)
    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", -1)
    samples = (Sample(inputs=((7, 5), ("int:5", 7))),)

    def fit(self, *inputs: TensorType) -> None:
        """Logits with class numbers."""
        prediction, target = inputs
        require_logits(prediction, "softmax")
        if task(prediction, target, self.axis) != "classes":
            raise Refusal(f"takes one score for each class, and got {prediction}")


class Bits(Perplexity, name="bits", aliases=("bits_per_character", "bpc", "bits_per_token")):
    """The mean cross-entropy over the split in bits: of characters, bits a character."""

    better = "lower"
    ignore: int | None = param(Int(), "a class number whose places do not count", None)
    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", -1)
    samples = (Sample(inputs=((7, 5), ("int:5", 7))),)
