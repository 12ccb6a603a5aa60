"""A model as a `model.py` of functions: what Keras and ONNX have in common.

A block is a function; uses of one block that print the same text share it, and so do those that
differ by what hangs on a condition.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, ClassVar, cast

from bmc.diagnostics.diagnostic import Problems
from bmc.emit import program as parts
from bmc.emit import pyexpr as p
from bmc.emit.backend import Support, gather
from bmc.emit.body import shape_text
from bmc.emit.function_body import FunctionBody, labelled
from bmc.emit.layout import render
from bmc.emit.names import Scope, identifier
from bmc.emit.texts import Printed, Text, definitions, uses_of
from bmc.ir.model import BlockSpec, Instance, Program, Value
from bmc.records import record


@record(frozen=False)
class Written:
    """A function that is in the file, and what it takes."""

    name: str
    parameters: tuple[str, ...]
    labelled: bool


class FunctionFile:
    """Writes the functions of one model.py; a backend says what stands around them.

    `names` are the file's other names; `before` goes to every function in front of its values.
    """

    backend = ""
    tensor: ClassVar[p.Expr]
    names: ClassVar[frozenset[str]]
    before: ClassVar[tuple[p.Param, ...]] = ()

    def __init__(self, program: Program, problems: Problems) -> None:
        self.program = program
        self.problems = problems
        self.words = self.functions_of(())
        self.scope = Scope()
        self.written: dict[Hashable, Written] = {}
        self.by_text: dict[tuple[str, str], Written] = {}
        self.functions: list[str] = []
        self.support: dict[str, Support] = {}
        self.used: list[Any] = []
        self.unrolled: dict[BlockSpec, list[Any]] = {}
        self.below = parts.specs_below(program.main)
        self.uses = uses_of(program.main, steps=True)

    def functions_of(self, others: Iterable[str]) -> dict[str, str]:
        """What the functions of blocks are called, beside the file's other names."""
        main = self.program.main
        return parts.block_functions(main, {*self.names, function_name(main), *others})

    def specs(self) -> Iterable[BlockSpec]:
        """The blocks of the program, and the model."""
        return (*self.below, self.program.main)

    def run(self, body: FunctionBody) -> None:
        """Fills a body, and notes the helpers that it needs."""
        body.run()
        self.unrolled[body.spec] = body.unrolled()
        gather(self.support, body.support)

    def write(self, bodies: Mapping[Hashable, FunctionBody]) -> None:
        """The functions of a definition's uses; the keys are what tells them apart."""
        printed: list[Printed] = []
        keys: dict[int, Hashable] = {}
        for key, body in bodies.items():
            if key not in self.written:
                self.run(body)
                printed.append(Printed(body.spec, body, (), self.uses.get(body.spec, [])))
                keys[id(body)] = key
        for one in definitions(printed, self._key):
            found = self._written(one.members, one.text)
            for member in one.members:
                self.written[keys[id(member.body)]] = found

    def _key(self, printed: Printed) -> str:
        """The function that a block would be alone."""
        names = parts.free_names(printed.spec, parts.used_names(printed.text.statements))
        return self._text([printed], printed.text, names, "placeholder")

    def _written(self, group: list[Printed], text: Text) -> Written:
        """The function of blocks that share a text."""
        spec = group[0].spec
        names = parts.free_names(spec, parts.used_names(text.statements))
        shown = self._text(group, text, names, "placeholder")
        found = self.by_text.get((spec.name, shown))
        if found is None:
            self.used += text.statements
            name = self.scope.unique(self.words[spec.name])
            found = Written(name, names, labelled(text.statements))
            self.by_text[spec.name, shown] = found
            self.functions.append(self._text(group, text, names, name))
        return found

    def called(
        self, written: Written, instance: Instance, label: p.Expr, args: list[p.Expr]
    ) -> p.Call:
        """`residual(x, filters=16, name="residual")`"""
        named = parts.given(instance, written.parameters)
        if written.labelled:
            named.append(("name", label))
        first = [p.Name(parameter.name) for parameter in self.before]
        return p.Call(p.Name(written.name), (*first, *args), tuple(named))

    def shape(self, body: FunctionBody, value: Value) -> tuple[Any, ...]:
        """A value's axes as the backend has them."""
        return value.type.shape

    def _text(self, group: list[Printed], body: Text, names: tuple[str, ...], name: str) -> str:
        spec = group[0].spec
        takes = [*self.before, *(p.Param(word, self.tensor) for word in body.parameters)]
        takes += [parts.parameter(spec, word) for word in names]
        if labelled(body.statements):
            takes.append(p.Param("name", p.Name("str")))
        count = len(body.returns)
        gives = self.tensor
        if count != 1:
            each = (self.tensor,) * count if count < 3 else (self.tensor, p.lit(...))
            gives = p.Index(p.Name("tuple"), each)
        value = body.returns[0] if count == 1 else p.TupleExpr(tuple(body.returns))
        statements = (*body.statements, p.Return(value))
        docs = {self._doc(one) for one in group}
        doc = docs.pop() if len(docs) == 1 else None
        inside = {word: identifier(word) for word in names}
        return render([p.Def(name, tuple(takes), gives, statements, doc)], inside).rstrip("\n")

    def _doc(self, printed: Printed) -> str | None:
        spec, body = printed.spec, cast(FunctionBody, printed.body)
        values = [e.value for e in spec.inputs] + [o.value for o in spec.outputs]
        return parts.block_doc(
            spec, [shape_text(self.shape(body, v), v.type, spec) for v in values]
        )

    def add_model(self, gives: str, statements: tuple[p.Statement, ...]) -> None:
        """The function that builds the model itself."""
        main = self.program.main
        self.used += statements
        function = p.Def(function_name(main), (), p.name(gives), statements)
        self.functions.append(render([function], parts.constant_names(main)).rstrip("\n"))


def function_name(spec: BlockSpec) -> str:
    """`build_lenet`"""
    return f"build_{spec.name.lower()}"
