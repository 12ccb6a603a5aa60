"""Optimisers: how gradients change weights.

Formulas are the papers' and PyTorch's; epsilon stands outside the root and the bias correction.
`lr` has no default where libraries differ, by a factor of up to a thousand. Weight decay is what the
papers have: `weight_decay * w` is added to the gradient, after clipping, so that momentum and
moments see it (L2); `adamw`, `sgdw`, `lion`, `muon` and `adafactor` decouple it: `w -= lr *
weight_decay * w`, before the step (Loshchilov & Hutter 2019); `lamb` adds it to the step whose
length it sets. Biases, norm weights and other tensors of one axis do not decay unless
`decay_norm=true`. Knows no backend.
"""

from __future__ import annotations

from typing import ClassVar

from bmc.ops.base import Declaration, Sample, param
from bmc.ops.kinds import Bool, Float, Int, ListOf, Refusal

LR = Float(min=0)
LR_DOC = "the learning rate; a schedule starts from it"
DECAY = Float(min=0)
DECAY_DOC = "how much of the weight is added to its gradient"
DECOUPLED_DOC = "decoupled weight decay"
NORM_DOC = "whether biases, norm weights and other tensors of one axis decay too"
BETAS = ListOf(Float(min=0, below=1), length=2)


class Optimizer(Declaration, family="optimizer"):
    """Base of optimisers."""

    whole: ClassVar[bool] = False  # whether it takes all rows at once, and computes them often
    lr: float = param(LR, LR_DOC)
    weight_decay: float = 0.0  # of those that have none
    decay_norm: bool = False


class Sgd(Optimizer, name="sgd", aliases=("momentum",)):
    """Stochastic gradient descent with momentum.

    `v = momentum * v + (1 - dampening) * g; w -= lr * v`, the first `v` being `g`; with Nesterov
    `w -= lr * (g + momentum * v)`.
    """

    lr: float = param(LR, LR_DOC)
    momentum: float = param(Float(min=0, below=1), "how much of the last step is kept", 0.0)
    nesterov: bool = param(Bool(), "looks one step ahead (Sutskever et al. 2013)", False)
    dampening: float = param(Float(min=0, below=1), "how much of a gradient is left out", 0.0)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples: ClassVar[tuple[Sample, ...]] = (
        Sample({"lr": 0.1}),
        Sample({"lr": 0.1, "momentum": 0.9}),
        Sample({"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
        Sample({"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    )

    def check(self) -> None:
        """Nesterov needs momentum, whole gradients, and dampening something to dampen."""
        if self.nesterov and not self.momentum:
            raise Refusal("needs `momentum` with `nesterov=true`", setting="nesterov")
        if self.dampening and (self.nesterov or not self.momentum):
            raise Refusal("goes with `momentum`, and without `nesterov`", setting="dampening")


class SgdW(Optimizer, name="sgdw", aliases=("sgd_w",)):
    """`sgd` with decoupled weight decay (Loshchilov & Hutter 2019)."""

    lr: float = param(LR, LR_DOC)
    momentum: float = param(Float(min=0, below=1), "how much of the last step is kept", 0.0)
    nesterov: bool = param(Bool(), "looks one step ahead (Sutskever et al. 2013)", False)
    weight_decay: float = param(DECAY, DECOUPLED_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (
        Sample({"lr": 0.1, "weight_decay": 0.01}),
        Sample({"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    )

    def check(self) -> None:
        """Nesterov needs momentum."""
        if self.nesterov and not self.momentum:
            raise Refusal("needs `momentum` with `nesterov=true`", setting="nesterov")


class Adam(Optimizer, name="adam"):
    """Adam (Kingma & Ba 2015).

    `w -= lr * m' / (sqrt(v') + epsilon)` with bias-corrected moments m' and v'. With `amsgrad`
    the largest `v` so far stands in the place of `v` (Reddi et al. 2018).
    """

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    amsgrad: bool = param(Bool(), "whether the second moment never falls", False)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples: ClassVar[tuple[Sample, ...]] = (
        Sample({"lr": 1e-3}),
        Sample({"lr": 1e-3, "betas": (0.5, 0.9), "epsilon": 1e-6}),
        Sample({"lr": 1e-3, "weight_decay": 0.01}),
        Sample({"lr": 1e-3, "amsgrad": True, "weight_decay": 0.01}),
    )


class AdamW(Adam, name="adamw", aliases=("adam_w",)):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    amsgrad: bool = param(Bool(), "whether the second moment never falls", False)
    weight_decay: float = param(DECAY, DECOUPLED_DOC, 0.01)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples: ClassVar[tuple[Sample, ...]] = (
        Sample({"lr": 1e-3}),
        Sample({"lr": 1e-3, "weight_decay": 0.1, "decay_norm": True}),
        Sample({"lr": 1e-3, "amsgrad": True, "weight_decay": 0.1}),
    )


class NAdam(Optimizer, name="nadam"):
    """Adam with Nesterov's momentum (Dozat 2016).

    With `c_t = betas[0] * (1 - 0.96 ** (t * momentum_decay) / 2)` and C_t the product of all c so
    far: `w -= lr * ((1 - c_t) * g / (1 - C_t) + c_{t+1} * m / (1 - C_{t+1})) / (sqrt(v') + epsilon)`.
    """

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    momentum_decay: float = param(Float(min=0), "how fast the momentum comes in", 4e-3)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 2e-3}), Sample({"lr": 2e-3, "weight_decay": 0.01}))


class RAdam(Optimizer, name="radam"):
    """Adam whose first steps are those of momentum, until variances are known (Liu et al. 2020)."""

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 1e-3}), Sample({"lr": 1e-3, "weight_decay": 0.01}))


class Adamax(Optimizer, name="adamax", aliases=("ada_max",)):
    """Adam with the largest gradient in the place of the root (Kingma & Ba 2015, section 7).

    `u = max(betas[1] * u, |g| + epsilon); w -= lr * m / ((1 - betas[0] ** t) * u)`
    """

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 2e-3}), Sample({"lr": 2e-3, "weight_decay": 0.01}))


