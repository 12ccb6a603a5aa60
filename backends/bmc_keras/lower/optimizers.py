"""Optimisers in Keras: classes of optimizer.py with the papers' and PyTorch's update rules."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Site, Update
from bmc.ops import optimizers as ops
from bmc_keras.lower.table import lower, part

Settings = dict[str, tuple[str, Any]]


def _update(settings: Settings, *classes: str, **fixed: Any) -> Update:
    """The last of the classes, which stands on the others."""
    return Update(classes[-1], settings, fixed, tuple(part(name) for name in classes))


def _moments(op: Any) -> Settings:
    return {"BETAS": ("betas", op.betas), "EPSILON": ("epsilon", op.epsilon)}


def _momentum(op: Any) -> Settings:
    settings: Settings = {"MOMENTUM": ("momentum", op.momentum)}
    if op.nesterov:
        settings["NESTEROV"] = ("nesterov", True)
    return settings


@lower(ops.Sgd)
def sgd(op: ops.Sgd, site: Site) -> Lowered:
    """`SGD`, or `DampenedSGD`."""
    if op.dampening:
        dampening = {"DAMPENING": ("dampening", op.dampening)}
        return _update({**_momentum(op), **dampening}, "SGD", "DampenedSGD")
    return _update(_momentum(op), "SGD")


@lower(ops.SgdW)
def sgdw(op: ops.SgdW, site: Site) -> Lowered:
    """`SGDW`"""
    return _update(_momentum(op), "SGD", "SGDW")


@lower(ops.Adam)
def adam(op: ops.Adam, site: Site) -> Lowered:
    """`Adam`, or `AMSGrad`."""
    return _update(_moments(op), "Adam", *(("AMSGrad",) if op.amsgrad else ()))


@lower(ops.AdamW)
def adamw(op: ops.AdamW, site: Site) -> Lowered:
    """`AdamW`, or `AMSGradW`."""
    more = ("AMSGrad", "AMSGradW") if op.amsgrad else ()
    return _update(_moments(op), "Adam", "AdamW", *more)


@lower(ops.NAdam)
def nadam(op: ops.NAdam, site: Site) -> Lowered:
    """`NAdam`"""
    decay = {"MOMENTUM_DECAY": ("momentum_decay", op.momentum_decay)}
    return _update({**_moments(op), **decay}, "Adam", "NAdam")


@lower(ops.RAdam)
def radam(op: ops.RAdam, site: Site) -> Lowered:
    """`RAdam`"""
    return _update(_moments(op), "Adam", "RAdam")


@lower(ops.Adamax)
def adamax(op: ops.Adamax, site: Site) -> Lowered:
    """`Adamax`"""
    return _update(_moments(op), "Adam", "Adamax")


@lower(ops.Lamb)
def lamb(op: ops.Lamb, site: Site) -> Lowered:
    """`LAMB`"""
    return _update(_moments(op), "Adam", "LAMB")


@lower(ops.Lion)
def lion(op: ops.Lion, site: Site) -> Lowered:
    """`Lion`"""
    return _update({"BETAS": ("betas", op.betas)}, "Lion")


@lower(ops.RmsProp)
def rmsprop(op: ops.RmsProp, site: Site) -> Lowered:
    """`RMSprop`"""
    settings: Settings = {"DECAY": ("decay", op.decay), "MOMENTUM": ("momentum", op.momentum)}
    settings["EPSILON"] = ("epsilon", op.epsilon)
    return _update(settings, "RMSprop", **({"centered": True} if op.centered else {}))


@lower(ops.Adagrad)
def adagrad(op: ops.Adagrad, site: Site) -> Lowered:
    """`Adagrad`"""
    settings = {"INITIAL": ("initial", op.initial), "EPSILON": ("epsilon", op.epsilon)}
    return _update(settings, "Adagrad")


@lower(ops.Adadelta)
def adadelta(op: ops.Adadelta, site: Site) -> Lowered:
    """`Adadelta`"""
    settings = {"DECAY": ("decay", op.decay), "EPSILON": ("epsilon", op.epsilon)}
    return _update(settings, "Adadelta")
