"""Losses of distances in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call, lit
from bmc.ops import losses_distances as ops
from bmc_programs.lower.losses import own, reduced
from bmc_programs.lower.table import lower


@lower(ops.KlDivergence)
def kl_divergence(op: ops.KlDivergence, site: Site) -> Lowered:
    """`kl_divergence` of logarithms."""
    rank = site.inputs[0].rank

    def build(args: list[Expr]) -> Expr:
        sides = args
        if op.source == "logits":
            sides = [call("log_softmax", side) for side in args]
        return reduced(call("kl_divergence", *sides), rank - 1, "sum")

    return Function(build)


@lower(ops.KlToNormal)
def kl_to_normal(op: ops.KlToNormal, site: Site) -> Lowered:
    """`kl_to_normal`, summed."""
    rank = site.inputs[0].rank
    return Function(lambda args: reduced(call("kl_to_normal", *args), rank, "sum"))


@lower(ops.Cosine)
def cosine(op: ops.Cosine, site: Site) -> Lowered:
    """`cosine_distance`"""
    return own("cosine_distance", site.inputs[0].rank - 1, op)


@lower(ops.Contrastive)
def contrastive(op: ops.Contrastive, site: Site) -> Lowered:
    """`contrastive` of a batch."""
    return Function(lambda args: call("contrastive", *args, lit(op.temperature)))


@lower(ops.Triplet)
def triplet(op: ops.Triplet, site: Site) -> Lowered:
    """`triplet`"""
    return own("triplet", site.inputs[0].rank - 1, op, op.margin)
