"""Several ways of printing one block as one: what some uses have and others have not, under `if`.

A block is printed for each way in which its uses decide its conditions. Here such texts are laid
side by side. What all have stands once; what hangs on a condition stands under it; a value that
some uses make and others take as it is gets its name on both sides. Each use then runs the very
statements that were printed for it. Where that can't be shown, the texts stay apart.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from bmc.emit import pyexpr as p
from bmc.ir.model import Choice, Guard, Test
from bmc.records import field, record, replace
from bmc.types import symbolic
from bmc.types.symbolic import Var

Environment = Mapping[str, Any]  # settings and dimensions of one use
NODE = p.name("g.add")  # a node of ONNX that has no weights
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
OPERATORS = {
    **symbolic.OPERATORS,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Apart(Exception):
    """Two texts that can't be one."""


@record
class Marked:
    """A statement, the line of the source that it belongs to, and the choices that it hangs on.

    An `added` one gives a value a further name, and changes nothing that is printed without it.
    """

    group: int
    guards: tuple[Guard, ...]
    statement: p.Statement
    added: bool = False


@record
class Fork:
    """What stands under a condition; a side that no use takes is None."""

    key: Guard
    sides: tuple[list[Node] | None, list[Node] | None]  # where it holds not, and where it does


Node = Marked | Fork


@record(frozen=False)
class Variant:
    """One text of a block, or several that are one already, and who uses it."""

    nodes: list[Node]
    inputs: frozenset[str]
    returns: list[p.Expr]
    tests: dict[Guard, Test]
    taken: dict[Guard, set[bool]]
    uses: list[Environment] = field(default_factory=list)

    @staticmethod
    def of(
        marked: Sequence[Marked],
        inputs: Sequence[str],
        returns: Sequence[p.Expr],
        choices: Mapping[Guard, Choice],
        uses: Sequence[Environment],
    ) -> Variant:
        """What was printed for uses that make the same choices. Raises `Apart`."""
        tests = {key: choice.test for key, choice in choices.items() if choice.test is not None}
        if any(guard not in tests for one in marked for guard in one.guards):
            raise Apart
        for key, test in tests.items():
            if any(bool(evaluate(expression(test), use)) != choices[key].taken for use in uses):
                raise Apart
        taken = {key: {choice.taken} for key, choice in choices.items()}
        outcomes = {key: choice.taken for key, choice in choices.items()}
        nodes = _tree(marked, outcomes, 0)
        return Variant(nodes, frozenset(inputs), list(returns), tests, taken, list(uses))

    def statements(self) -> list[p.Statement]:
        """The text, without empty lines."""
        return [statement for _, statement in self.groups()]

    def groups(self) -> list[tuple[int, p.Statement]]:
        """The text, each statement with its line in the source."""
        return _printed(self.nodes, self.tests)


def _tree(marked: Sequence[Marked], taken: Mapping[Guard, bool], depth: int) -> list[Node]:
    """Statements under the same condition, one after the other, as one fork."""
    found: list[Node] = []
    inside: list[Marked] = []

    def close() -> None:
        if inside:
            key = inside[0].guards[depth]
            arm = _tree(inside, taken, depth + 1)
            found.append(Fork(key, (None, arm) if taken[key] else (arm, None)))
            inside.clear()

    for one in marked:
        if len(one.guards) <= depth or (inside and one.guards[depth] != inside[0].guards[depth]):
            close()
        if len(one.guards) > depth:
            inside.append(one)
        else:
            found.append(one)
    close()
    return found


# --- putting two side by side -----------------------------------------------------------------


def merged(first: Variant, second: Variant) -> Variant:
    """Both as one. Raises `Apart`."""
    return _Merge(first, second).run()


