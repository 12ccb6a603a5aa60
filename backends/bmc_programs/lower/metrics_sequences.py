"""Metrics of whole sequences in NumPy."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call, method
from bmc.emit.values import unless
from bmc.ops import metrics_sequences as ops
from bmc_programs.lower.table import lower


def _compared(function: str, site: Site, **settings: Any) -> Lowered:
    """A function of two lists of sequences; places that are rows are put together first."""
    scores = site.inputs[0].dtype == "float"
    apart = [site.inputs[0].rank == scores, site.inputs[1].rank == 0]

    def build(args: list[Expr]) -> Expr:
        sides = [method(args[0], "argmax", axis=-1) if scores else args[0], args[1]]
        sides = [
            call("sequences", side, args[2]) if rows else side for side, rows in zip(sides, apart)
        ]
        return call(function, *sides, **settings)

    return Function(build)


@lower(ops.EditDistance)
def edit_distance(op: ops.EditDistance, site: Site) -> Lowered:
    """`edit_distance`"""
    return _compared("edit_distance", site, pad=op.pad, **unless(None, separator=op.separator))


@lower(ops.Bleu)
def bleu(op: ops.Bleu, site: Site) -> Lowered:
    """`bleu`"""
    return _compared("bleu", site, size=op.n, pad=op.pad)
