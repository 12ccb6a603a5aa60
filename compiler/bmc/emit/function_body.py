"""A block as the body of a function that makes its layers as it goes, and names each.

What Keras and ONNX have in common: a block is a function of its values and of its name, which
the names of the layers in it begin with; a repeat is a loop that counts.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

from bmc.emit import pyexpr as p
from bmc.emit.backend import Support
from bmc.emit.body import Body, joined
from bmc.emit.rolled import Labels
from bmc.emit.series import SEVERAL, unified
from bmc.emit.values import fixed
from bmc.ir.model import Apply, BlockSpec, Instance, Repeat, Scan
from bmc.types.symbolic import Num, expression_of
from bmc.types.tensor import TensorType

NAME = p.Name("name")


class FunctionBody(Body):
    """A backend says what a layer and a block look like under a name."""

    support: list[Support]  # helpers that the layers need

    @cached_property
    def _counts(self) -> Counter[int]:
        return Counter(id(use.instance) for use in self.applies)

    def make(
        self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Expr | None:
        """A layer of that name on its inputs; None when it was refused."""
        raise NotImplementedError

    def call(self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]) -> p.Expr:
        """A block of that name on its inputs."""
        raise NotImplementedError

    def layer(self, use: Apply, args: list[p.Expr]) -> p.Expr | None:
        """`conv(6, name="conv1")(x)`"""
        return self.make(use, use.instance, self.label(use.instance), args)

    def block(self, use: Apply, args: list[p.Expr]) -> p.Expr | None:
        """`residual(x, filters=16, name="residual")`"""
        return self.call(use, use.instance, self.label(use.instance), args)

    def scan(self, use: Apply, instance: Instance, args: list[p.Expr]) -> p.Expr | None:
        """The block of a scan, under the scan's name, at every step."""
        return self.scan_call(use, instance, self.label(use.instance), args)

    def scan_call(
        self, use: Apply, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Expr | None:
        """A scan of that name on its inputs."""
        raise NotImplementedError

    def way(self) -> Labels:
        """Loops that count."""
        counts = {
            use.instance.name: loop.count
            for loop in self.spec.loops()
            for turn in loop.turns
            for use in turn.body
            if loop.count is not None and isinstance(use, Apply)
        }
        return Labels({*self.holders, *self.parameters, *self.spec.settings}, counts)

    def uses(self, instance: Instance) -> int:
        """How often an instance is used in this block."""
        return self._counts[id(instance)]

    def label(self, instance: Instance, more: p.Name | int | None = None) -> p.Expr:
        """A layer's name: its path in the model, the block's own name in front."""
        path = ".".join((instance.name, *map(str, instance.loops)))
        return self.within(path, more)

    def within(self, path: str, more: p.Name | int | None = None) -> p.Expr:
        """A path below the block's own name; `more` is a number or a loop variable."""
        texts: list[str | p.Name] = [] if self.spec.kind == "model" else [NAME, f".{path}"]
        texts = texts or [path]
        if isinstance(more, p.Name):
            texts = [*texts[:-1], f"{texts[-1]}.", more]
        elif more is not None:
            texts = [*texts[:-1], f"{texts[-1]}.{more}"]
        if len(texts) == 1:
            return p.lit(texts[0])
        return p.FString(tuple(texts))

    def repeat(self, use: Apply, repeat: Repeat, names: list[str]) -> list[p.Statement]:
        """`for i in range(2): x = residual(x, filters=16, name=f"residuals.{i}")`"""
        targets: tuple[p.Expr, ...] = tuple(p.Name(name) for name in names[: repeat.carried])
        target = targets[0] if len(targets) == 1 else targets
        args: list[p.Expr] = [p.Name(name) for name in names]
        found: list[p.Statement] = []
        done = 0
        counter = self.counter(names)
        runs = self._runs(use, repeat, counter, args)

        def steps_of(copy: Instance, label: p.Expr, end: bool) -> tuple[p.Statement, ...] | None:
            before = len(self.statements)
            if isinstance(copy.target, BlockSpec):
                made: p.Expr | None = self.call(use, copy, label, args)
            elif isinstance(copy.target, Scan):
                made = self.scan_call(use, copy, label, args)
            else:
                made = self.make(use, copy, label, args)
            if made is None:
                return None
            assigned = p.Assign(target, made, comment=self.comment(use) if end else None)
            steps = (*self.statements[before:], assigned, *self.restored(use, copy, names))
            del self.statements[before:]
            return steps

        if len(runs) > 1 and self.uses(use.instance) == 1:
            label = self.label(use.instance, counter)
            alike = all(copy.outputs == runs[0][1].outputs for _, copy in runs)
            turns = [steps_of(copy, label, alike) for _, copy in runs]
            if None in turns:
                return []
            some = len(runs) == repeat.count and len(runs) >= (
                SEVERAL if fixed(repeat.count) else 2
            )
            same = unified(turns, counter) if some or turns.count(turns[0]) == len(turns) else None
            if same is not None:
                return [p.For(counter, p.call("range", repeat.count), same)]
            for _, copy in runs:
                self.forget(copy)
        for number, copy in runs:
            last = done == len(runs) - 1 < 2 and not fixed(repeat.count)
            label = self.label(use.instance, done if number == 1 and not last else counter)
            steps = steps_of(copy, label, done + number == repeat.count)
            if steps is None:
                return []
            ends: tuple[Any, ...] = (done, done + number) if done else (number,)
            if number == repeat.count or last:
                ends = (repeat.count,) if not done else (done, repeat.count)
            found += (
                steps
                if number == 1 and not last
                else [p.For(counter, p.call("range", *ends), steps)]
            )
            done += number
        return found

    def forget(self, copy: Instance) -> None:
        """That a layer was made, under a name that it has not."""

    def _runs(
        self, use: Apply, repeat: Repeat, counter: p.Name, args: list[p.Expr]
    ) -> list[tuple[int, Instance]]:
        """The runs of a repeat; what is used twice is made where it is used first."""
        blocks = all(isinstance(copy.target, BlockSpec) for _, copy in repeat.runs)
        if self.uses(use.instance) > 1 or not blocks:
            return repeat.runs
        label = self.label(use.instance, counter)
        return joined(repeat.runs, lambda copy: self.call(use, copy, label, args))

    def restored(self, use: Apply, copy: Instance, names: list[str]) -> list[p.Statement]:
        """What brings the results of one turn into the form in which the next takes them."""
        return []


def state_types(scan: Scan) -> list[TensorType]:
    """The states of a scan's step, in the terms of whoever calls the scan."""
    assert isinstance(scan.step.target, BlockSpec)
    kinds = [state.value.type for state in scan.step.target.states]
    return [kind.with_shape(*(_outside(d, scan.step) for d in kind.shape)) for kind in kinds]


def _outside(dim: Any, step: Instance) -> Any:
    """A size of a block in the terms of whoever calls it; the number where it has none there."""
    given = {k: v for k, v in step.arguments.items() if isinstance(v, int | float)}
    environment = {key: expression_of(value) for key, value in given.items()}
    expression = expression_of(dim).substitute(environment)
    known = set().union(*(value.names() for value in environment.values()))
    return Num(int(dim), expression) if expression.names() <= known else int(dim)


def labelled(statements: list[p.Statement]) -> bool:
    """Whether a function names layers, and so takes a name itself."""
    return any(node == NAME for statement in statements for node in p.walk(statement))