class _Merge:
    def __init__(self, first: Variant, second: Variant) -> None:
        self.first, self.second = first, second
        self.inputs = first.inputs
        self.done: list[list[Node]] = []  # what is out already, around and before
        self.labels: dict[p.Expr, p.Expr] = {}  # of nodes that one text calls otherwise
        if first.inputs != second.inputs:
            raise Apart

    def run(self) -> Variant:
        tests = self.first.tests | self.second.tests
        nodes: list[Node] = []
        self._align(self.first.nodes, self.second.nodes, nodes)
        self.done = [nodes]
        if len(self.first.returns) != len(self.second.returns):
            raise Apart
        returns = [self.both(a, b) for a, b in zip(self.first.returns, self.second.returns)]
        kept = _labels(self.first.nodes) - set(self.labels)
        if kept & set(self.labels.values()):
            raise Apart  # two nodes would have one name
        taken = {key: set(sides) for key, sides in self.first.taken.items()}
        for key, sides in self.second.taken.items():
            taken.setdefault(key, set()).update(sides)
        uses = self.first.uses + self.second.uses
        return Variant(nodes, self.inputs, returns, tests, taken, uses)

    def _align(self, left: list[Node], right: list[Node], out: list[Node]) -> None:
        self.done.append(out)
        a, b = _copied(left), _copied(right)
        while a or b:
            one, other = (a[0] if a else None), (b[0] if b else None)
            if isinstance(one, Fork) and isinstance(other, Fork) and one.key == other.key:
                self._fork(a.pop(0), b.pop(0), out)  # type: ignore[arg-type]
            elif isinstance(one, Fork) and not (isinstance(other, Fork) and other.key < one.key):
                out.append(self._lacking(one, self.second))
                a.pop(0)
            elif isinstance(other, Fork):
                out.append(self._lacking(other, self.first))
                b.pop(0)
            elif one != other and self._added(one, self.second):
                out.append(a.pop(0))
            elif one != other and self._added(other, self.first):
                out.append(b.pop(0))
            elif isinstance(one, Marked) and isinstance(other, Marked):
                out.append(replace(one, statement=self.both(one.statement, other.statement)))
                a.pop(0), b.pop(0)
            else:
                raise Apart
        self.done.pop()

    def _added(self, node: Node | None, other: Variant) -> bool:
        """Whether a statement may stand in the other text, which it changes nothing of."""
        if not isinstance(node, Marked) or not node.added:
            return False
        return not _assigned([node]) & (_assigned(other.nodes) | self.inputs)

    def _lacking(self, fork: Fork, other: Variant) -> Fork:
        """A fork that the other text has nothing of: its uses took the side without statements."""
        taken = other.taken.get(fork.key)
        if not taken:
            raise Apart
        sides = list(fork.sides)
        for outcome in taken:
            if not all(self._added(node, other) for node in sides[outcome] or ()):
                raise Apart
            sides[outcome] = sides[outcome] or []
        return Fork(fork.key, (sides[0], sides[1]))

    def _fork(self, one: Fork, other: Fork, out: list[Node]) -> None:
        sides: list[list[Node] | None] = []
        for mine, theirs in zip(one.sides, other.sides):
            if mine is None or theirs is None:
                sides.append(theirs if mine is None else mine)
                continue
            arm: list[Node] = []
            self._align(mine, theirs, arm)
            sides.append(arm)
        out.append(Fork(one.key, (sides[0], sides[1])))

    # --- expressions ----------------------------------------------------------------------------

    def both(self, a: Any, b: Any) -> Any:
        """What stands for both in the text of both. Raises `Apart`."""
        if a == b and type(a) is type(b):
            return a
        if isinstance(a, p.Name) and isinstance(b, p.Name):
            return self._named(a, b)
        if isinstance(a, p.Expr) and isinstance(b, p.Expr):
            number = self._number(a, b)
            if number is not None:
                return number
        if isinstance(a, tuple) and isinstance(b, tuple):
            a, b = _alike(a), _alike(b)
            if len(a) == len(b):
                return tuple(self.both(mine, theirs) for mine, theirs in zip(a, b))
            raise Apart
        if type(a) is not type(b) or not isinstance(a, p.Expr | p.Statement):
            raise Apart
        mine, theirs = vars(a), vars(b)
        if isinstance(a, p.Call) and a.fn == b.fn == NODE:
            mine = {**mine, "kwargs": self._labelled(a, b)}
        made: dict[str, Any] = {}
        for key, value in mine.items():
            if key == "comment":
                made[key] = value if value == theirs[key] else None
            elif key == "kwargs":
                made[key] = self.both(_calm(value, theirs[key]), _calm(theirs[key], value))
            else:
                made[key] = self.both(value, theirs[key])
        return replace(a, **made)

    def _labelled(self, a: p.Call, b: p.Call) -> tuple[tuple[str, p.Expr], ...]:
        """The arguments of a node without weights, with the name that the second text has."""
        mine, theirs = dict(a.kwargs), dict(b.kwargs)
        if "name" in mine and "name" in theirs:
            label = self.labels.setdefault(mine["name"], theirs["name"])
            if label != theirs["name"]:
                raise Apart
            mine["name"] = label
        return tuple(mine.items())

    def _number(self, a: p.Expr, b: p.Expr) -> p.Expr | None:
        """The one of two numbers that is right in the uses of both."""
        mine = [(use, evaluate(a, use)) for use in self.first.uses]
        theirs = [(use, evaluate(b, use)) for use in self.second.uses]
        wanted = [*mine, *theirs]
        if any(value is None or isinstance(value, bool) for _, value in wanted):
            return None
        for candidate in sorted((b, a), key=_is_literal):
            if all(evaluate(candidate, use) == value for use, value in wanted):
                return candidate
        return None

    def _named(self, a: p.Name, b: p.Name) -> p.Name:
        """A value that one text makes under a condition and the other has under another name."""
        for name, other, side in ((b, a, self.second), (a, b, self.first)):
            around: list[Node] = [node for nodes in self.done for node in nodes]
            for place, node in reversed(list(enumerate(around))):
                if isinstance(node, Fork) and self._makes(node, name, side):
                    if name.id in _assigned(around[:place]) | self.inputs:
                        raise Apart  # it may be something else there
                    if other.id in _assigned(around[place + 1 :]):
                        raise Apart  # it is something else by now
                    self._alias(node, name, other, side)
                    return name
        raise Apart

    def _makes(self, fork: Fork, name: p.Name, side: Variant) -> bool:
        """Whether one side of a fork, which the uses of one text take, makes a variable."""
        theirs = self.second if side is self.first else self.first
        for outcome, arm in enumerate(fork.sides):
            if arm is not None and name.id in _assigned(arm):
                there = side.taken.get(fork.key, set())
                return there == {bool(outcome)} and theirs.taken.get(fork.key) == {not outcome}
        return False

    def _alias(self, fork: Fork, name: p.Name, other: p.Name, side: Variant) -> None:
        """Gives a value its name on the other side of a fork, too."""
        (outcome,) = side.taken[fork.key]
        arm = fork.sides[not outcome]
        assert arm is not None
        statement = p.Assign(name, other)
        if all(one.statement != statement for one in arm if isinstance(one, Marked)):
            if name.id in _assigned(arm):
                raise Apart
            group = next((one.group for one in _leaves([fork])), 0)
            arm.append(Marked(group, (), statement, added=True))


