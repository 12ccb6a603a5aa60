"""Optimisers: how gradients change weights.

Formulas are the papers' and PyTorch's; epsilon stands outside the root and the bias correction.
`lr` has no default: libraries differ by a factor of up to a thousand. Weight decay is what the
papers have: `weight_decay * w` is added to the gradient, after clipping, so that momentum and
moments see it (L2); `adamw` decouples it: `w -= lr * weight_decay * w`, before the step
(Loshchilov & Hutter 2019). Biases, norm weights and other tensors of one axis do not decay unless
`decay_norm=true`. Knows no backend.
"""

from __future__ import annotations

from typing import ClassVar

from bmc.ops.base import Bool, Declaration, Float, ListOf, Refusal, Sample, param

LR = Float(min=0)
LR_DOC = "the learning rate; a schedule starts from it"
DECAY = Float(min=0)
DECAY_DOC = "how much of the weight is added to its gradient"
DECOUPLED_DOC = "decoupled weight decay"
NORM_DOC = "whether biases, norm weights and other tensors of one axis decay too"
BETAS = ListOf(Float(min=0, below=1), length=2)


class Optimizer(Declaration, family="optimizer"):
    """Base of optimisers."""

    lr: float = param(LR, LR_DOC)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)


class Sgd(Optimizer, name="sgd", aliases=("momentum",)):
    """Stochastic gradient descent with momentum.

    `v = momentum * v + g; w -= lr * v`; with Nesterov `w -= lr * (g + momentum * v)`.
    """

    lr: float = param(LR, LR_DOC)
    momentum: float = param(Float(min=0, below=1), "how much of the last step is kept", 0.0)
    nesterov: bool = param(Bool(), "looks one step ahead (Sutskever et al. 2013)", False)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples = (
        Sample({"lr": 0.1}),
        Sample({"lr": 0.1, "momentum": 0.9}),
        Sample({"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
    )

    def check(self) -> None:
        """Nesterov needs momentum."""
        if self.nesterov and not self.momentum:
            raise Refusal("needs `momentum` with `nesterov=true`", setting="nesterov")


class Adam(Optimizer, name="adam"):
    """Adam (Kingma & Ba 2015).

    `w -= lr * m' / (sqrt(v') + epsilon)` with bias-corrected moments m' and v'.
    """

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    weight_decay: float = param(DECAY, DECAY_DOC, 0.0)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples: ClassVar[tuple[Sample, ...]] = (
        Sample({"lr": 1e-3}),
        Sample({"lr": 1e-3, "betas": (0.5, 0.9), "epsilon": 1e-6}),
        Sample({"lr": 1e-3, "weight_decay": 0.01}),
    )


class AdamW(Adam, name="adamw", aliases=("adam_w",)):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    lr: float = param(LR, LR_DOC)
    betas: tuple[float, ...] = param(BETAS, "decay of the two moments", (0.9, 0.999))
    epsilon: float = param(Float(above=0), "keeps the quotient finite", 1e-8)
    weight_decay: float = param(DECAY, DECOUPLED_DOC, 0.01)
    decay_norm: bool = param(Bool(), NORM_DOC, False)
    samples: ClassVar[tuple[Sample, ...]] = (
        Sample({"lr": 1e-3}),
        Sample({"lr": 1e-3, "weight_decay": 0.1, "decay_norm": True}),
    )


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
