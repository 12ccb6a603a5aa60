"""Patterns of `rearrange`: `c (h p) w -> (h w) c p`.

A side is a list of groups; a group is the names of the axes that it joins. `1` is an axis of
size one, a group without names.
"""

from __future__ import annotations

import re

from bmc.ops.kinds import Refusal
from bmc.records import record
from bmc.types.symbolic import Dim, Sym, product
from bmc.types.tensor import Shape, show_shape

Group = tuple[str, ...]
_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>->|[()1]))")
LONGEST = 400


@record
class Pattern:
    """Both sides of a rearrangement."""

    left: tuple[Group, ...]
    right: tuple[Group, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every axis in the order of the left side."""
        return tuple(name for group in self.left for name in group)

    @property
    def order(self) -> tuple[int, ...]:
        """Where each axis of the right side, groups taken apart, is on the left."""
        at = {name: index for index, name in enumerate(self.names)}
        return tuple(at[name] for group in self.right for name in group)

    def sizes(self, shape: Shape, given: dict[str, Dim]) -> dict[str, Dim]:
        """The size of every axis. Raises `Refusal` where the shape does not fit."""
        if len(shape) != len(self.left):
            raise Refusal(
                f"has a pattern of {len(self.left)} axes, and got {show_shape(shape)}",
                setting="pattern",
            )
        unknown = [name for name in given if name not in self.names]
        if unknown:
            raise Refusal(f"has no axis `{unknown[0]}` in its pattern", setting="pattern")
        sizes: dict[str, Dim] = {}
        for size, group in zip(shape, self.left):
            sizes.update(_split(size, group, given))
        return sizes

    def result(self, sizes: dict[str, Dim]) -> Shape:
        """The shape of the right side."""
        return tuple(product([sizes[name] for name in group]) for group in self.right)

    def moves(
        self, sizes: dict[str, Dim]
    ) -> tuple[Shape | None, tuple[int, ...] | None, Shape | None]:
        """Joined axes taken apart, their new order, axes joined; None where nothing is done."""
        before = tuple(product([sizes[name] for name in group]) for group in self.left)
        apart = tuple(sizes[name] for name in self.names)
        order = self.order
        moved = tuple(apart[place] for place in order)
        joined = self.result(sizes)
        return (
            apart if apart != before else None,
            order if order != tuple(range(len(order))) else None,
            joined if joined != moved else None,
        )


def _split(size: Dim, group: Group, given: dict[str, Dim]) -> dict[str, Dim]:
    """The sizes of the axes that a group joins."""
    if not group:
        if size != 1:
            raise Refusal(f"has `1` for an axis of size {size}", setting="pattern")
        return {}
    missing = [name for name in group if name not in given]
    if len(missing) > 1:
        raise Refusal(
            f"can't tell the sizes of `{'` and `'.join(missing)}`",
            setting="pattern",
            help=f"give all but one of them: `{missing[0]}=…`",
        )
    known = product([given[name] for name in group if name in given])
    if not missing:
        if known != size:
            raise Refusal(f"has `{' '.join(group)}` of size {known} for an axis of size {size}")
        return {name: given[name] for name in group}
    rest: Dim = size
    if len(group) > 1:
        if isinstance(size, int) and isinstance(known, int) and size % known:
            raise Refusal(f"can't split an axis of size {int(size)} by {int(known)}")
        try:
            rest = Sym.lift(size) // known if isinstance(known, Sym) else size // known
        except (ArithmeticError, TypeError):
            raise Refusal(f"can't split an axis of size {size} by {known}") from None
    return {name: given.get(name, rest) for name in group}


def parse(text: str) -> Pattern:
    """The pattern that a text writes. Raises `Refusal` with what is wrong."""
    if len(text) > LONGEST:
        raise Refusal("has too long a pattern", setting="pattern")
    tokens: list[str] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise Refusal(
                f"has {stripped[position:].strip()[:8]!a} in its pattern, which is no axis",
                setting="pattern",
                help='a pattern looks like "c h w -> (h w) c"',
            )
        tokens.append(match.group().strip())
        position = match.end()
    if tokens.count("->") != 1:
        raise Refusal('needs one "->" in its pattern', setting="pattern")
    arrow = tokens.index("->")
    pattern = Pattern(_side(tokens[:arrow]), _side(tokens[arrow + 1 :]))
    left, right = sorted(pattern.names), sorted(n for group in pattern.right for n in group)
    if left != right:
        odd = sorted(set(left) ^ set(right))
        where = f"`{odd[0]}` on one side only" if odd else "an axis twice"
        raise Refusal(f"has {where} in its pattern", setting="pattern")
    if len(set(left)) != len(left):
        raise Refusal("has an axis twice in its pattern", setting="pattern")
    return pattern


def _side(tokens: list[str]) -> tuple[Group, ...]:
    groups: list[Group] = []
    inside: list[str] | None = None
    for token in tokens:
        if token == "(":
            if inside is not None:
                raise Refusal("has a group within a group in its pattern", setting="pattern")
            inside = []
        elif token == ")":
            if not inside:
                raise Refusal("has a parenthesis too many in its pattern", setting="pattern")
            groups.append(tuple(inside))
            inside = None
        elif inside is not None:
            if token != "1":
                inside.append(token)
        else:
            groups.append(() if token == "1" else (token,))
    if inside is not None:
        raise Refusal("has an open parenthesis in its pattern", setting="pattern")
    return tuple(groups)
