"""Losses that say how far two distributions or vectors are apart."""

from __future__ import annotations

from bmc.ops.base import Sample, param
from bmc.ops.kinds import Float, Refusal, Words
from bmc.ops.losses import (
    REDUCE,
    REDUCE_DOC,
    Loss,
    require_logits,
    require_numbers,
    require_same_shape,
)
from bmc.types.symbolic import Dim
from bmc.types.tensor import TensorType


class KlDivergence(Loss, name="kl_divergence", aliases=("kl", "kldiv", "kl_div", "kldivloss")):
    """How far the predicted distribution is from the target distribution, on the last axis.

    `sum(p * (log(p) - log(q)))` for target p and prediction q, summed over each sample and
    averaged over the batch. With `from=logits` both sides are logits, with `log_probabilities`
    both are logarithms.
    """

    # `from` is a keyword of Python, and the field's word for this setting
    vars()["from"] = param(Words("logits", "log_probabilities"), "what both sides are", "logits")
    samples = (
        Sample(inputs=((5,), (5,))),
        Sample({"from": "log_probabilities"}, inputs=((5,), (5,))),
    )

    @property
    def source(self) -> str:
        """`logits` or `log_probabilities`."""
        return str(getattr(self, "from"))

    def fit(self, *inputs: TensorType) -> None:
        """Two distributions of one shape, in the form that `from` says."""
        prediction, target = inputs
        require_numbers(prediction)
        require_same_shape(prediction, target)
        if prediction.rank == 0:
            raise Refusal(f"takes distributions on the last axis, and got {prediction}")
        for side in inputs:
            if side.kind == "probabilities" or (self.source == "logits" and side.kind):
                require_logits(side, "softmax")


class KlToNormal(Loss, name="kl_to_normal", aliases=("kl_normal", "kld")):
    """Divergence of N(mean, exp(log_variance)) from the standard normal (Kingma & Welling 2014).

    `-sum(1 + log_variance - mean ** 2 - exp(log_variance)) / 2`, summed over each sample and
    averaged over the batch.
    """

    takes = ("mean", "log_variance")
    samples = (Sample(inputs=((8,), (8,))),)


class Cosine(
    Loss, name="cosine", aliases=("cosine_distance", "cosine_similarity", "cosine_embedding")
):
    """One minus the cosine of the angle between vectors on the last axis."""

    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (Sample(inputs=((8,), (8,))), Sample({"reduce": "sum"}, inputs=((4, 3), (4, 3))))

    def places(self, *inputs: TensorType) -> tuple[Dim, ...]:
        """One for each vector."""
        return inputs[0].shape[:-1]

    def fit(self, *inputs: TensorType) -> None:
        """Vectors of one shape."""
        super().fit(*inputs)
        if inputs[0].rank == 0:
            raise Refusal(f"takes vectors on the last axis, and got {inputs[0]}")


class Contrastive(
    Loss, name="contrastive", aliases=("info_nce", "infonce", "nt_xent", "ntxent", "clip_loss")
):
    """How well the rows of two outputs find each other in a batch (van den Oord et al. 2018).

    The cosines of all pairs of vectors, over the temperature, are logits: the cross-entropy of
    each row of the one against its own among the others, and the other way round, averaged
    (Radford et al. 2021). What is lost depends on the batch: an evaluation takes all rows of a
    split as one.
    """

    takes = ("one", "other")
    temperature: float = param(Float(above=0), "what the cosines are divided by", 0.07)
    among_rows = True
    samples = (
        Sample(inputs=((8,), (8,))),
        Sample({"temperature": 0.5}, inputs=((8,), (8,))),
    )

    def fit(self, *inputs: TensorType) -> None:
        """A vector of each row, of one size."""
        super().fit(*inputs)
        if inputs[0].rank != 1:
            raise Refusal(f"takes a vector of each row, and got {inputs[0]}")


class Triplet(Loss, name="triplet", aliases=("triplet_loss", "triplet_margin")):
    """How much nearer a vector's like should be than another (Schroff et al. 2015).

    `max(0, |anchor - positive| - |anchor - negative| + margin)`, lengths along the last axis.
    """

    takes = ("anchor", "positive", "negative")
    margin: float = param(Float(min=0), "how much nearer", 1.0)
    reduce: str = param(REDUCE, REDUCE_DOC, "mean")
    samples = (
        Sample(inputs=((8,), (8,), (8,))),
        Sample({"margin": 0.2, "reduce": "sum"}, inputs=((4, 3), (4, 3), (4, 3))),
    )

    def places(self, *inputs: TensorType) -> tuple[Dim, ...]:
        """One for each vector."""
        return inputs[0].shape[:-1]

    def fit(self, *inputs: TensorType) -> None:
        """Vectors of one shape."""
        super().fit(*inputs)
        if inputs[0].rank == 0:
            raise Refusal(f"takes vectors on the last axis, and got {inputs[0]}")
