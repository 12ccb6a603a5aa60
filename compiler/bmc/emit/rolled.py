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
from bmc.emit.series import COLUMN, SEVERAL, Table, unified
from bmc.records import replace
from bmc.types.symbolic import OPERATORS

LONGEST = 12  # statements of one turn
TWO = "\0"  # of a name that stood for two things at once
HOLE = p.Name("\0")
Opened = list[tuple[tuple[Any, ...], p.Statement]]  # steps of a turn, and what they depend on
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


class Members:
    """PyTorch's way: `for layer in self.layers`; `places` are the numbers that a family has.

    Those of `gaps` do not begin with 0, and stand under texts.
    """

    def __init__(
        self,
        places: Mapping[str, Sequence[int]],
        gaps: Container[str],
        taken: set[str],
        lists: Mapping[str, int],
    ) -> None:
        self.places, self.gaps, self.taken, self.lists = places, gaps, taken, lists

    def counts_only(self, statement: p.Statement) -> bool:
        """Whether a counter would say nothing but members of families and of lists."""

        def change(node: Any) -> Any:
            if isinstance(node, p.Index) and len(node.items) == 1:
                base, (item,) = node.base, node.items
                if isinstance(base, p.Name) and base.id in self.lists:
                    return base
                return base if item == HOLE else None
            return None

        return HOLE not in p.walk(p.mapped(statement, change))

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

    def loop(
        self, body: Sequence[p.Statement], start: int, count: int, table: Table
    ) -> p.Statement | None:
        """`for stage, merge in zip(self.stages[:3], self.merges):`"""
        families = list(dict.fromkeys(n for one in body for n in p.walk(one) if _is_open(n)))
        busy = self.taken | _words(body)
        words: dict[p.Index, str] = {}
        for family in families:
            words[family] = _word(_name(family.base), len(families) == 1, busy)
            busy.add(words[family])

        def change(node: Any) -> Any:
            return p.Name(words[node]) if _is_open(node) else None

        members = [self._some(one, start, count) for one in families]
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

    def _some(self, family: p.Index, start: int, count: int) -> p.Expr | None:
        """The members that a loop goes over; None where nothing says them."""
        base, end = family.base, start + count
        if isinstance(base, p.Name):
            return self._listed(base, [_at(family.items[0], turn) for turn in range(start, end)])
        assert isinstance(base, p.Attr)
        places = self.places[base.name]
        if base.name in self.gaps:
            everything = list(places) == list(range(start, end))
            return p.Call(p.Attr(base, "values")) if everything else None
        size = len(places)
        if start == 0 and end == size:
            return base
        first = p.lit(start) if start else None
        return p.Index(base, (p.SliceExpr(first, None if end == size else p.lit(end), None),))

    def _listed(self, base: p.Name, numbers: list[int]) -> p.Expr | None:
        """The members of a list, forwards or backwards."""
        step = numbers[1] - numbers[0]
        if abs(step) != 1 or min(numbers) < 0:
            return None
        low, high = min(numbers), max(numbers) + 1
        end = None if high == self.lists[base.id] else p.lit(high)
        some: p.Expr = base
        if low or end is not None:
            some = p.Index(base, (p.SliceExpr(p.lit(low) if low else None, end, None),))
        return some if step > 0 else p.call("reversed", some)


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

    def counts_only(self, statement: p.Statement) -> bool:
        """A counter may say anything here."""
        return True

    def loop(
        self, body: Sequence[p.Statement], start: int, count: int, table: Table
    ) -> p.Statement:
        """`for i in range(5, 13):`, or `for i, (out, depth) in enumerate(…):` over a table."""
        busy = self.taken | _words(body)
        word = next((word for word in "ijkn" if word not in busy), "i_")
        while word in busy:
            word += "_"
        families = {name for statement in body for name in _families(statement)}
        said = [self.counts[name] for name in families if self.counts.get(name) == start + count]
        end = said[0] if said else start + count
        ends = (start, end) if start else (end,)

        said = [*body, *(value for column in table.values() for value in column)]
        busy |= {node.name for one in said for node in p.walk(one) if _is_var(node)}
        names = {key: _unlike(identifier(key), {*busy, word}) for key in table}

        def change(node: Any) -> Any:
            if isinstance(node, p.Name) and node.id.startswith(COLUMN):
                return p.Name(names[node.id.removeprefix(COLUMN)])
            return p.Name(word) if node == HOLE else None

        steps = tuple(p.mapped(statement, change) for statement in body)
        if not table:
            return p.For(p.Name(word), p.call("range", *ends), steps)
        columns = tuple(p.Name(name) for name in names.values())
        rows = tuple(p.TupleExpr(row) for row in zip(*table.values()))
        one = len(columns) == 1
        over = p.TupleExpr(next(iter(table.values()))) if one else p.TupleExpr(rows)
        each = p.call("enumerate", over, **({"start": start} if start else {}))
        return p.For((p.Name(word), columns[0] if one else p.TupleExpr(columns)), each, steps)


def _families(statement: p.Statement) -> list[str]:
    """The families whose members a step of a loop names."""
    parts = [node.parts for node in p.walk(statement) if isinstance(node, p.FString)]
    pairs = [pair for one in parts for pair in itertools.pairwise(one)]
    before = [text for text, hole in pairs if hole == HOLE and isinstance(text, str)]
    return [text.strip(".").rsplit(".", 1)[-1] for text in before]


def _is_var(node: Any) -> bool:
    return isinstance(node, p.Var)


