"""A block as `__init__` and `forward`: which layer is an attribute, what a use of it looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Unsupported
from bmc.emit import pyexpr as p
from bmc.emit.backend import Function, Module, Support
from bmc.emit.body import Body, instances, joined, results
from bmc.emit.lowering import lowered
from bmc.emit.merge import Marked
from bmc.emit.names import TORCH_MODULE, attribute
from bmc.emit.rolled import Members
from bmc.emit.series import SEVERAL, unified
from bmc.emit.values import fixed
from bmc.ir.model import Apply, BlockSpec, Instance, ParamTensor, Repeat, Scan, Value
from bmc.ops.base import Layer, Weight
from bmc.records import replace
from bmc_torch.lower.initializers import initialise
from bmc_torch.lower.table import FRESH, LOWERINGS, OVERWRITING
from bmc_torch.starts import Starts

TAKEN = frozenset({"self", "torch", "nn", "F", "math", "pad_same"})
Construct = Callable[[Instance], p.Call]
Turns = tuple[tuple[p.Expr, p.Expr], ...]  # loops over the copies of repeats: variable, of what


class TorchBody(Body):
    """The body of one class. `construct` gives the constructor of a block's instance."""

    backend = "torch"
    tensor = p.name("Tensor")
    inline = frozenset({"arithmetic", "negate", "index", "add"})

    def __init__(
        self,
        spec: BlockSpec,
        problems: Problems,
        construct: Construct,
        starts: Starts,
        functions: Iterable[str] = (),
    ) -> None:
        super().__init__(spec, problems)
        self.taken = TAKEN | set(functions)  # type: ignore[misc]
        self.construct = construct
        self.starts = starts
        self.init: list[Marked] = []
        self.own_starts: list[tuple[Module, Instance, p.Expr, Turns]] = []
        self.support: list[Support] = []
        self.rules: dict[int, Module | Function | None] = {}
        self.overwriting = Overwriting(spec)

    def begin(self) -> None:
        """The constructors, in the order of the layers."""
        for parameter in self.spec.params:
            self.variables[parameter.value] = _own(parameter.name, "_parameters")
            self._parameter(parameter)
        for instance in instances(self.spec):
            made = self._made(instance)
            if made is not None:
                self._begin(p.Assign(_own(instance.name), made), instance)

    def _begin(self, statement: p.Statement, instance: Instance | None = None) -> None:
        """A line of the constructor, under the choices that its layer hangs on."""
        use = next((use for use in self.applies if use.instance is instance), None)
        guards = () if use is None or use.instance.loops else use.guards
        self.init.append(Marked(-1, guards, statement))

    def _parameter(self, parameter: ParamTensor) -> None:
        """`self.scale = nn.Parameter(torch.ones(64))`"""
        target, shape = _own(parameter.name, "_parameters"), parameter.value.type.shape
        word = {"zeros": "zeros", "ones": "ones"}.get(parameter.init.name, "empty")
        made = p.call("nn.Parameter", p.call(f"torch.{word}", *(shape or ((),))))
        self._begin(p.Assign(target, made))
        if word == "empty":
            calls = initialise(target, parameter.init, Weight(shape, parameter.init))
            if not calls:
                what, reason = f"`{parameter.init.name}`", "it is not lowered yet"
                span = parameter.value.span
                self.problems.add(Unsupported(span, self.backend, what, reason))
            for one in calls:
                self._begin(p.ExprStmt(one))

    def way(self) -> Members:
        """Loops over the members."""
        places: dict[str, list[int]] = {}
        for one in self.spec.instances:
            if len(one.loops) == 1 and not self._formula(one):
                places.setdefault(one.name, []).append(one.loops[0])
        found = {name: sorted(numbers) for name, numbers in places.items()}
        taken = {*self.holders, *self.parameters, *self.spec.settings, *self.taken}
        taken -= self.families.variables
        return Members(found, self._gaps, taken, self.families.sizes)

    def lent(self, owner: Instance, weight: str) -> p.Expr:
        """`self.embed.weight`"""
        return p.Attr(self.path(owner), weight)

    # --- constructors -------------------------------------------------------------------------

    def _made(self, instance: Instance) -> p.Expr | None:
        """The constructor of an attribute; None for what has no state."""
        if instance.loops:
            turns = [one for one in self.spec.instances if one.name == instance.name]
            if instance.place is not None:
                turns = sorted(turns, key=lambda turn: turn.loops)
            made = [(turn, self._single(turn, self.path(turn))) for turn in turns]
            items = [(turn, item) for turn, item in made if item is not None]
            if not items:
                return None
            if instance.name in self._gaps:
                pairs = tuple((p.lit(str(turn.loops[0])), item) for turn, item in items)
                return p.call("nn.ModuleDict", p.DictExpr(pairs))
            return self._listed([item for _, item in items], self._turns(turns))
        return self._single(instance, _own(instance.name))

    def _turns(self, members: list[Instance]) -> Any:
        """How many turns of a loop made the members of a family, as the file says it."""
        for loop in self.spec.loops():
            made = [
                use.instance for turn in loop.turns for use in turn.body if isinstance(use, Apply)
            ]
            if loop.count == len(members) and all(any(m is one for one in made) for m in members):
                return loop.count
        return len(members)

    def _listed(self, made: list[p.Expr], count: Any) -> p.Expr:
        """The members of a family, in one line where they differ by equal steps."""
        if len(made) >= SEVERAL:
            busy = {n.id for one in made for n in p.walk(one) if isinstance(n, p.Name)}
            index = self.counter(busy)
            one = unified(made, index)
            if one is not None:
                alike = all(item == made[0] for item in made)
                index = p.Name("_") if alike else index
                return p.call("nn.ModuleList", p.GeneratorExp(one, index, p.call("range", count)))
            one = unified(made[1:], index, 1) if len(made) > SEVERAL else None
            if one is not None:  # the first begins in its own way
                rest = p.GeneratorExp(one, index, p.call("range", 1, count))
                return p.call("nn.ModuleList", p.ListExpr((made[0], p.Starred(rest))))
        return p.call("nn.ModuleList", p.ListExpr(tuple(made)))

    def _single(self, instance: Instance, target: p.Expr, turns: Turns = ()) -> p.Expr | None:
        if isinstance(instance.target, BlockSpec):
            return self.construct(instance)
        if isinstance(instance.target, Repeat):
            return self._copies(instance, instance.target, target, turns)
        if isinstance(instance.target, Scan):
            return self.construct(instance)
        rule = self._rule(instance)
        if not isinstance(rule, Module):
            return None
        self.starts.add(rule, instance)
        self.own_starts.append((rule, instance, target, turns))
        return rule.constructor

    def _copies(
        self, instance: Instance, repeat: Repeat, target: p.Expr, turns: Turns
    ) -> p.Expr | None:
        parts: list[p.Expr] = []
        done = 0
        runs = joined(repeat.runs, self._said)
        growing = self._growing([copy for _, copy in runs], repeat.count)
        if growing is not None:
            if self._in_row(repeat):
                return p.call("nn.Sequential", p.Starred(growing))
            return p.call("nn.ModuleList", growing)
        for number, copy in runs:
            place, within = self._place(target, done, number, repeat, turns)
            made = self._single(copy, place, within)
            if made is None:
                return None
            count: Any = repeat.count if number == repeat.count else number
            rest = len(runs) == 2 and done == 1
            count = repeat.count - 1 if rest else count
            several = p.GeneratorExp(made, p.Name("_"), p.call("range", count))
            if number == 1 and len(runs) > 1 and not (rest and not fixed(count)):
                parts.append(made)
            elif len(runs) == 1 and not self._in_row(repeat):
                return p.call("nn.ModuleList", several)
            else:
                parts.append(p.Starred(several))
            done += number
        if self._in_row(repeat):
            return p.call("nn.Sequential", *parts)
        return p.call("nn.ModuleList", p.ListExpr(tuple(parts)))

    def _said(self, copy: Instance) -> p.Expr | None:
        """What makes one copy of a repeat."""
        if isinstance(copy.target, BlockSpec):
            return self.construct(copy)
        rule = self._rule(copy)
        return rule.constructor if isinstance(rule, Module) else None

    def _growing(self, copies: list[Instance], count: Any) -> p.GeneratorExp | None:
        """Blocks that differ by numbers of equal distance."""
        if len(copies) != count or not all(isinstance(c.target, BlockSpec) for c in copies):
            return None
        if len(copies) < (SEVERAL if fixed(count) else 2):
            return None
        index = self.counter()
        made = unified([self.construct(copy) for copy in copies], index)
        return None if made is None else p.GeneratorExp(made, index, p.call("range", count))

    def _place(
        self, target: p.Expr, done: int, number: int, repeat: Repeat, turns: Turns
    ) -> tuple[p.Expr, Turns]:
        """Where copies of a repeat are: at a number, or the variable of a loop over several."""
        if number == 1:
            return p.Index(target, (p.lit(done),)), turns
        word = "layer" if not turns else f"layer{len(turns) + 1}"
        while word in self.spec.settings:
            word += "_"
        variable, last = p.Name(word), done + number
        end = None if last == repeat.count else p.lit(last)
        start = p.lit(done) if done else None
        some = p.Index(target, (p.SliceExpr(start, end, None),)) if start or end else target
        return variable, (*turns, (variable, some))

    def _rule(self, instance: Instance) -> Module | Function | None:
        if id(instance) not in self.rules:
            rule = lowered(LOWERINGS, instance, self.problems, names=self.shorter)
            self.rules[id(instance)] = rule
            self.support += rule.support if rule else ()
        return self.rules[id(instance)]

    # --- uses -----------------------------------------------------------------------------------

    def layer(self, use: Apply, args: list[p.Expr]) -> p.Expr | None:
        """`self.conv(x)`, or `F.relu(x)`."""
        rule = self._rule(self.used(use, use.instance))
        if isinstance(rule, Module):
            if not self.alike(use, self._rule(use.instance), rule):
                return None
            return rule.apply(self.path(use.instance), args)
        made = rule.build(args) if rule else None
        op = use.instance.target
        if (
            isinstance(made, p.Call)
            and type(op) in OVERWRITING
            and self.overwriting.allowed(use.inputs[0])
        ):
            made = replace(made, kwargs=(*made.kwargs, ("inplace", p.lit(True))))
        return made

    def block(self, use: Apply, args: list[p.Expr]) -> p.Expr:
        """`self.residual(x)`"""
        return p.Call(self.path(use.instance), tuple(args))

    def scan(self, use: Apply, instance: Instance, args: list[p.Expr]) -> p.Expr:
        """`self.cell(xs, memory)`"""
        return p.Call(self.path(instance), tuple(args))

    def row(self, use: Apply, repeat: Repeat, args: list[p.Expr]) -> p.Expr | None:
        """Copies in a row are one `nn.Sequential`."""
        if not self._in_row(repeat) or self._stateless(repeat):
            return None
        return p.Call(self.path(use.instance), tuple(args))

    def repeat(self, use: Apply, repeat: Repeat, names: list[str]) -> list[p.Statement]:
        """`for layer in self.layers: x = layer(x, memory)`

        Copies that are used in another way than the first, for the shapes that they see, have
        lines of their own.
        """
        targets: tuple[p.Expr, ...] = tuple(p.Name(name) for name in names[: repeat.carried])
        target = targets[0] if len(targets) == 1 else targets
        args: list[p.Expr] = [p.Name(name) for name in names]
        variable, many = self._loop(use, repeat)
        comment = self.comment(use)
        forms = [self._applied(copy, variable, args) for _, copy in repeat.runs]
        if forms[0] is None:
            return []
        if all(form == forms[0] for form in forms):
            return [p.For(variable, many, (p.Assign(target, forms[0], comment=comment),))]
        found: list[p.Statement] = []
        done = 0
        for number, copy in repeat.runs:
            held = p.Index(self.path(use.instance), (p.lit(done),))
            made = self._applied(copy, held if number == 1 else variable, args)
            assert made is not None
            step = p.Assign(
                target, made, comment=comment if done + number == repeat.count else None
            )
            rest = p.Index(
                self.path(use.instance), (p.SliceExpr(p.lit(done), p.lit(done + number)),)
            )
            some = p.call("range", number) if self._stateless(repeat) else rest
            found.append(step if number == 1 else p.For(variable, some, (step,)))
            done += number
        return found

    def _applied(self, copy: Instance, layer: p.Expr, args: list[p.Expr]) -> p.Expr | None:
        """One copy of a repeat, held by an expression, on its inputs."""
        if isinstance(copy.target, BlockSpec | Scan):
            return p.Call(layer, tuple(args))
        rule = self._rule(copy)
        if isinstance(rule, Module):
            return rule.apply(layer, args)
        return rule.build(args) if rule else None

    @cached_property
    def _gaps(self) -> frozenset[str]:
        """The families of layers whose numbers are other than 0, 1, 2, …"""
        places: dict[str, list[int]] = {}
        for one in self.spec.instances:
            if one.place is not None and not self._formula(one):
                places.setdefault(one.name, []).append(one.place)
        return frozenset(n for n, found in places.items() if sorted(found) != [*range(len(found))])

    def path(self, instance: Instance) -> p.Expr:
        """Where an instance is: `self.conv`, `self.blocks[2]`."""
        path = _own(instance.name)
        text = instance.name in self._gaps
        for turn in instance.loops:
            path = p.Index(path, (p.lit(str(turn) if text else turn),))
        return path

    def _loop(self, use: Apply, repeat: Repeat) -> tuple[p.Expr, p.Expr]:
        if self._stateless(repeat):
            return p.Name("_"), p.call("range", repeat.count)
        variable = "layer"
        while variable in self.holders:
            variable += "_"
        return p.Name(variable), self.path(use.instance)

    def _in_row(self, repeat: Repeat) -> bool:
        """Whether each copy takes one value and gives one, by a plain call."""
        if repeat.carried != 1:
            return False
        layer, x = p.Name("layer"), p.Name("x")
        plain = p.Call(layer, (x,))
        return all(
            len(copy.inputs) == 1
            and (isinstance(copy.target, Repeat) or self._applied(copy, layer, [x]) == plain)
            for _, copy in repeat.runs
        )

    def _stateless(self, repeat: Repeat) -> bool:
        (_, copy), *_ = repeat.runs
        return self._formula(copy)

    def _formula(self, instance: Instance) -> bool:
        """Whether the class holds nothing for it."""
        return isinstance(instance.target, Layer) and isinstance(self._rule(instance), Function)

    def unrolled(self, more: Iterable[p.Statement] = ()) -> list[Any]:
        """Also where members that are made in a loop are used one by one."""
        nodes = [node for one in self.statements for node in p.walk(one)]
        alone = {node.base for node in nodes if isinstance(node, p.Index) and _is_place(node)}
        made = [one.statement for one in self.init if isinstance(one.statement, p.Assign)]
        return super().unrolled([*more, *(one for one in made if one.targets not in alone)])

    def finish(self) -> None:
        """Adds what sets the weights of layers that start in their own way, once all are known."""
        for rule, instance, target, turns in self.own_starts:
            made = self.starts.own(rule, instance, target, looped=bool(turns))
            for variable, many in reversed(turns) if made else ():
                made = [p.For(variable, many, tuple(made))]
            for statement in made:
                self._begin(statement, instance)


