"""Statements that repeat themselves as a loop: members of a family, one after the other.

A loop of the file is worked through turn by turn. Where turns print the same lines for one member
after the other, the program has the loop again. It runs the very statements that stood there.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from bmc.elaborate.naming import singular
from bmc.emit import pyexpr as p
from bmc.emit.merge import Marked
from bmc.emit.names import identifier
from bmc.emit.series import SEVERAL, unified
from bmc.records import replace

LONGEST = 12  # statements of one turn
HOLE = p.Name("\0")
Opened = list[tuple[tuple[Any, ...], p.Statement]]  # steps of a turn, and what they depend on
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


class Members:
    """PyTorch's way: `for layer in self.layers`; `places` are the numbers that a family has.

    Those of `gaps` do not begin with 0, and stand under texts.
    """

    def __init__(
        self, places: Mapping[str, Sequence[int]], gaps: Container[str], taken: set[str]
    ) -> None:
        self.places, self.gaps, self.taken = places, gaps, taken

    def numbers(self, statement: p.Statement) -> set[int]:
        """The numbers of the members that a statement calls."""
        found = (self._member(node) for node in p.walk(statement))
        return {one[1] for one in found if one is not None}

    def open(self, statement: p.Statement, number: int) -> p.Statement:
        """The statement for any member."""

        def change(node: Any) -> Any:
            member = self._member(node)
            return p.Index(node.base, (HOLE,)) if member and member[1] == number else None

        return p.mapped(statement, change)  # type: ignore[no-any-return]

    def counted(self, steps: Opened, end: int) -> bool:
        """Nothing counts here."""
        return False

    def loop(self, body: Sequence[p.Statement], start: int, count: int) -> p.Statement | None:
        """`for stage, merge in zip(self.stages[:3], self.merges):`"""
        families: dict[str, p.Attr] = {}
        for statement in body:
            for node in p.walk(statement):
                if isinstance(node, p.Index) and node.items == (HOLE,):
                    assert isinstance(node.base, p.Attr)
                    families.setdefault(node.base.name, node.base)
        busy = self.taken | _words(body)
        words = {name: _word(name, len(families) == 1, busy) for name in families}

        def change(node: Any) -> Any:
            if isinstance(node, p.Index) and node.items == (HOLE,):
                return p.Name(words[node.base.name])  # type: ignore[attr-defined]
            return None

        members = [self._some(base, start, count) for base in families.values()]
        some = tuple(one for one in members if one is not None)
        if len(some) < len(members):
            return None
        targets = tuple(p.Name(word) for word in words.values())
        steps = tuple(p.mapped(statement, change) for statement in body)
        if len(some) == 1:
            return p.For(targets[0], some[0], steps)
        return p.For(targets, p.Call(p.Name("zip"), some, (("strict", p.lit(True)),)), steps)

    def _member(self, node: Any) -> tuple[str, int] | None:
        if not isinstance(node, p.Index) or len(node.items) != 1:
            return None
        base, item = node.base, node.items[0]
        if not isinstance(base, p.Attr) or base.base != p.Name("self"):
            return None
        if base.name not in self.places or not isinstance(item, p.Lit):
            return None
        number = item.value
        if base.name in self.gaps and isinstance(number, str) and number.isdecimal():
            return base.name, int(number)
        return (base.name, number) if type(number) is int else None

    def _some(self, base: p.Attr, start: int, count: int) -> p.Expr | None:
        """The members that a loop goes over; None where nothing says them."""
        places, end = self.places[base.name], start + count
        if base.name in self.gaps:
            everything = list(places) == list(range(start, end))
            return p.Call(p.Attr(base, "values")) if everything else None
        size = len(places)
        if start == 0 and end == size:
            return base
        first = p.lit(start) if start else None
        return p.Index(base, (p.SliceExpr(first, None if end == size else p.lit(end), None),))


class Labels:
    """The way of functions: `for i in range(3)`, the number in the layers' names.

    `counts` has the families that a loop of the file makes as often as a setting says.
    """

    def __init__(self, taken: set[str], counts: Mapping[str, Any]) -> None:
        self.taken, self.counts = taken, counts

    def numbers(self, statement: p.Statement) -> set[int]:
        """The numbers in the names of a statement."""
        texts = [text for node in p.walk(statement) for text in _texts(node)]
        return {int(found) for text in texts for found in NUMBER.findall(text)}

    def open(self, statement: p.Statement, number: int) -> p.Statement:
        """The statement for any number."""

        def change(node: Any) -> Any:
            if not any(str(number) in NUMBER.findall(text) for text in _texts(node)):
                return None
            parts = (node.value,) if isinstance(node, p.Lit) else node.parts
            return p.FString(tuple(part for one in parts for part in _cut(one, number)))

        return p.mapped(statement, change)  # type: ignore[no-any-return]

    def counted(self, steps: Opened, end: int) -> bool:
        """Whether a setting says how many turns there are."""
        families = {name for _, statement in steps for name in _families(statement)}
        return any(self.counts.get(name) == end for name in families)

    def loop(self, body: Sequence[p.Statement], start: int, count: int) -> p.Statement:
        """`for i in range(5, 13):`"""
        busy = self.taken | _words(body)
        word = next((word for word in "ijkn" if word not in busy), "i_")
        while word in busy:
            word += "_"
        families = {name for statement in body for name in _families(statement)}
        said = [self.counts[name] for name in families if self.counts.get(name) == start + count]
        end = said[0] if said else start + count
        ends = (start, end) if start else (end,)

        def change(node: Any) -> Any:
            return p.Name(word) if node == HOLE else None

        steps = tuple(p.mapped(statement, change) for statement in body)
        return p.For(p.Name(word), p.call("range", *ends), steps)


def _families(statement: p.Statement) -> list[str]:
    """The families whose members a step of a loop names."""
    parts = [node.parts for node in p.walk(statement) if isinstance(node, p.FString)]
    pairs = [pair for one in parts for pair in itertools.pairwise(one)]
    before = [text for text, hole in pairs if hole == HOLE and isinstance(text, str)]
    return [text.strip(".").rsplit(".", 1)[-1] for text in before]


def _word(family: str, alone: bool, busy: set[str]) -> str:
    """What one member of a family is called."""
    stem = family.rstrip("0123456789")
    word = "layer" if alone else identifier(singular(stem) + family[len(stem) :])
    while word in busy:
        word += "_"
    return word


def _words(body: Sequence[p.Statement]) -> set[str]:
    """The names that statements read or make, those of loops inside among them."""
    return {node.id for one in body for node in p.walk(one) if isinstance(node, p.Name)}


def _texts(node: Any) -> list[str]:
    """The texts of a name that may hold numbers."""
    if isinstance(node, p.Lit) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, p.FString):
        return [part for part in node.parts if isinstance(part, str)]
    return []


def _cut(part: Any, number: int) -> list[Any]:
    """A text around a number, and what stands for that."""
    if not isinstance(part, str):
        return [part]
    found: list[Any] = []
    done = 0
    for match in NUMBER.finditer(part):
        if match[0] == str(number):
            found += [part[done : match.start()], HOLE]
            done = match.end()
    return [piece for piece in (*found, part[done:]) if piece != ""]


def rolled(marked: Sequence[Marked], way: Members | Labels) -> list[Marked]:
    """The statements, with loops where they repeat themselves."""
    numbers = [way.numbers(one.statement) for one in marked]
    found: list[Marked] = []
    place = 0
    while place < len(marked):
        loop = _longest(marked, numbers, place, way)
        later = range(place + 1, place + LONGEST) if loop and not numbers[place] else ()
        others = (_longest(marked, numbers, there, way) for there in later)
        if loop is None or any(other is not None and other[1] >= loop[1] for other in others):
            found.append(marked[place])
            place += 1
        else:
            statement, size = loop
            found.append(replace(marked[place], statement=statement))
            place += size
    return found


def _longest(
    marked: Sequence[Marked], numbers: Sequence[set[int]], place: int, way: Members | Labels
) -> tuple[p.Statement, int] | None:
    """The loop that begins at a place, and how many statements it stands for."""
    best: tuple[p.Statement, int] | None = None
    for size in range(1, min(LONGEST, (len(marked) - place) // 2) + 1):
        if marked[place + size - 1].guards != marked[place].guards:
            break
        here = set().union(*numbers[place : place + size])
        if len(here) > 1:
            break
        if not here:
            continue
        (start,) = here
        if set().union(*numbers[place + size : place + 2 * size]) != {start + 1}:
            continue

        def turn(count: int, size: int = size) -> Sequence[Marked]:
            return marked[place + count * size : place + (count + 1) * size]

        turns = [_opened(turn(0), start, way)]
        pattern: Any = turns[0]
        while True:
            following = _opened(turn(len(turns)), start + len(turns), way)
            found = _pattern([*turns, following], start, way)
            if found is None:
                break
            pattern, turns = found, [*turns, following]
        count = len(turns)
        if count < SEVERAL and pattern != turns[0] and not way.counted(pattern, start + count):
            continue
        if count > 1 and (best is None or count * size > best[1]):
            each = [turn(number) for number in range(count)]
            body = [_said(pattern[step], [one[step] for one in each]) for step in range(size)]
            loop = way.loop(body, start, count)
            best = best if loop is None else (loop, count * size)
    return best


def _pattern(turns: list[Opened], start: int, way: Members | Labels) -> Opened | None:
    """What any turn is: the same lines, but for numbers that a counter says."""
    if turns[-1] == turns[0]:
        return turns[0] if all(turn == turns[0] for turn in turns) else None
    if isinstance(way, Members) or [len(turn) for turn in turns] != [len(turns[0])] * len(turns):
        return None
    found: Opened = []
    for steps in zip(*turns):
        made = unified([statement for _, statement in steps], HOLE, start)
        if made is None or len({guards for guards, _ in steps}) > 1:
            return None
        found.append((steps[0][0], made))
    return found


def _opened(marked: Sequence[Marked], number: int, way: Members | Labels) -> Opened:
    return [(one.guards, _quiet(way.open(one.statement, number))) for one in marked]


def _quiet(statement: p.Statement) -> p.Statement:
    """Without its comment: shapes may change from turn to turn."""
    return replace(statement, comment=None) if isinstance(statement, p.Assign) else statement


def _said(opened: tuple[tuple[Any, ...], p.Statement], turns: Sequence[Marked]) -> p.Statement:
    """A step of the loop, with the comment that all turns have."""
    statement = opened[1]
    said = {getattr(turn.statement, "comment", None) for turn in turns}
    if len(said) == 1 and isinstance(statement, p.Assign):
        return replace(statement, comment=said.pop())
    return statement
