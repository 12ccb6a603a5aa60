"""Losses: what training makes small.

Each averages over the batch, so that a sample weighs the same in every batch size. Classification
losses take logits (scores before softmax or sigmoid); a tensor known to hold probabilities is
refused. Knows no backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from bmc.ops.base import Declaration, Sample, param
from bmc.ops.kinds import Float, Int, ListOf, OneOf, Refusal, Words
from bmc.types.symbolic import Dim
from bmc.types.tensor import TensorType, show_shape

T = TypeVar("T")
SCALAR = TensorType("float", (), batched=False)
REDUCE = Words("mean", "sum")
REDUCE_DOC = (
    "`mean` averages over everything; `sum` sums each sample's elements and averages the samples"
)

WEIGHT_DOC = "a weight for each sample, or for each place: `sum(w * loss) / sum(w)`"


class Loss(Declaration, family="loss"):
    """Base of losses: tensors in, one number out."""

    takes: ClassVar[tuple[str, ...]] = ("prediction", "target")
    among_rows: ClassVar[bool] = False  # whether it compares the rows of a batch with each other

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "reduce" in cls.settings:
            cls.besides = {"weight": WEIGHT_DOC}

    def infer(self, *inputs: TensorType) -> TensorType:
        """The scalar type. Raises `Refusal` when the inputs do not fit."""
        if len(inputs) != len(self.takes):
            raise Refusal(
                f"takes {len(self.takes)} tensors ({', '.join(self.takes)}), and got {len(inputs)}"
            )
        self.fit(*inputs)
        return SCALAR

    def fit(self, *inputs: TensorType) -> None:
        """Refuses inputs whose shapes or kinds do not fit."""
        require_numbers(inputs[0])
        require_same_shape(*inputs)
        for other in inputs[1:]:
            if other.dtype == "int" and self.target_type(inputs[0]).dtype != "int":
                raise Refusal(
                    f"compares numbers with numbers, and got {other}, which counts or names",
                    help="give the target the type `float`, or multiply it by 1.0",
                )

    def target(self, inputs: Sequence[T]) -> T:
        """The target among what it is applied to: the last, but for a weight."""
        return inputs[len(self.takes) - 1]

    def target_type(self, prediction: TensorType) -> TensorType:
        """The type that a target has when nothing else says it."""
        return TensorType("float", prediction.shape)

    def classes(self, scores: TensorType) -> Dim | None:
        """How many classes its target is one of; None where it is none of any."""
        return None

    def places(self, *inputs: TensorType) -> tuple[Dim, ...]:
        """The shape of the losses before they become one number."""
        return inputs[0].shape

    def each(self) -> Loss:
        """The loss as it is before the mean. Raises `Refusal` where weights have no one meaning."""
        for key in ("ignore", "class_weight", "label_smoothing"):
            if key in self.settings and getattr(self, key) != self.settings[key].default:
                raise Refusal(
                    f"can't have `{key}` with `weight`",
                    help="give the samples the weights that they shall have in the end",
                )
        if self.values().get("reduce") != "mean":
            raise Refusal("weighs means alone: `weight` goes with no sum and no regions")
        return type(self)(**{**self.values(), "reduce": "none"})


class Weighted(Loss):
    """A loss with a weight for each sample, or for each place: `sum(w * loss) / sum(w)`."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        object.__setattr__(self, "each_loss", loss.each())
        object.__setattr__(self, "name", loss.name)
        object.__setattr__(self, "takes", loss.takes)

    each_loss: Loss

    def key(self) -> tuple[Any, ...]:
        """That of the loss, weighted."""
        return (type(self), *self.each_loss.key())

    def classes(self, scores: TensorType) -> Dim | None:
        """Those of the loss."""
        return self.each_loss.classes(scores)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The scalar type. Raises `Refusal` when a weight does not fit the losses."""
        *given, weight = inputs
        places = self.each_loss.places(*given)
        if not weight.batched or weight.shape != places[: weight.rank]:
            shown = TensorType("float", places)
            raise Refusal(
                f"takes a weight for each sample, or for each of {shown}, and got {weight}"
            )
        return SCALAR


def require_numbers(x: TensorType) -> None:
    """Refuses ids as a prediction."""
    if x.dtype != "float":
        raise Refusal(
            f"takes predicted numbers first, and got {x}",
            help="the prediction comes first, then the target",
        )


def require_same_shape(*inputs: TensorType) -> None:
    """Refuses tensors that would have to be broadcast: a silent n by n comparison otherwise."""
    first = inputs[0]
    for other in inputs[1:]:
        if other.shape == first.shape:
            continue
        message = f"compares tensors of one shape, and got {first} and {other}"
        help = None
        if first.shape == (*other.shape, 1):
            help = "drop the prediction's last axis: end it with `dense(1) -> squeeze`"
        raise Refusal(message, help=help)


def require_logits(x: TensorType, function: str) -> None:
    """Refuses probabilities: the loss applies softmax or sigmoid itself."""
    if x.kind in ("probabilities", "log_probabilities"):
        raise Refusal(
            f"takes logits, and got {x.kind.replace('_', ' ')}",
            help=f"drop the `{function}` before the loss: the loss applies it, more precisely",
        )


def class_axis(prediction: TensorType, axis: int) -> int:
    """The index of the axis with one score for each class. Raises `Refusal`."""
    if prediction.rank == 0:
        raise Refusal(
            f"takes one score for each class, like [C], and got {prediction}",
            help="for one yes-or-no score use `binary_cross_entropy`",
        )
    if not -prediction.rank <= axis < prediction.rank:
        raise Refusal(f"has no axis {int(axis)} in {prediction}", setting="axis")
    return int(axis) % prediction.rank


def ids_type(prediction: TensorType, axis: int) -> TensorType:
    """The type of class numbers: the prediction's without its class axis."""
    index = class_axis(prediction, axis)
    return TensorType("int", prediction.shape[:index] + prediction.shape[index + 1 :])


