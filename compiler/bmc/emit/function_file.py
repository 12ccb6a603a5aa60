"""A model as a `model.py` of functions: what Keras and ONNX have in common.

A block is a function; uses of one block that print the same text share it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from bmc.diagnostics.diagnostic import Problems
from bmc.emit import program as parts
from bmc.emit import pyexpr as p
from bmc.emit.backend import Support, gather
from bmc.emit.body import shape_text
from bmc.emit.function_body import FunctionBody, labelled
from bmc.emit.layout import render
from bmc.emit.names import Scope, identifier
from bmc.ir.model import BlockSpec, Instance, Program, Value
from bmc.records import record


@record(frozen=False)
class Written:
    """A function that is in the file, what it takes, and the body that it was written from."""

    name: str
    parameters: tuple[str, ...]
    labelled: bool
    body: FunctionBody


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

    def functions_of(self, others: Iterable[str]) -> dict[str, str]:
        """What the functions of blocks are called, beside the file's other names."""
        main = self.program.main
        return parts.block_functions(main, {*self.names, function_name(main), *others})

    def specs(self) -> Iterable[BlockSpec]:
        """The blocks of the program, and the model."""
        return (*parts.specs_below(self.program.main), self.program.main)

    def run(self, body: FunctionBody) -> None:
        """Fills a body, and notes the helpers that it needs."""
        body.run()
        gather(self.support, body.support)

    def write(self, key: Hashable, spec: BlockSpec, body: FunctionBody) -> Written:
        """The function of a block; `key` is what tells its uses apart."""
        self.run(body)
        names = parts.free_names(spec, parts.used_names(body.statements))
        text = self._text(spec, body, names, "placeholder")
        found = self.by_text.get((spec.name, text))
        if found is None:
            self.used += body.statements
            name = self.scope.unique(self.words[spec.name])
            found = Written(name, names, labelled(body.statements), body)
            self.by_text[spec.name, text] = found
            self.functions.append(self._text(spec, body, names, name))
        self.written[key] = found
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

    def _text(self, spec: BlockSpec, body: FunctionBody, names: tuple[str, ...], name: str) -> str:
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
        values = [e.value for e in spec.inputs] + [o.value for o in spec.outputs]
        shapes = [shape_text(self.shape(body, v), v.type, spec) for v in values]
        statements = (*body.statements, p.Return(value))
        doc = parts.block_doc(spec, shapes)
        inside = {word: identifier(word) for word in names}
        return render([p.Def(name, tuple(takes), gives, statements, doc)], inside).rstrip("\n")

    def add_model(self, gives: str, statements: tuple[p.Statement, ...]) -> None:
        """The function that builds the model itself."""
        main = self.program.main
        self.used += statements
        function = p.Def(function_name(main), (), p.name(gives), statements)
        self.functions.append(render([function], parts.constant_names(main)).rstrip("\n"))


def function_name(spec: BlockSpec) -> str:
    """`build_lenet`"""
    return f"build_{spec.name.lower()}"
