"""Families of values, `skips[i] = …`, that a program keeps in a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bmc.elaborate.naming import plural, singular
from bmc.emit import pyexpr as p
from bmc.emit.series import SEVERAL
from bmc.ir.model import Apply, BlockSpec, Loop, Turn, Value


class Families:
    """The lists of a block: which values are in one, and where."""

    def __init__(self, spec: BlockSpec, safe: Callable[[str], str]) -> None:
        self.turns: dict[Apply, Turn] = {}  # the innermost around a use
        self._walk(spec.body, None)
        made: dict[str, list[tuple[int, Apply, Value]]] = {}
        for use in spec.applies():
            for value in use.outputs:
                if value.family is not None:
                    made.setdefault(value.family[0], []).append((value.family[1], use, value))
        self.makers: dict[Value, Apply] = {}
        self.places: dict[Value, tuple[str, int]] = {}
        self.sizes: dict[str, int] = {}
        self.words: dict[str, str] = {}  # what a member of a list is called
        for family, members in made.items():
            if self._is_list(members):
                several = plural(family) if singular(family) == family else family
                word = safe(several)
                self.sizes[word] = len(members)
                self.words[word] = family if several != family else singular(family)
                for number, use, value in members:
                    self.places[value] = (word, number)
                    self.makers[value] = use

    def _walk(self, body: Sequence[Apply | Loop], turn: Turn | None) -> None:
        for step in body:
            if isinstance(step, Loop):
                for inner in step.turns:
                    self._walk(inner.body, inner)
            elif turn is not None:
                self.turns[step] = turn

    def _is_list(self, members: list[tuple[int, Apply, Value]]) -> bool:
        """Whether the turns of a loop make all members in order."""
        plain = all(use in self.turns and not use.guards for _, use, _ in members)
        numbers = [number for number, _, _ in members]
        return plain and len(members) >= SEVERAL and numbers == [*range(len(members))]

    def begin(self, word: str, tensor: p.Expr) -> p.Statement:
        """`skips: list[Tensor] = []`"""
        kind = p.Index(p.Name("list"), (tensor,))
        return p.Assign(p.Name(word), p.ListExpr(()), kind)

    def here(self, value: Value, use: Apply | None) -> bool:
        """Whether a value is used in the turn that makes it."""
        return use is not None and self.turns.get(use) is self.turns[self.makers[value]]

    def member(self, value: Value) -> p.Expr:
        """`skips[2]`"""
        word, number = self.places[value]
        return p.Index(p.Name(word), (p.lit(number),))

    def variable(self, value: Value) -> str:
        """What a member is called while it is made: `skip`."""
        return self.words[self.places[value][0]]

    @property
    def variables(self) -> set[str]:
        """What members are called, where nothing else may need the word inside of a turn."""
        if any(isinstance(step, Loop) for turn in self.turns.values() for step in turn.body):
            return set()
        return {self.variable(value) for value in self.places}

    def comprehension(self, loop: p.Statement) -> p.Statement:
        """`parts = [layer(x) for layer in self.layers]` for a loop that only appends."""
        if not isinstance(loop, p.For) or len(loop.body) != 2 or isinstance(loop.target, tuple):
            return loop
        made, kept = loop.body
        for word in self.sizes:
            if isinstance(made, p.Assign) and isinstance(made.targets, p.Name):
                append = p.ExprStmt(p.method(p.Name(word), "append", made.targets))
                if kept == append:
                    several = p.ListComp(made.value, loop.target, loop.iterable)
                    return p.Assign(p.Name(word), several)
        return loop

    def appends(self, word: str, statements: Sequence[p.Statement]) -> int:
        """How many lines add to a list."""
        add = p.Attr(p.Name(word), "append")
        return sum(node == add for one in statements for node in p.walk(one))

    def whole(self, node: Any) -> Any:
        """A node in which all members of a list, one after the other, are the list."""

        def change(inner: Any) -> Any:
            if isinstance(inner, p.TupleExpr | p.ListExpr):
                items = self._joined(inner.items)
                if len(items) == 1 and isinstance(items[0], p.Starred):
                    return items[0].value
                return None if items == inner.items else type(inner)(items)
            if isinstance(inner, p.Bin) and inner.op == "+":
                terms = self._joined(tuple(_terms(inner)))
                if len(terms) == 1 and isinstance(terms[0], p.Starred):
                    some = terms[0].value
                    rest = p.Index(some, (p.SliceExpr(p.lit(1), None, None),))
                    return p.call("sum", rest, p.Index(some, (p.lit(0),)))
            if isinstance(inner, p.Call):
                args = self._joined(inner.args)
                if args != inner.args:
                    named = tuple((key, self.whole(value)) for key, value in inner.kwargs)
                    return p.Call(inner.fn, args, named)
            return None

        return p.mapped(node, change)

    def _joined(self, items: tuple[p.Expr, ...]) -> tuple[p.Expr, ...]:
        found: list[p.Expr] = []
        place = 0
        while place < len(items):
            item = items[place]
            if isinstance(item, p.Index) and isinstance(item.base, p.Name):
                word = item.base.id
                members = tuple(
                    p.Index(item.base, (p.lit(number),))
                    for number in range(self.sizes.get(word, 0))
                )
                if members and items[place : place + len(members)] == members:
                    found.append(p.Starred(item.base))
                    place += len(members)
                    continue
            found.append(item)
            place += 1
        return tuple(found)


def _terms(node: p.Expr) -> list[p.Expr]:
    """What a sum adds up, from left to right."""
    if isinstance(node, p.Bin) and node.op == "+":
        return [*_terms(node.left), node.right]
    return [node]