def require_ids(prediction: TensorType, target: TensorType, axis: int) -> None:
    """Refuses a target that is not one class number for each place of the prediction."""
    wanted = ids_type(prediction, axis)
    if target.shape != wanted.shape:
        raise Refusal(
            f"needs one class number for each prediction {prediction}: "
            f"a target {wanted}, and got {target}",
            help=f"the scores lie on axis {int(axis)}; say `axis=` if they lie elsewhere",
        )
    if target.dtype != "int":
        raise Refusal(
            f"takes class numbers as the target, and got {target}",
            help=f"give the target its type in `data`: `name: int{show_shape(wanted.shape)} = …`",
        )


class CrossEntropy(
    Loss,
    name="cross_entropy",
    aliases=("crossentropy", "crossentropyloss", "categorical_crossentropy",
             "sparse_categorical_crossentropy", "softmax_cross_entropy", "nll"),
):  # fmt: skip
    """Softmax cross-entropy of logits and class numbers.

    For each place: `-log(softmax(logits)[target])`. Averaged over the places that count: ignored
    ones do not, and with class weights w the average is `sum(w * loss) / sum(w)`. When nothing
    counts the loss is 0. Label smoothing e mixes the target with the uniform distribution:
    `(1 - e) * target + e / classes` (Szegedy et al. 2016).
    """

    label_smoothing: float = param(Float(min=0, below=1), "weight of the uniform target", 0.0)
    ignore: int | None = param(Int(), "a class number whose places do not count", None)
    class_weight: Any = param(
        OneOf(Words("balanced"), ListOf(Float(min=0))),
        "a weight for each class; `balanced` takes rows / (classes * rows of the class) from "
        "the training split",
        None,
    )
    axis: int = param(Int(), "the axis with one score for each class, the batch not counted", -1)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((5,), ("int:5",))),
        Sample({"label_smoothing": 0.1}, inputs=((5,), ("int:5",))),
        Sample({"ignore": -100}, inputs=((7, 5), ("int:5", 7))),
        Sample({"class_weight": (1.0, 2.0, 3.0)}, inputs=((3,), ("int:3",))),
        Sample({"axis": 0}, inputs=((5, 4, 4), ("int:5", 4, 4))),
        Sample({"reduce": "sum"}, inputs=((7, 5), ("int:5", 7))),
    )

    def check(self) -> None:
        """Smoothing and class weights together mean different things in every library."""
        if self.label_smoothing and self.class_weight is not None:
            raise Refusal(
                "can't have `label_smoothing` and `class_weight` together",
                help="libraries disagree on what they mean together; keep one",
                setting="class_weight",
            )
        if self.reduce == "sum" and self.class_weight is not None:
            raise Refusal("can't have `class_weight` with `reduce=sum`", setting="class_weight")

    def fit(self, *inputs: TensorType) -> None:
        """Logits with a class axis, and class numbers without it."""
        prediction, target = inputs
        require_numbers(prediction)
        require_logits(prediction, "softmax")
        require_ids(prediction, target, self.axis)
        classes = prediction.shape[class_axis(prediction, self.axis)]
        weights = self.class_weight
        if isinstance(weights, tuple) and classes != len(weights):
            raise Refusal(
                f"has {len(weights)} weights for {classes} classes", setting="class_weight"
            )

    def target_type(self, prediction: TensorType) -> TensorType:
        """Class numbers: the prediction's shape without the class axis."""
        return ids_type(prediction, self.axis)

    def places(self, *inputs: TensorType) -> tuple[Dim, ...]:
        """As the target."""
        return inputs[1].shape

    def classes(self, scores: TensorType) -> Dim | None:
        """As many as there are scores for a place."""
        return scores.shape[class_axis(scores, self.axis)]


