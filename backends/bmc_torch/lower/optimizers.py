"""Optimisers in PyTorch: its own classes, or short ones that the program brings."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Site, Update
from bmc.ops import optimizers as ops
from bmc_torch.lower.table import lower, part

FUSED = {"fused": True}  # one kernel for all weights


def _moments(op: Any) -> dict[str, tuple[str, Any]]:
    return {"BETAS": ("betas", op.betas), "EPSILON": ("eps", op.epsilon)}


def _sgd(op: Any) -> dict[str, tuple[str, Any]]:
    settings: dict[str, tuple[str, Any]] = {"MOMENTUM": ("momentum", op.momentum)}
    if op.nesterov:
        settings["NESTEROV"] = ("nesterov", True)
    if getattr(op, "dampening", 0):
        settings["DAMPENING"] = ("dampening", op.dampening)
    return settings


@lower(ops.Sgd)
def sgd(op: ops.Sgd, site: Site) -> Lowered:
    """`torch.optim.SGD`"""
    return Update("torch.optim.SGD", _sgd(op), FUSED)


@lower(ops.SgdW)
def sgdw(op: ops.SgdW, site: Site) -> Lowered:
    """`torch.optim.SGD` after the decay."""
    return Update("SGDW", _sgd(op), FUSED, (part("SGDW"),))


@lower(ops.Adam)
def adam(op: ops.Adam, site: Site) -> Lowered:
    """`torch.optim.Adam`"""
    return Update("torch.optim.Adam", _moments(op), _amsgrad(op))


@lower(ops.AdamW)
def adamw(op: ops.AdamW, site: Site) -> Lowered:
    """`torch.optim.AdamW`, whose own decay is not ours where there is none."""
    none = {} if op.weight_decay else {"weight_decay": 0.0}
    return Update("torch.optim.AdamW", _moments(op), {**none, **_amsgrad(op)})


def _amsgrad(op: Any) -> dict[str, Any]:
    return {**({"amsgrad": True} if op.amsgrad else {}), **FUSED}


@lower(ops.NAdam)
def nadam(op: ops.NAdam, site: Site) -> Lowered:
    """`torch.optim.NAdam`"""
    decay = {"MOMENTUM_DECAY": ("momentum_decay", op.momentum_decay)}
    return Update("torch.optim.NAdam", {**_moments(op), **decay})


@lower(ops.RAdam)
def radam(op: ops.RAdam, site: Site) -> Lowered:
    """`torch.optim.RAdam`"""
    return Update("torch.optim.RAdam", _moments(op))


@lower(ops.Adamax)
def adamax(op: ops.Adamax, site: Site) -> Lowered:
    """`torch.optim.Adamax`"""
    return Update("torch.optim.Adamax", _moments(op))


@lower(ops.Muon)
def muon(op: ops.Muon, site: Site) -> Lowered:
    """A class of the program: PyTorch's own rounds to 16 bits, and takes matrices alone."""
    momentum = {
        "MOMENTUM": ("momentum", op.momentum),
        "NESTEROV": ("nesterov", op.nesterov),
    }
    return Update("Muon", {**momentum, **_moments(op)}, classes=(part("orthogonal"), part("Muon")))


@lower(ops.Lamb)
def lamb(op: ops.Lamb, site: Site) -> Lowered:
    """A class of the program."""
    return Update("LAMB", _moments(op), classes=(part("LAMB"),))


@lower(ops.Lion)
def lion(op: ops.Lion, site: Site) -> Lowered:
    """A class of the program."""
    return Update("Lion", {"BETAS": ("betas", op.betas)}, classes=(part("Lion"),))


@lower(ops.Adafactor)
def adafactor(op: ops.Adafactor, site: Site) -> Lowered:
    """`torch.optim.Adafactor`"""
    settings = {
        "DECAY": ("beta2_decay", -op.decay),
        "CLIP": ("d", op.clip),
        "EPSILONS": ("eps", (op.epsilon, op.scale)),
    }
    return Update("torch.optim.Adafactor", settings)


@lower(ops.Lbfgs)
def lbfgs(op: ops.Lbfgs, site: Site) -> Lowered:
    """`torch.optim.LBFGS`"""
    settings = {
        "ITERATIONS": ("max_iter", op.iterations),
        "HISTORY": ("history_size", op.history),
    }
    return Update("torch.optim.LBFGS", settings, {"line_search_fn": "strong_wolfe"})


@lower(ops.RmsProp)
def rmsprop(op: ops.RmsProp, site: Site) -> Lowered:
    """`torch.optim.RMSprop`"""
    settings = {"DECAY": ("alpha", op.decay), "MOMENTUM": ("momentum", op.momentum)}
    settings["EPSILON"] = ("eps", op.epsilon)
    return Update("torch.optim.RMSprop", settings, {"centered": True} if op.centered else {})


@lower(ops.Adagrad)
def adagrad(op: ops.Adagrad, site: Site) -> Lowered:
    """`torch.optim.Adagrad`"""
    settings = {"INITIAL": ("initial_accumulator_value", op.initial)}
    return Update("torch.optim.Adagrad", {**settings, "EPSILON": ("eps", op.epsilon)}, FUSED)


@lower(ops.Adadelta)
def adadelta(op: ops.Adadelta, site: Site) -> Lowered:
    """`torch.optim.Adadelta`"""
    settings = {"DECAY": ("rho", op.decay), "EPSILON": ("eps", op.epsilon)}
    return Update("torch.optim.Adadelta", settings)
