"""One block as the statements of a function: which value has which name, line by line.

Every backend prints a block in the author's order, one layer a line; what a line says is the
backend's own. A value that the author named keeps its name; inside a chain the variable is `x`,
or the name of what the chain makes while an earlier `x` is still needed. A name is used again
only when the value that had it is not needed any more. Knows no backend.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Unsupported
from bmc.emit import pyexpr as p
from bmc.emit.backend import Function, Module
from bmc.emit.families import Families
from bmc.emit.merge import Marked
from bmc.emit.names import identifier
from bmc.emit.rolled import Labels, Members, rolled
from bmc.ir.model import Apply, BlockSpec, Guard, Instance, Repeat, Scan, Value
from bmc.ops.base import Layer
from bmc.records import replace
from bmc.types.symbolic import Const, Num, Real, Sym, expression_of
from bmc.types.tensor import TensorType

RANGE = p.Name("range")
LONGEST_DIM = 24


class Body:
    """Emits the body of one `BlockSpec`. A backend says what a layer, a block, a repeat is."""

    backend: ClassVar[str] = ""
    inline: ClassVar[frozenset[str]] = frozenset()  # layers printed inside other expressions
    tensor: ClassVar[p.Expr]  # the type of a value
    taken: ClassVar[frozenset[str]] = frozenset()  # names of the file that no value may have
    shorter: Mapping[str, str] = MappingProxyType({})  # what helpers of the file are called

    def __init__(self, spec: BlockSpec, problems: Problems) -> None:
        self.spec = spec
        self.problems = problems
        self.statements: list[p.Statement] = []
        self.marked: list[Marked] = []  # the statements by what they come from
        self.parameters: list[str] = []
        self.returns: list[p.Expr] = []
        self.applies = list(spec.applies())
        self.variables: dict[Value, p.Expr] = {}
        self.holders: dict[str, Value] = {}
        self.last_use: dict[Value, int] = {}
        self.inlined: set[Value] = set()
        self.index = 0  # of the use at work
        self.seen: dict[int, Instance] = {}  # layers at further shapes, by use

    # --- what a backend says ----------------------------------------------------------------

    def layer(self, use: Apply, args: list[p.Expr]) -> p.Expr | None:
        """One layer on its inputs; None when it was refused."""
        raise NotImplementedError

    def block(self, use: Apply, args: list[p.Expr]) -> p.Expr | None:
        """One block on its inputs."""
        raise NotImplementedError

    def scan(self, use: Apply, instance: Instance, args: list[p.Expr]) -> p.Expr | None:
        """A block at every step of sequences; `instance` is a scan."""
        raise NotImplementedError

    def row(self, use: Apply, repeat: Repeat, args: list[p.Expr]) -> p.Expr | None:
        """All copies as one call, where the backend has such a thing."""
        return None

    def repeat(self, use: Apply, repeat: Repeat, names: list[str]) -> list[p.Statement]:
        """A loop whose copies take the named values and give them back."""
        raise NotImplementedError

    def lent(self, owner: Instance, weight: str) -> p.Expr:
        """A weight of another layer, or the layer that has it, as the backend's rules take it."""
        raise NotImplementedError

    def borrowed(self, use: Apply) -> list[p.Expr] | None:
        """The weights of other layers that a layer computes with; None when one is out of reach."""
        found: list[p.Expr] = []
        for owner, weight in use.instance.shared.values():
            if not any(owner is one for one in self.spec.instances):
                reason = "the layer that has it is in another block"
                what = "a weight of another layer"
                self.problems.add(Unsupported(use.span, self.backend, what, reason))
                return None
            found.append(self.lent(owner, weight))
        return found

    def arguments(self, use: Apply) -> list[p.Expr]:
        """The inputs of a use."""
        return [self.read(value) for value in use.inputs]

    def used(self, use: Apply, instance: Instance) -> Instance:
        """The layer as this use sees it: a layer made once may be used at several shapes."""
        types = tuple(value.type for value in use.inputs)
        if instance is not use.instance or types == instance.inputs:
            return instance
        if id(use) not in self.seen:
            outputs = tuple(value.type for value in use.outputs)
            self.seen[id(use)] = replace(instance, inputs=types, outputs=outputs)
        return self.seen[id(use)]

    def alike(self, use: Apply, first: Module | Function | None, rule: Module) -> bool:
        """Whether a use takes the layer as it was made for the first; reports it when not."""
        now, then = use.inputs[0].type, use.instance.inputs[0]
        axes = now.rank == then.rank
        known = {
            "anything": True,
            "axes": axes,
            "channels": axes and now.shape[:1] == then.shape[:1],
            "sizes": now.shape == then.shape,
        }
        same = isinstance(first, Module) and first.constructor == rule.constructor
        if same and known[rule.made_for]:
            return True
        what = f"`{use.instance.name}` at this shape"
        reason = "the layer was made for another one, and is built in another way for this"
        self.problems.add(Unsupported(use.span, self.backend, what, reason))
        return False

    def shape(self, value: Value) -> tuple[Any, ...]:
        """The axes of a value as the backend lays them out, without the batch."""
        return value.type.shape

    # --- the walk -----------------------------------------------------------------------------

    def run(self) -> None:
        """Fills `parameters`, `statements` and `returns`."""
        self.families = Families(self.spec, self.safe)
        self.taken = self.taken | set(self.families.sizes)  # type: ignore[misc]
        self._lifetimes()
        for value in (*(e.value for e in self.spec.inputs), *(s.value for s in self.spec.states)):
            name = self.safe(value.name)
            self.parameters.append(name)
            self.hold(value, name)
        self.begin()
        self._mark(-1, ())
        for index, use in enumerate(self.applies):
            self.statements = []
            self._use(use, index)
            self._mark(use.statement, use.guards)
        if any(instance.loops for instance in self.spec.instances):
            self.marked = rolled(self.marked, self.way())
        self.marked = [
            replace(one, statement=self.families.whole(one.statement)) for one in self.marked
        ]
        for word in self.families.sizes:
            said = [one.statement for one in self.marked]
            if self.families.appends(word, said) == 1:
                self.marked = [
                    replace(one, statement=self.families.comprehension(one.statement))
                    for one in self.marked
                ]
            if not self.families.appends(word, [one.statement for one in self.marked]):
                continue
            mentions = [p.Name(word) in p.walk(one.statement) for one in self.marked]
            if True in mentions:
                first = mentions.index(True)
                begin = self.families.begin(word, self.tensor)
                self.marked.insert(first, replace(self.marked[first], statement=begin))
        self.statements = spaced((one.group, one.statement) for one in self.marked)
        self.index = len(self.applies)
        self.returns = [self.read(value) for value in results(self.spec)]

    def begin(self) -> None:
        """What happens before the first layer."""

    def unrolled(self, more: Iterable[p.Statement] = ()) -> list[Any]:
        """How often what the file has as a loop is written out, where a setting says it."""
        nodes = [node for one in (*self.statements, *more) for node in p.walk(one)]
        counts = {node.args for node in nodes if isinstance(node, p.Call) and node.fn == RANGE}
        loops = [loop for loop in self.spec.loops() if loop.count is not None]
        return [loop.count for loop in loops if (p.lit(loop.count),) not in counts]

    def way(self) -> Members | Labels:
        """How members of a family that follow each other become a loop."""
        raise NotImplementedError

    def _mark(self, group: int, guards: tuple[Guard, ...]) -> None:
        own = [one for one in self.statements if not isinstance(one, p.Blank)]
        self.marked += [Marked(group, guards, statement) for statement in own]

    def _lifetimes(self) -> None:
        count: dict[Value, int] = {}
        consumer: dict[Value, Apply] = {}
        for index, use in enumerate(self.applies):
            for value in use.inputs:
                count[value] = count.get(value, 0) + 1
                consumer[value] = use
                self.last_use[value] = index
        outputs = set(results(self.spec))
        for value in outputs:
            self.last_use[value] = len(self.applies)
        for use in reversed(self.applies):
            made = use.outputs[0]
            taker = consumer.get(made)
            if not self._inlines(use) or made in outputs or made.named or taker is None:
                continue
            if made in self.families.places:
                continue
            if count[made] == 1 and self._inlines(taker) and taker.statement == use.statement:
                self.inlined.add(made)
                for value in use.inputs:
                    self.last_use[value] = max(self.last_use[value], self.last_use[made])

    def _inlines(self, use: Apply) -> bool:
        op = use.instance.target
        return isinstance(op, Layer) and op.name in self.inline and len(use.outputs) == 1

    def _use(self, use: Apply, index: int) -> None:
        self.index = index
        args = self.arguments(use)
        target = use.instance.target
        made: p.Expr | None
        if isinstance(target, Repeat):
            made = self.row(use, target, args)
            if made is None:
                self._use_repeat(use, target, args, index)
            else:
                self.store(use, made, index)
            return
        if isinstance(target, BlockSpec):
            made = self.block(use, args)
        elif isinstance(target, Scan):
            made = self.scan(use, use.instance, args)
        else:
            lent = self.borrowed(use)
            made = None if lent is None else self.layer(use, [*args, *lent])
        if made is None:  # refused; the rest may have more to report
            self.variables |= dict.fromkeys(use.outputs, p.Name("_"))
        else:
            self.store(use, made, index)

    def _use_repeat(self, use: Apply, repeat: Repeat, args: list[p.Expr], index: int) -> None:
        names = self._carried(use, args, index)
        before: list[p.Statement] = [
            p.Assign(p.Name(name), arg) for name, arg in zip(names, args) if arg != p.Name(name)
        ]
        rest = [arg.id for arg in args[len(names) :] if isinstance(arg, p.Name)]
        loop = self.repeat(use, repeat, [*names, *rest])
        self.statements += [*before, *loop]
        for value, name in zip(use.outputs, names):
            self.hold(value, name)

    def _carried(self, use: Apply, args: list[p.Expr], index: int) -> list[str]:
        """The variables of what goes round a loop: none hides what the loop still reads."""
        names: list[str] = []
        for place, made in enumerate(use.outputs):
            others = [arg for other, arg in enumerate(args) if other != place]
            busy = {node.id for arg in others for node in p.walk(arg) if isinstance(node, p.Name)}
            names.append(self.name(made, index, busy | set(names)))
        return names

    def store(self, use: Apply, made: p.Expr, index: int) -> None:
        """Gives what a use makes its names."""
        if use.outputs[0] in self.inlined:
            self.variables[use.outputs[0]] = made
            return
        if len(use.outputs) == 1 and isinstance(made, p.Name):  # nothing was done
            (value,) = use.outputs
            held = self.holders.get(made.id)
            if held is not None:
                self.last_use[held] = max(self.last_use.get(held, -1), self.last_use.get(value, -1))
            self.variables[value] = made
            self._append(value)
            return
        names: list[str] = []
        for value in use.outputs:
            listed = any(one in self.families.places for one in use.outputs)
            unread = len(use.outputs) > 1 and value not in self.last_use and not listed
            if unread:
                names.append("_")
                self.variables[value] = p.Name("_")
                continue
            names.append(self.name(value, index))
            self.hold(value, names[-1])
            self.last_use.setdefault(value, index)
        targets: tuple[p.Expr, ...] = tuple(p.Name(name) for name in names)
        target = targets if len(targets) > 1 else targets[0]
        self.statements.append(p.Assign(target, made, comment=self.comment(use)))
        for value in use.outputs:
            self._append(value)

    def _append(self, value: Value) -> None:
        """`skips.append(skip)`"""
        if value in self.families.places:
            word, _ = self.families.places[value]
            kept = self.variables[value]
            self.statements.append(p.ExprStmt(p.method(p.Name(word), "append", kept)))

    # --- names of values ------------------------------------------------------------------------

    def read(self, value: Value) -> p.Expr:
        """The expression that stands for a value."""
        if value in self.families.places:
            made = self.variables[value]
            held = isinstance(made, p.Name) and self.holders.get(made.id) is value
            here = held and self.families.here(value, self._use_of(self.index))
            return made if here else self.families.member(value)
        return self.variables[value]

    def hold(self, value: Value, name: str) -> None:
        """Gives a value a variable."""
        self.holders[name] = value
        self.variables[value] = p.Name(name)

    def safe(self, text: str) -> str:
        """The author's word as a variable that hides nothing of the file."""
        word = identifier(text)
        while word in self.taken:
            word += "_"
        return word

    def counter(self, busy: Container[str] = ()) -> p.Name:
        """A variable that counts: no setting or size, and no value at hand."""
        words = {identifier(name) for name in self.spec.settings} | set(self.holders)
        for entry in self.spec.inputs:
            words |= {name for dim in entry.value.type.shape for name in expression_of(dim).names()}
        word = next((w for w in "ijkn" if w not in words and w not in busy), "i_")
        while word in words or word in busy:
            word += "_"
        return p.Name(word)

    def name(self, value: Value, index: int, busy: Container[str] = ()) -> str:
        """A variable for what use number `index` makes, none of those that are busy."""
        own = self.safe(value.name)
        if value in self.families.places:
            own = self.safe(self.families.variable(value))
            if own not in busy and self._free(own, index):
                return own
        holder = self.holders.get("x")
        theirs = holder is not None and holder.named  # `x` is a word of the author's here
        for wanted in (own,) if value.named or theirs else ("x", own):
            if wanted not in busy and self._free(wanted, index):
                return wanted
        number = 2
        while f"{own}_{number}" in busy or not self._free(f"{own}_{number}", index):
            number += 1
        return f"{own}_{number}"

    def _use_of(self, index: int) -> Apply | None:
        return self.applies[index] if 0 <= index < len(self.applies) else None

    def _free(self, name: str, index: int) -> bool:
        held = self.holders.get(name)
        if held in self.families.places and not self.families.here(held, self._use_of(index)):
            return True  # it is in the list
        return held is None or self.last_use.get(held, -1) <= index

    # --- comments ---------------------------------------------------------------------------------

    def comment(self, use: Apply) -> str | None:
        """The shape of what a use makes, where it is news."""
        (made, *others) = use.outputs
        op = use.instance.target
        if others:
            return None
        text = shape_text(self.shape(made), made.type, self.spec)
        before = None
        if use.inputs:  # as words: sizes may be alike here and not where else the block is used
            before = shape_text(self.shape(use.inputs[0]), use.inputs[0].type, self.spec)
        said = isinstance(op, Layer) and op.says_shape
        return text if before != text or said else None