NO_CLASS = -100  # what fills up targets that are classes: any number from 0 may be one


class PaddedCrossEntropy(CrossEntropy):
    """That of padded sequences, whose padding is what it ignores: one place at least counts."""

    @staticmethod
    def fits(loss: Loss) -> bool:
        """Whether a loss may ignore padding, as it ignores nothing else."""
        return isinstance(loss, CrossEntropy) and loss.ignore is None and loss.reduce == "mean"


class BinaryCrossEntropy(
    Loss,
    name="binary_cross_entropy",
    aliases=("bce", "binary_crossentropy", "bcewithlogitsloss", "bceloss", "bce_with_logits",
             "sigmoid_cross_entropy"),
):  # fmt: skip
    """Sigmoid cross-entropy of logits and yes-or-no targets, each element on its own.

    `-(pos_weight * target * log(p) + (1 - target) * log(1 - p))` with p = sigmoid(logit),
    averaged over the elements that count; when none does the loss is 0. With class weights
    [w0, w1] the average is `sum(w * loss) / sum(w)`. Label smoothing e makes the target
    `target * (1 - e) + e / 2`.
    """

    pos_weight: float = param(Float(above=0), "weight of the positive class", 1.0)
    class_weight: Any = param(
        OneOf(Words("balanced"), ListOf(Float(min=0), length=2)),
        "weights of no and yes; `balanced` takes rows / (2 * rows of the class) from the "
        "training split",
        None,
    )
    label_smoothing: float = param(Float(min=0, below=1), "how far targets move to 1/2", 0.0)
    ignore: Any = param(
        OneOf(Words("missing"), Float()),
        "a target value whose elements do not count; `missing` is an empty cell",
        None,
    )
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((), ("int:2",))),
        Sample({"pos_weight": 3.0}, inputs=((4,), ("int:2", 4))),
        Sample({"class_weight": (1.0, 2.5)}, inputs=((4,), ("int:2", 4))),
        Sample({"label_smoothing": 0.1}, inputs=((4,), ("int:2", 4))),
        Sample({"ignore": -1.0}, inputs=((4,), ("int:2", 4))),
        Sample({"reduce": "sum"}, inputs=((4,), ("int:2", 4))),
    )

    def check(self) -> None:
        """One way to weigh classes is enough."""
        if self.class_weight is None:
            return
        if self.pos_weight != 1.0:
            raise Refusal("takes `pos_weight` or `class_weight`, not both", setting="class_weight")
        if self.label_smoothing:
            raise Refusal(
                "can't have `label_smoothing` and `class_weight` together", setting="class_weight"
            )
        if self.reduce == "sum":
            raise Refusal("can't have `class_weight` with `reduce=sum`", setting="class_weight")

    def fit(self, *inputs: TensorType) -> None:
        """Logits and targets of one shape."""
        prediction, target = inputs
        require_numbers(prediction)
        require_logits(prediction, "sigmoid")
        require_same_shape(prediction, target)

    def target_type(self, prediction: TensorType) -> TensorType:
        """0 or 1 for every logit."""
        return TensorType("int", prediction.shape)

    def classes(self, scores: TensorType) -> Dim | None:
        """No and yes."""
        return 2


class Focal(Loss, name="focal", aliases=("focal_loss", "sigmoid_focal", "binary_focal")):
    """Cross-entropy that counts what is known already less (Lin et al. 2017).

    `(1 - p) ** gamma * -log(p)`, p being the probability of the truth: by softmax for class numbers,
    by sigmoid for yes-or-no targets of the scores' shape.
    """

    gamma: float = param(Float(min=0), "how much less; 0 is plain cross-entropy", 2.0)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((5,), ("int:5",))),
        Sample({"gamma": 1.5}, inputs=((4,), ("int:2", 4))),
        Sample({"reduce": "sum"}, inputs=((7, 5), ("int:5", 7))),
    )

    def fit(self, *inputs: TensorType) -> None:
        """Logits with class numbers, or with 0 and 1 of their shape."""
        prediction, target = inputs
        require_numbers(prediction)
        if prediction.shape == target.shape:
            require_logits(prediction, "sigmoid")
            return
        require_logits(prediction, "softmax")
        require_ids(prediction, target, -1)

    def target_type(self, prediction: TensorType) -> TensorType:
        """0 or 1 for every logit."""
        return TensorType("int", prediction.shape)

    def places(self, *inputs: TensorType) -> tuple[Dim, ...]:
        """As the target."""
        return inputs[1].shape

    def classes(self, scores: TensorType) -> Dim | None:
        """Unknown here: it depends on the target."""
        return None