class Overwriting:
    """Which values of a block one use alone reads, of a layer that does not need them any more."""

    def __init__(self, spec: BlockSpec) -> None:
        self.readers = Counter(value for use in spec.applies() for value in use.inputs)
        self.readers.update(results(spec))
        self.makers = {value: use for use in spec.applies() for value in use.outputs}

    def allowed(self, value: Value) -> bool:
        """Whether the only reader of a value may write into it."""
        maker = self.makers.get(value)
        if self.readers[value] != 1 or maker is None:
            return False
        target = maker.instance.target
        if isinstance(target, Layer):
            LOWERINGS.find(target)  # fills the table
            fresh = FRESH.get(type(target))
            return fresh is not None and fresh(target, tuple(v.type for v in maker.inputs))
        if not isinstance(target, BlockSpec):
            return False
        return Overwriting(target).allowed(results(target)[maker.outputs.index(value)])


def _is_place(node: p.Index) -> bool:
    return len(node.items) == 1 and isinstance(node.items[0], p.Lit)


def _own(name: str, kind: str = "_modules") -> p.Expr:
    """`self.name`; what Python or `nn.Module` owns is found where that keeps its parts."""
    if attribute(name, TORCH_MODULE) == name:
        return p.Attr(p.Name("self"), name)
    return p.Index(p.Attr(p.Name("self"), kind), (p.lit(name),))
