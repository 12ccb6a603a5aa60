"""Program text that repeats itself up to numbers that grow in steps: one text for any turn.

Copies of a block whose input grows are written `DenseLayer((i + 2) * growth) for i in range(6)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bmc.emit import pyexpr as p
from bmc.records import replace
from bmc.types.series import after, less, powers, progression
from bmc.types.symbolic import Const, Expression, Var, combine

SEVERAL = 3  # what two do may be chance
COLUMN = "\1"  # before the name of a column, where the loop's variable comes to stand
Table = dict[str, tuple[p.Expr, ...]]  # settings of the turns of a loop
INDEX = Var("\0")


def unified(nodes: Sequence[Any], index: p.Expr, start: int = 0, table: Table | None = None) -> Any:
    """The node that all of these are for the numbers from `start` on; None where there is none.

    Where a `table` is given, settings that differ become columns of it.
    """
    first = nodes[0]
    if all(node == first for node in nodes):
        return first
    if table is not None and _is_setting(first):
        column = _column(nodes, table)
        if column is not None:
            return column
    made = _inside(nodes, index, start, table)  # the author's form, if that goes
    return _progression(nodes, index, start) if made is None else made


def _is_setting(node: Any) -> bool:
    return isinstance(node, tuple) and len(node) == 2 and isinstance(node[0], str)


def _column(nodes: Sequence[Any], table: Table) -> tuple[str, p.Expr] | None:
    """A setting that the table says."""
    values = tuple(value for _, value in nodes)
    if not all(isinstance(value, p.Lit) and value.value is not None for value in values):
        return None
    key = nodes[0][0]
    if table.setdefault(key, values) != values:
        return None
    return key, p.Name(COLUMN + key)


def _inside(nodes: Sequence[Any], index: p.Expr, start: int, table: Table | None) -> Any:
    """The node whose parts are those of all nodes."""
    first = nodes[0]
    if len({type(node) for node in nodes}) > 1:
        return None
    if isinstance(first, tuple):
        if len({len(node) for node in nodes}) > 1:
            return None
        items = tuple(unified(items, index, start, table) for items in zip(*nodes))
        return None if any(item is None for item in items) else items
    if not isinstance(first, p.Expr | p.Statement) or isinstance(first, p.Lit | p.Var | p.Name):
        return None
    changes: dict[str, Any] = {}
    for name, value in vars(first).items():
        values = [getattr(node, name) for node in nodes]
        if all(one == value for one in values):
            continue
        if name == "comment":  # of shapes that change from turn to turn
            changes[name] = None
            continue
        changes[name] = unified(values, index, start, table)
        if changes[name] is None:
            return None
    return replace(first, **changes)


def _progression(nodes: Sequence[Any], index: p.Expr, start: int) -> p.Expr | None:
    """Whole numbers of equal distance as a number of the turn."""
    numbers = [_number(node) for node in nodes]
    known = [number for number in numbers if number is not None]
    if len(known) < len(nodes):
        return None
    found = progression(known)
    if found is not None:
        first, step = found
        first = less(first, {rest: factor * start for rest, factor in step.items()})
        said: Expression | None = after(first, step, INDEX)
    else:
        said = powers(known, INDEX, start)
    if said is None:
        return None
    made = p.from_expression(said)
    return p.mapped(made, lambda node: index if node == p.Var(INDEX.name) else None)  # type: ignore[no-any-return]


def _number(node: Any) -> Expression | None:
    """Whole-number arithmetic as a symbolic expression."""
    if isinstance(node, p.Lit) and type(node.value) is int:
        return Const(node.value)
    if isinstance(node, p.Var):
        return Var(node.name)
    if isinstance(node, p.Bin) and node.op in ("+", "-", "*", "//"):
        left, right = _number(node.left), _number(node.right)
        return None if left is None or right is None else combine(node.op, left, right)
    return None