def results(spec: BlockSpec) -> list[Value]:
    """What a block gives: its outputs, then what its states are at the next step."""
    following = [state.next for state in spec.states if state.next is not None]
    return [*(output.value for output in spec.outputs), *following]


def spaced(lines: Iterable[tuple[int, p.Statement]]) -> list[p.Statement]:
    """Statements, with an empty line around several that belong together, and around an `if`."""
    groups: list[list[p.Statement]] = []
    last: int | None = None
    for number, statement in lines:
        alone = isinstance(statement, p.IfStmt)
        if number == last and not alone:
            groups[-1].append(statement)
        else:
            groups.append([statement])
        last = None if alone else number
    found: list[p.Statement] = []
    before = False
    for group in groups:
        long = len(group) > 1 or isinstance(group[0], p.IfStmt)
        if found and (before or long):
            found.append(p.Blank())
        found += group
        before = long
    return found


def shape_text(shape: Sequence[Any], kind: TensorType, spec: BlockSpec) -> str | None:
    """`(B, 64, 56, 56)`; None where a size has no short name in this block."""
    parts = ["B"] if kind.batched else []
    for dim in shape:
        text = _dim_text(dim, spec)
        if len(text) > LONGEST_DIM:
            return None
        parts.append(text)
    inner = ", ".join(parts)
    return f"({inner},)" if len(parts) == 1 else f"({inner})"


def _dim_text(dim: Any, spec: BlockSpec) -> str:
    if isinstance(dim, Sym):
        return str(dim)
    if spec.kind == "model" or not isinstance(dim, Num | Real):
        return str(int(dim))
    expression = expression_of(dim)
    return str(int(dim)) if isinstance(expression, Const) else str(expression)


def instances(spec: BlockSpec) -> list[Instance]:
    """The layers of a block in order; those of one place in a loop once, by the first."""
    found: dict[str, Instance] = {}
    for instance in spec.instances:
        found.setdefault(instance.name, instance)
    return list(found.values())


def joined(
    runs: list[tuple[int, Instance]], said: Callable[[Instance], p.Expr | None]
) -> list[tuple[int, Instance]]:
    """The runs of a repeat, those in a row as one that are said alike.

    They may differ in what no program says, as in where their input comes from.
    """
    found: list[tuple[int, Instance]] = []
    if len(runs) < 2 or not all(isinstance(copy.target, BlockSpec | Layer) for _, copy in runs):
        return runs
    before: p.Expr | None = None
    for number, copy in runs:
        made = said(copy)
        if found and made == before:
            found[-1] = (found[-1][0] + number, found[-1][1])
        else:
            found.append((number, copy))
        before = made
    return found
