"""A block as the body of a function on Keras tensors.

Values with channels first in the language are laid out channels last where a layer wants it so;
a value is turned once, when a layer needs its other form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Unsupported
from bmc.emit import pyexpr as p
from bmc.emit.backend import Module, Support
from bmc.emit.body import results, shape_text
from bmc.emit.function_body import FunctionBody, state_types
from bmc.emit.helpers import Helpers
from bmc.emit.lowering import lowered
from bmc.emit.names import identifier
from bmc.emit.parts import filled
from bmc.ir.model import Apply, BlockSpec, Instance, ParamTensor, Repeat, Scan, Value
from bmc.ops.base import Layer
from bmc.types.symbolic import known
from bmc.types.tensor import TensorType
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import LAYOUTS, LOWERINGS, RESULTS, Layout, part

# What calls a block: its instance, which of its inputs are channels last, its name, its values.
Construct = Callable[[Instance, tuple[bool, ...], p.Expr, list[p.Expr]], p.Call]
Results = Callable[[BlockSpec, tuple[bool, ...]], tuple[bool, ...]]
PARAMETER = part("Parameter")
SCAN, SCANS = "Scan", ("keras", "layers", "ops")  # runs a block's model at every step
RESERVED = frozenset({"keras", "layers", "math", "name", "np", "ops"})


class KerasBody(FunctionBody):
    """The body of one function."""

    backend = "keras"
    tensor = p.name("keras.KerasTensor")
    inline = frozenset({"arithmetic", "negate", "add"})

    def __init__(
        self,
        spec: BlockSpec,
        problems: Problems,
        helpers: Helpers,
        construct: Construct,
        results: Results,
        turns_in: Callable[[BlockSpec, tuple[bool, ...]], int],
        last: tuple[bool, ...],
        others: Iterable[str] = (),
    ) -> None:
        super().__init__(spec, problems)
        self.taken = RESERVED | helpers.names() | set(others)  # type: ignore[misc]
        self.helpers, self.construct, self.results = helpers, construct, results
        self.turns_in = turns_in
        self.turns = 0  # of values to the other layout
        self.given = last
        self.last: dict[Value, bool] = {}
        self.forms: dict[tuple[Value, bool], p.Expr] = {}
        self.support: list[Support] = []
        self.variables_of_layers: set[str] = set()
        self.rules: dict[int, Module] = {}  # of the layers that are made
        self.made: dict[int, p.Expr] = {}  # layers and blocks that are used twice
        self.read_until: dict[Value, int] = {}  # when a model's inputs are read last
        self.inner = False  # whether there is a model in the model

    def begin(self) -> None:
        """Notes how the inputs are laid out."""
        for entry, last in zip(self.spec.inputs, self.given):
            self._laid(entry.value, last)
        for parameter in self.spec.params:
            self._parameter(parameter)

    def _lifetimes(self) -> None:
        """A model's inputs are needed at its end, where `keras.Model` takes them."""
        super()._lifetimes()
        if self.spec.kind == "model":
            inputs = [entry.value for entry in self.spec.inputs]
            self.read_until = {value: self.last_use.get(value, 0) for value in inputs}
            self.last_use |= dict.fromkeys(inputs, len(self.applies))

    def _parameter(self, parameter: ParamTensor) -> None:
        """`scale = Parameter((64,), "ones", name="scale")(x)`"""
        start = initializer(parameter.init)
        if start is None:
            what, reason = f"`{parameter.init.name}`", "it is not lowered yet"
            self.problems.add(Unsupported(parameter.value.span, self.backend, what, reason))
            return
        self.support.append(PARAMETER)
        shape = p.lit(tuple(parameter.value.type.shape))
        named = {"name": self.within(parameter.name)}
        made = p.call("Parameter", shape, start, **named)
        variable = self.name(parameter.value, -1)
        self.hold(parameter.value, variable)
        self._laid(parameter.value, False)
        first = self.variables[self.spec.inputs[0].value]
        self.statements.append(p.Assign(p.Name(variable), p.Call(made, (first,))))

    def lent(self, owner: Instance, weight: str) -> p.Expr:
        """The layer that has the weight."""
        return self.made[id(owner)]

    def _laid(self, value: Value, last: bool) -> None:
        self.last[value] = last
        self.forms[value, last] = self.variables[value]

    # --- layouts --------------------------------------------------------------------------------

    def wanted(self, use: Apply) -> bool:
        """Whether a use takes its values channels last."""
        target = use.instance.target
        if isinstance(target, Scan):
            return False
        if isinstance(target, Layer):
            layout = _layout(target, self.used(use, use.instance))
            if layout != "any":
                return layout == "last"
        spatial = [v for v in use.inputs if v.type.rank > 1]
        here = bool(spatial) and all(self.last.get(value, False) for value in spatial)
        if isinstance(target, Repeat):
            return self._kept(target, here)
        if isinstance(target, BlockSpec) and not here:
            # What the block would turn first of all is turned for it: so it has one text.
            first, last = ((way,) * len(use.inputs) for way in (False, True))
            taken = tuple(way and v.type.rank > 1 for way, v in zip(last, use.inputs))
            return self.turns_in(target, taken) < self.turns_in(target, first)
        return here

    def _kept(self, repeat: Repeat, here: bool) -> bool:
        """The layout in which a copy gives its values as it took them; `here` if both do."""
        (_, copy), *_ = repeat.runs
        if isinstance(copy.target, Scan):
            return False
        if isinstance(copy.target, Layer):
            layout = _layout(copy.target, copy)
            return here if layout == "any" else layout == "last"
        for last in (here, not here):
            taken = tuple(last and kind.rank > 1 for kind in copy.inputs)
            assert isinstance(copy.target, BlockSpec)
            given = self.results(copy.target, taken)
            if given[: repeat.carried] == taken[: repeat.carried]:
                return last
        return here

    def arguments(self, use: Apply) -> list[p.Expr]:
        """The inputs of a use in the layout that it takes."""
        last = self.wanted(use)
        return [self.form(value, last) for value in use.inputs]

    def form(self, value: Value, last: bool) -> p.Expr:
        """A value in one layout; turned where it is not there yet."""
        if value.type.rank < 2 or self.last.get(value, False) == last:
            return self.read(value)
        if (value, last) not in self.forms:
            self.forms[value, last] = self._turn(value, last)
        return self.forms[value, last]

    def _turn(self, value: Value, last: bool) -> p.Expr:
        made = _turned(self.read(value), value.type.rank, last)
        self.turns += 1
        turned = Value(value.type, value.name, value.span)
        until = self.last_use.get(value, self.index)
        self.last_use[turned] = self.read_until.get(value, until)
        if until <= self.index:  # the use takes the turned value; its other inputs are read yet
            self.last_use[value] = self.index - 1
        target = self.name(turned, self.index - 1)
        if self.holders.get(target) is value:
            del self.forms[value, not last]
        self.holders[target] = turned
        text = shape_text(_shape(value.type, last), value.type, self.spec)
        words = "channels last" if last else "channels first"
        comment = f"{text}: {words}" if text else words
        self.statements.append(p.Assign(p.Name(target), made, comment=comment))
        return p.Name(target)

    def shape(self, value: Value) -> tuple[Any, ...]:
        """The axes as Keras has them."""
        return _shape(value.type, self.last.get(value, False))

    def store(self, use: Apply, made: p.Expr, index: int) -> None:
        """Gives what a use makes its names, and notes how it is laid out."""
        super().store(use, made, index)
        for value in use.outputs:
            self.forms[value, self.last[value]] = self.variables[value]

    # --- uses -------------------------------------------------------------------------------------

    def make(
        self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Expr | None:
        """`conv(6, kernel_size=5, name="conv1")(x)`, or `ops.relu(x)`."""
        first, instance = instance, self.used(use, instance)
        last = self.wanted(use)
        result = RESULTS.get(type(instance.target))  # type: ignore[arg-type]
        laid = result(instance.target, instance.given_types, last) if result else last
        for value in use.outputs:
            self.last[value] = laid and value.type.rank > 1
        rule = lowered(LOWERINGS, instance, self.problems, last, self.shorter)
        if rule is None:
            return None
        self.support += rule.support
        if not isinstance(rule, Module):
            return rule.build(args)
        if id(first) not in self.made:
            again = self.uses(first) > 1 or bool(first.lends)
            self._keep(first, self.helpers.use(rule, label), again)
            self.rules[id(first)] = rule
        if not self.alike(use, self.rules[id(first)], rule):
            return None
        return rule.apply(self.made[id(first)], args)

    def forget(self, copy: Instance) -> None:
        """That a layer was made, under a name that it has not."""
        self.made.pop(id(copy), None)

    def _keep(self, instance: Instance, made: p.Expr, again: bool) -> None:
        """What makes a layer, or the variable that holds it where it is needed again."""
        if again:
            made = self._assigned(instance.name, made)
        self.made[id(instance)] = made

    @cached_property
    def _values(self) -> frozenset[str]:
        """What the values of the block may be called."""
        return frozenset(self.safe(v.name) for use in self.applies for v in use.outputs)

    def _assigned(self, name: str, made: p.Expr) -> p.Name:
        """A variable of that name, or as near to it as can be, for a layer."""
        word = self.safe(name)
        held = (self.holders, self.variables_of_layers, self._values)
        while any(word in names for names in held):
            word += "_"
        self.variables_of_layers.add(word)
        self.statements.append(p.Assign(p.Name(word), made))
        return p.Name(word)

    def call(self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]) -> p.Expr:
        """`residual(x, filters=16, name="residual")`"""
        assert isinstance(instance.target, BlockSpec)
        last = tuple(self.wanted(use) and kind.rank > 1 for kind in instance.inputs)
        if self.uses(instance) > 1:
            made = self._again(instance, last, label, args)
        else:
            made = self.construct(instance, last, label, args)
        for value, laid in zip(use.outputs, self.results(instance.target, last)):
            self.last[value] = laid
        return made

    def _again(
        self, instance: Instance, last: tuple[bool, ...], label: p.Expr, args: list[p.Expr]
    ) -> p.Call:
        """`tower(x)`: a model of its own, made at the first use."""
        if id(instance) not in self.made:
            self.inner = True
            inputs: list[p.Expr] = []
            for number, (kind, laid) in enumerate(zip(instance.inputs, last), start=1):
                end = "" if len(last) == 1 else str(number)
                entry = p.call("keras.Input", **input_settings(kind, laid))
                inputs.append(self._assigned(f"{instance.name}_input{end}", entry))
            inside = self.construct(instance, last, label, inputs)
            taken = inputs[0] if len(inputs) == 1 else p.ListExpr(tuple(inputs))
            model = p.call("keras.Model", taken, inside, name=label)
            self.made[id(instance)] = self._assigned(instance.name, model)
        given = args[0] if len(args) == 1 else p.ListExpr(tuple(args))
        return p.Call(self.made[id(instance)], (given,))

    def scan_call(
        self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Expr:
        """`Scan(cell_step, (0,), (0.0,), name="cell")([words, memory])[0]`"""
        for value in use.outputs:
            self.last[value] = False
        if id(instance) not in self.made:
            self._keep(instance, self._scan(instance, label), self.uses(instance) > 1)
        made = p.Call(self.made[id(instance)], (p.ListExpr(tuple(args)),))
        return made if len(instance.outputs) > 1 else p.Index(made, (p.lit(0),))

    def _scan(self, instance: Instance, label: p.Expr) -> p.Expr:
        """The layer of a scan, after the model of a step."""
        scan = instance.target
        assert isinstance(scan, Scan) and isinstance(scan.step.target, BlockSpec)
        several = sum(scan.split) > 1  # `ops.scan` goes through one sequence of unknown length
        made = filled("bmc_keras", "scan.py", SCAN, SCANS, int(several), several=several)
        self.support.append(made)
        spec = scan.step.target
        own = (False,) * (len(spec.inputs) + len(spec.states))
        stem = instance.name or "step"
        values = [entry.value for entry in spec.inputs] + [state.value for state in spec.states]
        inputs: list[p.Expr] = []
        for value, kind in zip(values, (*scan.step.inputs, *state_types(scan))):
            entry = p.call("keras.Input", **input_settings(kind))
            inputs.append(self._assigned(f"{stem}_{identifier(value.name)}", entry))
        ends = self._step_ends(spec, self.construct(scan.step, own, label, inputs), own, stem)
        model = p.call("keras.Model", p.ListExpr(tuple(inputs)), ends)
        step = self._assigned(f"{stem}_step", model)
        starts = p.TupleExpr(tuple(p.lit(state.start) for state in spec.states))
        sequences = tuple(place for place, split in enumerate(scan.split) if split)
        return p.call("Scan", step, sequences, starts, name=label)

    def _step_ends(self, spec: BlockSpec, made: p.Expr, own: tuple[bool, ...], stem: str) -> p.Expr:
        """What a step gives, as a list of values in the language's layout."""
        laid = self.results(spec, own)
        if not any(laid):
            return p.call("list", made) if len(laid) > 1 else p.ListExpr((made,))
        names = [p.Name(f"{stem}_result{number}") for number in range(1, len(laid) + 1)]
        targets: tuple[p.Expr, ...] = tuple(names)
        self.statements.append(p.Assign(targets if len(laid) > 1 else targets[0], made))
        ends: list[p.Expr] = []
        for name, last, value in zip(names, laid, results(spec)):
            ends.append(_turned(name, value.type.rank, False) if last else name)
        return p.ListExpr(tuple(ends))

    def restored(self, use: Apply, copy: Instance, names: list[str]) -> list[p.Statement]:
        """`x = layers.Permute((2, 1))(x)` where a turn gives another layout than it takes."""
        found: list[p.Statement] = []
        last = self.wanted(use)
        for value, kind, name in zip(use.outputs, copy.outputs, names):
            laid = self.last.get(value, False)
            self.last[value] = last and kind.rank > 1
            if kind.rank > 1 and laid != last:
                words = "channels last" if last else "channels first"
                made = _turned(p.Name(name), kind.rank, last)
                found.append(p.Assign(p.Name(name), made, comment=words))
        return found

    def repeat(self, use: Apply, repeat: Repeat, names: list[str]) -> list[p.Statement]:
        """The loop, and how its results are laid out."""
        found = super().repeat(use, repeat, names)
        for value, name in zip(use.outputs, names):
            self.forms[value, self.last.setdefault(value, False)] = p.Name(name)
        return found


def _turned(value: p.Expr, rank: int, last: bool) -> p.Call:
    """A value with so many axes put into one layout from the other."""
    axes = tuple(range(1, rank + 1))
    order = (*axes[1:], 1) if last else (axes[-1], *axes[:-1])
    return p.Call(p.call("layers.Permute", order), (value,))


def _layout(op: Layer, instance: Instance) -> Layout:
    """How a layer takes its values."""
    LOWERINGS.find(op)  # fills the table of layouts
    rule = LAYOUTS.get(type(op))
    return rule(op, instance.given_types) if rule else "own"


def _shape(kind: TensorType, last: bool) -> tuple[Any, ...]:
    return (*kind.shape[1:], kind.shape[0]) if last and kind.rank > 1 else kind.shape


def input_settings(kind: TensorType, last: bool = False) -> dict[str, Any]:
    """What `keras.Input` takes for a type."""
    found: dict[str, Any] = {
        "shape": tuple(size if known(size) else None for size in _shape(kind, last))
    }
    if kind.dtype != "float":
        found["dtype"] = {"int": "int64", "bool": "bool"}[kind.dtype]
    return found
