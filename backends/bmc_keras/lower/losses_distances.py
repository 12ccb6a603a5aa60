"""Losses of distances in Keras."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call, lit
from bmc.ops import losses_distances as ops
from bmc_keras.lower.losses import own, reduced
from bmc_keras.lower.table import lower, part


@lower(ops.KlDivergence)
def kl_divergence(op: ops.KlDivergence, site: Site) -> Lowered:
    """`kl_divergence` of logarithms."""
    rank = site.inputs[0].rank

    def build(args: list[Expr]) -> Expr:
        sides = args
        if op.source == "logits":
            sides = [call("ops.log_softmax", side, axis=-1) for side in args]
        return reduced(call("kl_divergence", *sides), rank - 1, "sum")

    return Function(build, (part("kl_divergence"),))


@lower(ops.KlToNormal)
def kl_to_normal(op: ops.KlToNormal, site: Site) -> Lowered:
    """`kl_to_normal`, summed."""
    rank = site.inputs[0].rank
    helper = part("kl_to_normal")
    return Function(lambda args: reduced(call("kl_to_normal", *args), rank, "sum"), (helper,))


@lower(ops.Cosine)
def cosine(op: ops.Cosine, site: Site) -> Lowered:
    """`cosine_distance`: Keras's own turns the sign."""
    return own("cosine_distance", site.inputs[0].rank - 1, op)


@lower(ops.Contrastive)
def contrastive(op: ops.Contrastive, site: Site) -> Lowered:
    """`contrastive` of a batch."""
    helper = part("contrastive")
    return Function(lambda args: call("contrastive", *args, lit(op.temperature)), (helper,))


@lower(ops.Triplet)
def triplet(op: ops.Triplet, site: Site) -> Lowered:
    """`triplet`"""
    return own("triplet", site.inputs[0].rank - 1, op, op.margin)