def _copied(nodes: Sequence[Node]) -> list[Node]:
    """Nodes whose forks can be added to, without a change to the text that they are from."""

    def side(arm: list[Node] | None) -> list[Node] | None:
        return None if arm is None else _copied(arm)

    return [
        Fork(node.key, (side(node.sides[0]), side(node.sides[1])))
        if isinstance(node, Fork)
        else node
        for node in nodes
    ]


def _leaves(nodes: Sequence[Node]) -> list[Marked]:
    found: list[Marked] = []
    for node in nodes:
        if isinstance(node, Marked):
            found.append(node)
        else:
            for side in node.sides:
                found += _leaves(side or ())
    return found


def _assigned(nodes: Sequence[Node]) -> set[str]:
    """The variables that statements give a value."""
    found: set[str] = set()
    for leaf in _leaves(nodes):
        for inner in p.walk(leaf.statement):
            for attribute in ("targets", "target"):
                made = getattr(inner, attribute, None) if isinstance(inner, p.Statement) else None
                each = made if isinstance(made, tuple) else (made,)
                found |= {target.id for target in each if isinstance(target, p.Name)}
    return found


def _labels(nodes: Sequence[Node]) -> set[p.Expr]:
    """The names of nodes."""
    calls = [inner for leaf in _leaves(nodes) for inner in p.walk(leaf.statement)]
    pairs = [pair for call in calls if isinstance(call, p.Call) for pair in call.kwargs]
    return {value for key, value in pairs if key == "name"}


