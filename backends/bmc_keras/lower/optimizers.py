"""Optimisers in Keras: classes of optimizer.py with the papers' and PyTorch's update rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bmc.emit.backend import Lowered, Site, Update
from bmc.ops import optimizers as ops
from bmc_keras.lower.table import lower, part

Settings = dict[str, tuple[str, Any]]


MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v"}


def _update(
    settings: Settings,
    *classes: str,
    slots: Mapping[str, str] = MOMENTS,
    counts: bool = True,
    **fixed: Any,
) -> Update:
    """The last of the classes, which stands on the others."""
    return Update(
        classes[-1], settings, fixed, tuple(part(name) for name in classes), slots, counts
    )


def _moments(op: Any) -> Settings:
    return {"BETAS": ("betas", op.betas), "EPSILON": ("epsilon", op.epsilon)}


def _momentum(op: Any) -> Settings:
    settings: Settings = {"MOMENTUM": ("momentum", op.momentum)}
    if op.nesterov:
        settings["NESTEROV"] = ("nesterov", True)
    return settings


def _buffers(op: Any) -> dict[str, str]:
    return {"momentum_buffer": "buffers"} if op.momentum else {}


def _largest(op: Any) -> dict[str, str]:
    return MOMENTS | ({"max_exp_avg_sq": "largest"} if op.amsgrad else {})


@lower(ops.Sgd)
def sgd(op: ops.Sgd, site: Site) -> Lowered:
    """`SGD`, or `DampenedSGD`."""
    if op.dampening:
        dampening = {"DAMPENING": ("dampening", op.dampening)}
        return _update(
            {**_momentum(op), **dampening}, "SGD", "DampenedSGD", slots=_buffers(op), counts=False
        )
    return _update(_momentum(op), "SGD", slots=_buffers(op), counts=False)


@lower(ops.SgdW)
def sgdw(op: ops.SgdW, site: Site) -> Lowered:
    """`SGDW`"""
    return _update(_momentum(op), "SGD", "SGDW", slots=_buffers(op), counts=False)


@lower(ops.Adam)
def adam(op: ops.Adam, site: Site) -> Lowered:
    """`Adam`, or `AMSGrad`."""
    more = ("AMSGrad",) if op.amsgrad else ()
    return _update(_moments(op), "Adam", *more, slots=_largest(op))


@lower(ops.AdamW)
def adamw(op: ops.AdamW, site: Site) -> Lowered:
    """`AdamW`, or `AMSGradW`."""
    more = ("AMSGrad", "AMSGradW") if op.amsgrad else ()
    return _update(_moments(op), "Adam", "AdamW", *more, slots=_largest(op))


@lower(ops.NAdam)
def nadam(op: ops.NAdam, site: Site) -> Lowered:
    """`NAdam`"""
    decay = {"MOMENTUM_DECAY": ("momentum_decay", op.momentum_decay)}
    slots = {**MOMENTS, "mu_product": "products"}
    return _update({**_moments(op), **decay}, "Adam", "NAdam", slots=slots)


@lower(ops.RAdam)
def radam(op: ops.RAdam, site: Site) -> Lowered:
    """`RAdam`"""
    return _update(_moments(op), "Adam", "RAdam")


@lower(ops.Adamax)
def adamax(op: ops.Adamax, site: Site) -> Lowered:
    """`Adamax`"""
    slots = {"exp_avg": "m", "exp_inf": "v"}
    return _update(_moments(op), "Adam", "Adamax", slots=slots)


@lower(ops.Muon)
def muon(op: ops.Muon, site: Site) -> Lowered:
    """`Muon`"""
    momentum = {
        "MOMENTUM": ("momentum", op.momentum),
        "NESTEROV": ("nesterov", op.nesterov),
    }
    return _update({**momentum, **_moments(op)}, "orthogonal", "Muon")


@lower(ops.Lamb)
def lamb(op: ops.Lamb, site: Site) -> Lowered:
    """`LAMB`"""
    return _update(_moments(op), "Adam", "LAMB")


@lower(ops.Lion)
def lion(op: ops.Lion, site: Site) -> Lowered:
    """`Lion`"""
    return _update({"BETAS": ("betas", op.betas)}, "Lion", slots={"exp_avg": "m"}, counts=False)


@lower(ops.Adafactor)
def adafactor(op: ops.Adafactor, site: Site) -> Lowered:
    """`Adafactor`"""
    settings: Settings = {
        "DECAY": ("decay", op.decay),
        "SCALE": ("scale", op.scale),
        "CLIP": ("clip", op.clip),
        "EPSILON": ("epsilon", op.epsilon),
    }
    slots = {"row_var": "rows", "col_var": "columns", "variance": "variances"}
    return _update(settings, "Adafactor", slots=slots)


@lower(ops.Lbfgs)
def lbfgs(op: ops.Lbfgs, site: Site) -> Lowered:
    """`LBFGS`"""
    settings: Settings = {
        "ITERATIONS": ("iterations", op.iterations),
        "HISTORY": ("history", op.history),
    }
    return _update(settings, "Point", "LBFGS", slots={}, counts=False)


@lower(ops.RmsProp)
def rmsprop(op: ops.RmsProp, site: Site) -> Lowered:
    """`RMSprop`"""
    settings: Settings = {"DECAY": ("decay", op.decay), "MOMENTUM": ("momentum", op.momentum)}
    settings["EPSILON"] = ("epsilon", op.epsilon)
    slots = {"square_avg": "squares"}
    slots |= {"momentum_buffer": "buffers"} if op.momentum else {}
    if op.centered:
        slots["grad_avg"] = "means"
        return _update(settings, "RMSprop", slots=slots, centered=True)
    return _update(settings, "RMSprop", slots=slots)


@lower(ops.Adagrad)
def adagrad(op: ops.Adagrad, site: Site) -> Lowered:
    """`Adagrad`"""
    settings = {"INITIAL": ("initial", op.initial), "EPSILON": ("epsilon", op.epsilon)}
    return _update(settings, "Adagrad", slots={"sum": "sums"})


@lower(ops.Adadelta)
def adadelta(op: ops.Adadelta, site: Site) -> Lowered:
    """`Adadelta`"""
    settings = {"DECAY": ("decay", op.decay), "EPSILON": ("epsilon", op.epsilon)}
    slots = {"square_avg": "squares", "acc_delta": "steps"}
    return _update(settings, "Adadelta", slots=slots)