def _unlike(word: str, busy: set[str]) -> str:
    while word in busy:
        word += "_"
    return word


def _is_open(node: Any) -> bool:
    """Whether a node is any member of a family or of a list."""
    return (
        isinstance(node, p.Index)
        and len(node.items) == 1
        and isinstance(node.base, p.Name | p.Attr)
        and HOLE in p.walk(node.items[0])
    )


def _name(base: p.Expr) -> str:
    return base.name if isinstance(base, p.Attr) else base.id  # type: ignore[attr-defined]


def _at(number: Any, turn: int) -> int:
    """What a whole number is in a turn."""
    if number == HOLE:
        return turn
    if isinstance(number, p.Bin):
        left, right = _at(number.left, turn), _at(number.right, turn)
        return int(OPERATORS[number.op](left, right))
    return int(number.value)


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
        if loop is None and numbers[place] and isinstance(way, Labels):
            loop = _longest(marked, numbers, place, way, tables=True)
            inside = range(place + 1, place + loop[1]) if loop else ()
            if any(_longest(marked, numbers, there, way) for there in inside):
                loop = None
        if loop is None or any(other is not None and other[1] >= loop[1] for other in others):
            found.append(marked[place])
            place += 1
        else:
            statements, size = loop
            found += [replace(marked[place], statement=statement) for statement in statements]
            place += size
    return found


def _longest(
    marked: Sequence[Marked],
    numbers: Sequence[set[int]],
    place: int,
    way: Members | Labels,
    tables: bool = False,
) -> tuple[list[p.Statement], int] | None:
    """The loop that begins at a place, and how many statements it stands for.

    With `tables` it may be one over what no counter says.
    """
    best: tuple[list[p.Statement], int] | None = None
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

        first, second = _opened(turn(0), start, way), _opened(turn(1), start + 1, way)
        entered, before = _entered(first, second)
        turns = [entered]
        table: Table = {}
        pattern: Any = entered
        while True:
            following = _opened(turn(len(turns)), start + len(turns), way)
            columns: Table = {}
            found = _pattern([*turns, following], start, way, columns if tables else None)
            if found is None:
                break
            pattern, turns, table = found, [*turns, following], columns
        count = len(turns)
        if before and count < SEVERAL:
            continue
        if count < SEVERAL and pattern != turns[0]:
            continue
        if count > 1 and (best is None or count * size > best[1]):
            each = [turn(number) for number in range(count)]
            body = [_said(pattern[step], [one[step] for one in each]) for step in range(size)]
            loop = way.loop(body, start, count, table)
            best = best if loop is None else ([*before, loop], count * size)
    return best


def _entered(first: Opened, second: Opened) -> tuple[Opened, list[p.Statement]]:
    """A first turn that reads other names than the next, and what gives those their values.

    `y = block(image)` before `y = block(x)` is a turn like others after `x = image`.
    """
    names: dict[str, str] = {}
    made: set[str] = set()
    found: Opened = []
    for (guards, mine), (_, following) in zip(first, second):
        new: dict[str, str] = {}
        aligned = _aligned(mine, following, new)
        both = {word for word in new if names.get(word, new[word]) != new[word]}
        if both or made & new.keys() or TWO in new.values():
            return first, []
        names |= new
        if (names.keys() - made) & _reads(mine):
            return first, []
        made |= _makes(mine)
        found.append((guards, aligned))
    if not names or not names.keys() <= made:
        return first, []
    return found, [p.Assign(p.Name(word), p.Name(was)) for word, was in names.items()]


def _aligned(mine: Any, following: Any, names: dict[str, str]) -> Any:
    """A node that reads the names of another that is like it; `names` gets what they stood for."""
    if mine == following or type(mine) is not type(following):
        return mine
    if isinstance(mine, p.Name):
        if names.setdefault(following.id, mine.id) != mine.id:
            names[following.id] = TWO
        return following
    if isinstance(mine, tuple):
        if len(mine) != len(following):
            return mine
        return tuple(_aligned(a, b, names) for a, b in zip(mine, following))
    if not isinstance(mine, p.Expr | p.Statement):
        return mine
    kept = {"targets", "target", "comment"}
    changes = {
        key: _aligned(value, getattr(following, key), names)
        for key, value in vars(mine).items()
        if key not in kept
    }
    return replace(mine, **changes)


def _makes(statement: p.Statement) -> set[str]:
    """The names that a statement gives a value."""
    targets = getattr(statement, "targets", getattr(statement, "target", ()))
    each = targets if isinstance(targets, tuple) else (targets,)
    return {target.id for target in each if isinstance(target, p.Name)}


def _reads(statement: p.Statement) -> set[str]:
    """The names that a statement reads."""
    if isinstance(statement, p.Assign):
        return _words([p.ExprStmt(statement.value)])
    return _words([statement])


def _pattern(
    turns: list[Opened], start: int, way: Members | Labels, table: Table | None
) -> Opened | None:
    """What any turn is: the same lines, but for numbers that a counter or a table says."""
    if turns[-1] == turns[0]:
        return turns[0] if all(turn == turns[0] for turn in turns) else None
    if [len(turn) for turn in turns] != [len(turns[0])] * len(turns):
        return None
    found: Opened = []
    for steps in zip(*turns):
        made = unified([statement for _, statement in steps], HOLE, start, table)
        if made is None or len({guards for guards, _ in steps}) > 1:
            return None
        found.append((steps[0][0], made))
    return found if all(way.counts_only(made) for _, made in found) else None


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
