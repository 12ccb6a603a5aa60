"""Schedules: the function `learning_rate` of a program; its text is in `templates/rates`."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Rate, Site
from bmc.ops import schedules as ops
from bmc_programs.lower.table import lower


def _floor(op: Any) -> dict[str, Any]:
    return {"FLOOR": op.floor} if op.floor else {}


@lower(ops.Constant)
def constant(op: ops.Constant, site: Site) -> Lowered:
    """The rate that the warm-up leads to."""
    return Rate("constant", steady=op.warmup is None)


@lower(ops.Cosine)
def cosine(op: ops.Cosine, site: Site) -> Lowered:
    """Half a cosine, or one after the other."""
    if op.restarts is not None:
        return Rate("half a cosine, again and again", _floor(op), {"cycle": op.restarts})
    return Rate("half a cosine", _floor(op), run=True)


@lower(ops.OneCycle)
def one_cycle(op: ops.OneCycle, site: Site) -> Lowered:
    """Half a cosine up, and one down."""
    return Rate("half a cosine down", {"START": op.start, **_floor(op)}, run=True)


@lower(ops.Linear)
def linear(op: ops.Linear, site: Site) -> Lowered:
    """A straight line."""
    return Rate("linear decay", _floor(op), run=True)


@lower(ops.Polynomial)
def polynomial(op: ops.Polynomial, site: Site) -> Lowered:
    """A power of what is left."""
    return Rate("a power of what is left", {"POWER": op.power, **_floor(op)}, run=True)


@lower(ops.InverseSqrt)
def inverse_sqrt(op: ops.InverseSqrt, site: Site) -> Lowered:
    """One over the root of the updates."""
    return Rate("one over a root", {}, {} if op.scale is None else {"scale": op.scale})


@lower(ops.WarmupStableDecay)
def warmup_stable_decay(op: ops.WarmupStableDecay, site: Site) -> Lowered:
    """Constant, and a fall at the end."""
    return Rate("constant, then a fall", _floor(op), {"decay": op.decay}, run=True)


@lower(ops.Step)
def steps_down(op: ops.Step, site: Site) -> Lowered:
    """A factor after each boundary."""
    return Rate("a factor after each boundary", {"FACTOR": op.factor}, {"boundaries": op.at})


@lower(ops.Exponential)
def exponential(op: ops.Exponential, site: Site) -> Lowered:
    """A factor after every span."""
    return Rate("a factor every span", {"FACTOR": op.factor, **_floor(op)}, {"every": op.every})


@lower(ops.Plateau)
def plateau(op: ops.Plateau, site: Site) -> Lowered:
    """Follows the scores, which no other schedule does."""
    constants = {"FACTOR": op.factor, "EVALUATIONS": op.patience, "THRESHOLD": op.threshold}
    return Rate("constant, less after a plateau", {**constants, **_floor(op)}, follows=True)
