"""A block as the body of a function that adds nodes to a graph."""

from __future__ import annotations

from collections.abc import Callable

from bmc.emit import pyexpr as p
from bmc.emit.backend import Module, Support
from bmc.emit.function_body import FunctionBody, state_types
from bmc.emit.lowering import lowered
from bmc.ir.model import Apply, BlockSpec, Instance, Scan, Value
from bmc.records import replace
from bmc_onnx.lower.common import ELEMENTS, below, info
from bmc_onnx.lower.support import SCAN
from bmc_onnx.lower.table import LOWERINGS
from bmc_onnx.lower.weighted import WEIGHT

Construct = Callable[[Instance, p.Expr, list[p.Expr]], p.Call]


class OnnxBody(FunctionBody):
    """The body of one function. `construct` calls the function of another block."""

    backend = "onnx"
    tensor = p.name("str")
    reserved: frozenset[str] = frozenset()  # names that no node may have
    taken = frozenset(
        {"Any", "Graph", "Path", "TensorProto", "finish", "g", "helper", "json", "main"}
        | {"name", "np", "onnx", "save", "export", "fill", "load_file", "numpy_helper"}
        | {"SafetensorError"}
    )

    def begin(self) -> None:
        """Nothing is written yet."""
        self.support: list[Support] = []
        self.names: set[str] = {entry.value.name for entry in self.spec.inputs}
        for parameter in self.spec.params:
            self.support.append(WEIGHT)
            variable = self.name(parameter.value, -1)
            self.hold(parameter.value, variable)
            shape = parameter.value.type.shape
            made = p.call("g.weight", self.within(parameter.name), *shape)
            self.statements.append(p.Assign(p.Name(variable), made))

    def lent(self, owner: Instance, weight: str) -> p.Expr:
        """The name of the weight."""
        return below(self.label(owner), weight)

    construct: Construct

    def make(
        self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Expr | None:
        """`g.conv(x, (6, 1, 5, 5), name="conv1")`; a node is called by what the author named."""
        seen = self.used(use, instance)
        rule = lowered(LOWERINGS, seen, self.problems, names=self.shorter)
        if rule is None:
            return None
        assert not isinstance(rule, Module)
        self.support += rule.support
        (made, *others) = use.outputs
        own = (
            instance is use.instance
            and not others
            and made.named
            and self._may_have(made, instance)
        )
        built = rule.build([*args, self.within(made.name) if own else label])
        if own and not isinstance(built, p.Name):  # a layer that does nothing adds no node
            self.names.add(made.name)
        return built

    def _may_have(self, made: Value, instance: Instance) -> bool:
        """Whether a node may have the name of its value: it says something, and no other has it."""
        if made.name == "x" or (instance.weights and made.name != instance.name):
            return False
        others = {one.name for one in self.spec.instances if one is not instance}
        return made.name not in self.names | self.reserved | others

    def scan_call(
        self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Expr:
        """`g.scan(step, cell(step, "cell.x", memory, …), …)`, after `step = g.begin_step()`."""
        scan = instance.target
        assert isinstance(scan, Scan) and isinstance(scan.step.target, BlockSpec)
        spec = scan.step.target
        self.support.append(SCAN)
        step = p.Name("step")
        while step.id in self.holders:
            step = p.Name(f"{step.id}_")
        self.statements.append(p.Assign(step, p.call("g.begin_step")))
        names = [below(label, f"{entry.value.name}_t") for entry in spec.inputs]
        states = [below(label, f"{state.value.name}_t") for state in spec.states]
        given = [name if split else arg for name, split, arg in zip(names, scan.split, args)]
        inner = self.construct(scan.step, label, [*given, *states])
        inner = replace(inner, args=(step, *inner.args[1:]))
        along = [
            (name, kind, arg)
            for name, kind, split, arg in zip(names, scan.step.inputs, scan.split, args)
            if split
        ]
        count = len(spec.outputs) + len(spec.states)
        made = p.call(
            "g.scan",
            step,
            inner if count > 1 else p.TupleExpr((inner,)),
            [arg for _, _, arg in along],
            elements=[info(name, kind) for name, kind, _ in along],
            states=[info(name, kind) for name, kind in zip(states, state_types(scan))],
            starts=[state.start for state in spec.states],
            outputs=[p.name(ELEMENTS[kind.dtype]) for kind in scan.step.outputs],
            name=label,
        )
        return made if len(spec.outputs) > 1 else p.Index(made, (p.lit(0),))

    def call(self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]) -> p.Expr:
        """`residual(g, x, filters=16, name="residual")`"""
        return self.construct(instance, label, args)
