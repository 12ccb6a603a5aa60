"""How rows are cut into splits: one expression for each kind of split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bmc.ops import data_splits as ops
from bmc_programs.lower.table import lower
from bmc_programs.nodes import Expr, call

if TYPE_CHECKING:
    from bmc_programs.load import Cutting


def _cut(op: ops.Random | ops.Contiguous, rows: Expr) -> Expr:
    shares = {name: _share(share) for name, share in op.shares().items()}
    by_share = isinstance(next(iter(shares.values())), float)
    return call("cut_shares" if by_share else "cut_counts", rows, shares)


def _share(share: Any) -> Any:
    return float(share) if isinstance(share, float) else int(share)


@lower(ops.Random)
def random(op: ops.Random, site: Cutting) -> Expr:
    """Shuffled rows; whole groups, or each class in proportion."""
    seed = int(op.seed)
    if site.labels is not None and op.group is not None:
        shares = {name: _share(share) for name, share in op.shares().items()}
        return call("cut_groups", site.rows, site.labels, shares, seed=seed)
    rows = call("shuffle", site.rows, seed=seed)
    if site.labels is not None and op.stratify is not None:
        rows = call("spread", rows, site.labels)
    return _cut(op, rows)


@lower(ops.Contiguous)
def contiguous(op: ops.Contiguous, site: Cutting) -> Expr:
    """Rows as they follow each other."""
    return _cut(op, site.rows)


@lower(ops.Column)
def column(op: ops.Column, site: Cutting) -> Expr:
    """Rows as a column says."""
    return call("cut_column", site.rows, call("table.text", op.column))