class Hinge(Loss, name="hinge", aliases=("hinge_loss", "max_margin", "svm")):
    """The margin that a score misses: `max(0, 1 - y * score)`, y being 1 for yes and -1 for no.

    Targets are 0 and 1 (Cortes & Vapnik 1995).
    """

    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((), ("int:2",))),
        Sample({"reduce": "sum"}, inputs=((4,), ("int:2", 4))),
    )

    def target_type(self, prediction: TensorType) -> TensorType:
        """0 or 1 for every score."""
        return TensorType("int", prediction.shape)

    def classes(self, scores: TensorType) -> Dim | None:
        """No and yes."""
        return 2


class _Overlap(Loss):
    """Base of losses that compare regions, row by row."""

    smooth: float
    axis: int

    def fit(self, *inputs: TensorType) -> None:
        """Logits and targets of one shape, or class numbers without the class axis."""
        prediction, target = inputs
        require_numbers(prediction)
        if prediction.rank == 0:
            raise Refusal(f"compares regions, and got {prediction}")
        if prediction.rank == target.rank + 1:
            require_logits(prediction, "softmax")
            require_ids(prediction, target, self.axis)
            return
        require_logits(prediction, "sigmoid")
        require_same_shape(prediction, target)

    def target_type(self, prediction: TensorType) -> TensorType:
        """0 or 1 for every logit."""
        return TensorType("int", prediction.shape)


class Dice(_Overlap, name="dice", aliases=("dice_loss", "f1_loss")):
    """One minus the Dice coefficient of each row, averaged (Milletari et al. 2016).

    `1 - (2 * sum(p * t) + smooth) / (sum(p) + sum(t) + smooth)` with p = sigmoid(logit), the sums
    over all places of a row. With class numbers as targets p is a softmax along `axis`, and the mean
    over the classes is taken.
    """

    smooth: float = param(Float(min=0), "keeps rows without a yes finite", 1.0)
    axis: int = param(Int(), "the class axis, where targets are class numbers", 0)
    samples = (
        Sample(inputs=((3, 4, 4), ("int:3", 4, 4))),
        Sample({"axis": -1}, inputs=((6, 3), ("int:3", 6))),
        Sample(inputs=((4, 4), ("int:2", 4, 4))),
        Sample({"smooth": 0.1}, inputs=((6,), ("int:2", 6))),
    )


class Jaccard(_Overlap, name="jaccard", aliases=("iou_loss", "jaccard_loss")):
    """One minus intersection over union of each row, averaged (Rahman & Wang 2016).

    `1 - (sum(p * t) + smooth) / (sum(p) + sum(t) - sum(p * t) + smooth)` with p = sigmoid(logit), or
    for class numbers as targets a softmax along `axis`, and the mean over the classes.
    """

    smooth: float = param(Float(min=0), "keeps rows without a yes finite", 1.0)
    axis: int = param(Int(), "the class axis, where targets are class numbers", 0)
    samples = (
        Sample(inputs=((3, 4, 4), ("int:3", 4, 4))),
        Sample({"axis": -1}, inputs=((6, 3), ("int:3", 6))),
        Sample(inputs=((4, 4), ("int:2", 4, 4))),
        Sample({"smooth": 0.1}, inputs=((6,), ("int:2", 6))),
    )


class Reduction(Declaration, family="reduction"):
    """Base of reductions that turn a tensor of losses into one number."""

    def infer(self, *inputs: TensorType) -> TensorType:
        """The scalar type."""
        if len(inputs) != 1:
            raise Refusal(f"takes one tensor, and got {len(inputs)}")
        require_numbers(inputs[0])
        return SCALAR


class Mean(Reduction, name="mean", aliases=("avg", "average")):
    """The mean over the batch and all axes."""


class Sum(Reduction, name="sum"):
    """The sum over all axes, averaged over the batch."""