class Lamb(Optimizer, name="lamb"):
    """Adam's step at the length of the weight (You et al. 2020), for very large batches.

    `u = m' / (sqrt(v') + epsilon) + weight_decay * w; w -= lr * |w| / |u| * u`, where the
    quotient of the two norms of a tensor is 1 if one of them is 0.
    """

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-6)
    weight_decay: float = param(DECAY, "how much of the weight is added to its step", 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 1e-3}), Sample({"lr": 1e-3, "weight_decay": 0.01}))


class Lion(Optimizer, name="lion"):
    """Steps of one size, by the sign of a momentum (Chen et al. 2023).

    `w -= lr * sign(betas[0] * m + (1 - betas[0]) * g); m = betas[1] * m + (1 - betas[1]) * g`.
    Rates are three to ten times smaller than those of `adamw`, and decays as much larger.
    """

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the step and of the momentum", (0.9, 0.99))
    weight_decay: float = param(DECAY, DECOUPLED_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 1e-4}), Sample({"lr": 1e-4, "weight_decay": 0.1}))


class Muon(Optimizer, name="muon"):
    """Orthogonal steps for matrices (Jordan et al. 2024), `adamw` for all other weights.

    Of a tensor of two axes: `m = momentum * m + (1 - momentum) * g`; the step is `m`, or with
    Nesterov `(1 - momentum) * g + momentum * m`, made orthogonal by five Newton-Schulz iterations
    `x = 3.4445 x - 4.775 x x' x + 2.0315 x x' x x' x` from `x = step / |step|`, and as long as one
    of `adamw`: `w -= lr * (weight_decay * w + 0.2 * sqrt(max(rows, columns)) * x)` (Liu et al.
    2025), so that one rate does for both. Tables of embeddings and last layers are better left to
    `adamw`: `optimizer = adamw(…)`, and `optimizer body = muon(…)` for the part in between.
    """

    lr: float = param(LR, LR_DOC)
    momentum: float = param(Float(min=0, below=1), "how much of the last step is kept", 0.95)
    nesterov: bool = param(Bool(), "looks one step ahead", True)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments of `adamw`", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient of `adamw` finite", 1e-8)
    weight_decay: float = param(DECAY, DECOUPLED_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (
        Sample({"lr": 1e-3}),
        Sample({"lr": 1e-3, "nesterov": False, "momentum": 0.9, "weight_decay": 0.1}),
    )


class Adafactor(Optimizer, name="adafactor", aliases=("ada_factor",)):
    """Adam without momentum, second moments kept as rows and columns (Shazeer & Stern 2018).

    Of a tensor of two or more axes, `r` and `c` are averages of `g ** 2` over the last axis and
    over the last but one, where Adam keeps a number for each weight, and `v = r * c / mean(r)`;
    of a vector `v` is the average of `g ** 2`. Averages forget `t ** -decay` of themselves at
    update t. `u = g / sqrt(v); w -= min(lr, 1 / sqrt(t)) * max(scale, rms(w)) *
    u / max(1, rms(u) / clip)`: rates are shares of a tensor's own size.
    """

    lr: float = param(LR, LR_DOC)
    decay: float = param(Float(above=0), "how fast averages come to remember", 0.8)
    scale: float = param(Float(above=0), "what counts for the size of a tensor at least", 1e-3)
    clip: float = param(Float(min=1), "the largest root of the mean square of a step", 1.0)
    epsilon: float = param(Float(above=0), "the smallest root of a second moment", 1e-15)
    weight_decay: float = param(DECAY, DECOUPLED_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (
        Sample({"lr": 1e-2}),
        Sample({"lr": 0.5, "decay": 0.6, "clip": 2.0, "scale": 0.01, "weight_decay": 0.01}),
    )


class Lbfgs(Optimizer, name="lbfgs", aliases=("l_bfgs", "bfgs")):
    """L-BFGS with a line search (Liu & Nocedal 1989), for small models of few rows.

    A step is `w += t * d`, where `-d` is the gradient times an estimate of the inverse Hessian
    from the last `history` steps, and t makes the loss fall and flatten enough (strong Wolfe
    conditions with 1e-4 and 0.9). The loss is that of all training rows: an epoch is one batch
    of up to `iterations` steps, and computes the loss up to 5/4 times as often. `lr` is the
    first t that is tried.
    """

    whole = True
    lr: float = param(Float(above=0), "the length that each search starts from", 1.0)
    iterations: int = param(Int(min=5), "the most steps in an epoch", 20)
    history: int = param(Int(min=1), "the steps that tell of the curvature", 10)
    samples = (Sample({}), Sample({"lr": 0.5, "iterations": 8, "history": 3}))


class RmsProp(Optimizer, name="rmsprop", aliases=("rms_prop", "rms")):
    """RMSprop (Tieleman & Hinton 2012).

    `a = decay * a + (1 - decay) * g ** 2; w -= lr * g / (sqrt(a) + epsilon)`; momentum is kept of
    the quotient, and `centered` subtracts the squared mean gradient.
    """

    lr: float = param(LR, LR_DOC)
    decay: float = param(Float(min=0, below=1), "decay of the squared gradients' average", 0.99)
    momentum: float = param(Float(min=0, below=1), "how much of the last step is kept", 0.0)
    centered: bool = param(Bool(), "whether to divide by the deviation", False)
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (
        Sample({"lr": 1e-2}),
        Sample({"lr": 1e-2, "momentum": 0.9, "weight_decay": 1e-3}),
        Sample({"lr": 1e-2, "centered": True, "decay": 0.9}),
    )


class Adagrad(Optimizer, name="adagrad", aliases=("ada_grad",)):
    """Adagrad (Duchi et al. 2011).

    `a = a + g ** 2; w -= lr * g / (sqrt(a) + epsilon)`
    """

    lr: float = param(LR, LR_DOC)
    initial: float = param(Float(min=0), "where the sums of squares start", 0.0)
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-10)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 0.05}), Sample({"lr": 0.05, "initial": 0.1, "weight_decay": 1e-3}))


class Adadelta(Optimizer, name="adadelta", aliases=("ada_delta",)):
    """Adadelta (Zeiler 2012), whose own rate is 1.

    `a = decay * a + (1 - decay) * g ** 2; s = sqrt(d + epsilon) / sqrt(a + epsilon) * g;
    d = decay * d + (1 - decay) * s ** 2; w -= lr * s`
    """

    lr: float = param(LR, LR_DOC)
    decay: float = param(Float(min=0, below=1), "decay of both averages", 0.9)
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-6)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (Sample({"lr": 1.0}), Sample({"lr": 0.5, "decay": 0.95, "weight_decay": 1e-3}))
