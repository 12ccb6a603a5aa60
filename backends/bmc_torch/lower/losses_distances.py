"""Losses of distances in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Expr, call, lit
from bmc.ops import losses_distances as ops
from bmc_torch.lower.losses import own, reduced
from bmc_torch.lower.table import lower, part


@lower(ops.KlDivergence)
def kl_divergence(op: ops.KlDivergence, site: Site) -> Lowered:
    """`kl_divergence` of logarithms."""
    rank = site.inputs[0].rank

    def build(args: list[Expr]) -> Expr:
        sides = args
        if op.source == "logits":
            sides = [call("F.log_softmax", side, dim=-1) for side in args]
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
    """One minus `F.cosine_similarity`."""

    def build(args: list[Expr]) -> Expr:
        apart = Bin("-", lit(1), call("F.cosine_similarity", *args, dim=-1))
        return reduced(apart, site.inputs[0].rank - 1, op.reduce)

    return Function(build)


@lower(ops.Contrastive)
def contrastive(op: ops.Contrastive, site: Site) -> Lowered:
    """`contrastive` of a batch."""
    helper = part("contrastive")
    return Function(lambda args: call("contrastive", *args, lit(op.temperature)), (helper,))


@lower(ops.Triplet)
def triplet(op: ops.Triplet, site: Site) -> Lowered:
    """`triplet`"""
    return own("triplet", site.inputs[0].rank - 1, op, op.margin)