def _alike(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(item for item in items if not isinstance(item, p.Blank))


def _calm(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments without `inplace`, which one text may say and the other not."""
    words = {key for key, _ in theirs}
    return tuple(pair for pair in mine if pair[0] != "inplace" or "inplace" in words)


def _is_literal(node: p.Expr) -> bool:
    return not any(isinstance(inner, p.Var) for inner in p.walk(node))


# --- conditions -------------------------------------------------------------------------------


def expression(test: Any) -> p.Expr:
    """A test as Python."""
    if not isinstance(test, Test):
        return p.Var(test.name) if isinstance(test, Var) else p.lit(test)
    if test.operator == "is":
        return expression(test.left)
    if test.operator == "not":
        return _negated(expression(test.left))
    sides = expression(test.left), expression(test.right)
    if test.operator in ("and", "or"):
        return p.Bin(test.operator, *sides)
    return p.Compare(test.operator, *sides)


def _negated(test: p.Expr) -> p.Expr:
    if isinstance(test, p.Compare) and test.op in OPPOSITE:
        return p.Compare(OPPOSITE[test.op], test.left, test.right)
    if isinstance(test, p.Un) and test.op == "not":
        return test.operand
    if isinstance(test, p.Bin) and test.op in ("and", "or"):  # de Morgan
        other = "or" if test.op == "and" else "and"
        return p.Bin(other, _negated(test.left), _negated(test.right))
    return p.Un("not", test)


def evaluate(node: p.Expr, use: Environment) -> Any:
    """What a number or a condition is for a use; None where that is not known."""
    if isinstance(node, p.Lit):
        return node.value
    if isinstance(node, p.Var):
        return use.get(node.name)
    if isinstance(node, p.Un):
        value = evaluate(node.operand, use)
        if value is None or node.op not in ("-", "not"):
            return None
        return -value if node.op == "-" else not value
    if isinstance(node, p.Bin | p.Compare) and node.op in OPERATORS:
        left, right = evaluate(node.left, use), evaluate(node.right, use)
        if left is None or right is None:
            return None
        try:
            value = OPERATORS[node.op](left, right)
        except (ArithmeticError, TypeError):
            return None
        return None if isinstance(value, float) and not math.isfinite(value) else value
    return None


# --- printing ---------------------------------------------------------------------------------


def _printed(nodes: Sequence[Node], tests: Mapping[Guard, Test]) -> list[tuple[int, p.Statement]]:
    found: list[tuple[int, p.Statement]] = []
    for node in nodes:
        if isinstance(node, Marked):
            found.append((node.group, node.statement))
            continue
        otherwise, then = node.sides
        if otherwise is None or then is None:  # the same in all uses
            found += _printed(then if otherwise is None else otherwise, tests)  # type: ignore[arg-type]
            continue
        groups = [group for group, _ in _printed([*then, *otherwise], tests)]
        bodies = [tuple(s for _, s in _printed(side, tests)) for side in (then, otherwise)]
        test = expression(tests[node.key])
        if not bodies[0]:
            test, bodies = _negated(test), bodies[::-1]
        if bodies[0]:
            found.append((groups[0], p.IfStmt(test, *bodies)))
    return found
