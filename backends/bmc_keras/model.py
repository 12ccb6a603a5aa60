"""A model as `model.py`: helpers, a function for each block, the model's own function, weights.

Uses of one block that print the same text share a function.
"""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.emit import program as parts
from bmc.emit import pyexpr as p
from bmc.emit.backend import Module, Support
from bmc.emit.body import shape_text
from bmc.emit.function_body import labelled
from bmc.emit.gate import HEADER
from bmc.emit.helpers import Helpers
from bmc.emit.imports import Import, Imports
from bmc.emit.layout import Printer, render
from bmc.emit.lowering import lowered
from bmc.emit.names import Scope, identifier
from bmc.ir.model import BlockSpec, Input, Instance, Program
from bmc.ir.symbolic import known
from bmc.records import record
from bmc_keras.body import RESERVED, KerasBody
from bmc_keras.lower import LOWERINGS
from bmc_keras.weights import weights_section

ROOTS = {
    "keras": Import("keras"),
    "layers": Import("keras", "layers"),
    "math": Import("math"),
    "np": Import("numpy", alias="np"),
    "ops": Import("keras", "ops"),
}
TENSOR = p.name("keras.KerasTensor")
# What a model.py of Keras names itself, beside layers and the author's words.
FILE_NAMES = RESERVED | {"name_weights", "restore", "store"}
Key = tuple[BlockSpec, tuple[bool, ...]]


@record(frozen=False)
class Written:
    """A function that is in the file, what it takes, and how its results are laid out."""

    name: str
    parameters: tuple[str, ...]
    labelled: bool
    last: tuple[bool, ...]


class ModelFile:
    """Writes one model.py."""

    def __init__(self, program: Program, problems: Problems) -> None:
        self.program = program
        self.problems = problems
        self.helpers = Helpers("layers.Layer")
        self.names = Scope()
        self.functions_by_block = parts.block_functions(
            program.main, FILE_NAMES | {function_name(program.main)}
        )
        self.written: dict[Key, Written] = {}
        self.by_text: dict[tuple[str, str], Written] = {}
        self.functions: list[str] = []
        self.support: dict[str, Support] = {}
        self.used: list[Any] = []

    def emit(self) -> str:
        """The text of model.py; empty when a layer was refused."""
        main = self.program.main
        if self._refused(main):
            return ""
        for spec in (*parts.specs_below(main), main):
            self._note(spec)
        self._model(main)
        if self.problems.failed:
            return ""
        definitions = self.helpers.functions()
        self.used += definitions
        texts = [helper.code.strip("\n") for helper in self.support.values()]
        texts += [render([one]).rstrip("\n") for one in definitions]
        texts += [*self.functions, *weights_section(main)]
        constants = render(parts.constants(main, parts.used_names(self.used))).rstrip("\n")
        doc = "\n".join(Printer({}, 88).docstring(parts.model_doc(self.program, main), 0))
        top = [self._imports().render().rstrip("\n"), *([constants] if constants else []), PLACE]
        return f"{HEADER}{doc}\n\n" + "\n\n".join(top) + "\n\n\n" + "\n\n\n".join(texts) + "\n"

    def _refused(self, main: BlockSpec) -> bool:
        from bmc.diagnostics.problems.backend import Unsupported

        for spec in (*parts.specs_below(main), main):
            for parameter in spec.params:
                reason = "learned tensors of the author's own are not lowered yet"
                span = parameter.value.span
                self.problems.add(Unsupported(span, "keras", f"`{parameter.name}`", reason))
        return self.problems.failed

    def _note(self, spec: BlockSpec) -> None:
        """Remembers the constructors of a block, before any is printed."""
        from bmc.ir.model import Repeat

        waiting = list(spec.instances)
        while waiting:
            instance = waiting.pop(0)
            if isinstance(instance.target, Repeat):
                waiting += [copy for _, copy in instance.target.runs]
            elif not isinstance(instance.target, BlockSpec):
                rule = lowered(LOWERINGS, instance, Problems())
                if isinstance(rule, Module):
                    self.helpers.note(rule)

    def _imports(self) -> Imports:
        roots = {"keras", "np", "ops"}
        for helper in self.support.values():
            roots.update(helper.roots)
        for statement in self.used:
            roots.update(n.id for n in p.walk(statement) if isinstance(n, p.Name))
        imports = Imports()
        imports.use(roots | {"layers"}, ROOTS)
        return imports

    # --- functions ------------------------------------------------------------------------------

    def _body(self, spec: BlockSpec, last: tuple[bool, ...]) -> KerasBody:
        body = KerasBody(spec, self.problems, self.helpers, self._construct, self._results, last)
        body.run()
        self.support |= {helper.name: helper for helper in body.support}
        return body

    def _block(self, spec: BlockSpec, last: tuple[bool, ...]) -> Written:
        if (spec, last) in self.written:
            return self.written[spec, last]
        body = self._body(spec, last)
        names = parts.free_names(spec, parts.used_names(body.statements))
        text = self._text(spec, body, names, "placeholder")
        found = self.by_text.get((spec.name, text))
        if found is None:
            self.used += body.statements
            name = self.names.unique(self.functions_by_block[spec.name])
            results = tuple(body.last.get(output.value, False) for output in spec.outputs)
            found = Written(name, names, labelled(body.statements), results)
            self.by_text[spec.name, text] = found
            self.functions.append(self._text(spec, body, names, name))
        self.written[spec, last] = found
        return found

    def _results(self, spec: BlockSpec, last: tuple[bool, ...]) -> tuple[bool, ...]:
        return self._block(spec, last).last

    def _construct(
        self, instance: Instance, last: tuple[bool, ...], label: p.Expr, args: list[p.Expr]
    ) -> p.Call:
        assert isinstance(instance.target, BlockSpec)
        written = self._block(instance.target, last)
        named = parts.given(instance, written.parameters)
        if written.labelled:
            named.append(("name", label))
        return p.Call(p.Name(written.name), tuple(args), tuple(named))

    def _text(self, spec: BlockSpec, body: KerasBody, names: tuple[str, ...], name: str) -> str:
        takes = [p.Param(word, TENSOR) for word in body.parameters]
        takes += [parts.parameter(spec, word) for word in names]
        if labelled(body.statements):
            takes.append(p.Param("name", p.Name("str")))
        count = len(body.returns)
        gives: p.Expr = TENSOR if count == 1 else p.Index(p.Name("tuple"), (TENSOR,) * count)
        value = body.returns[0] if count == 1 else p.TupleExpr(tuple(body.returns))
        values = [e.value for e in spec.inputs] + [o.value for o in spec.outputs]
        shapes = [shape_text(body.shape(v), v.type, spec) for v in values]
        statements = (*body.statements, p.Return(value))
        doc = parts.block_doc(spec, shapes)
        inside = {word: identifier(word) for word in names}
        return render([p.Def(name, tuple(takes), gives, statements, doc)], inside).rstrip("\n")

    def _model(self, spec: BlockSpec) -> None:
        body = self._body(spec, (False,) * len(spec.inputs))
        if self.problems.failed:
            return
        begin = [_input(entry, name) for entry, name in zip(spec.inputs, body.parameters)]
        outputs = [body.form(output.value, False) for output in spec.outputs]
        inputs: list[p.Expr] = [p.Name(name) for name in body.parameters]
        made = p.call(
            "keras.Model", inputs=_ends(inputs), outputs=_ends(outputs), name=spec.name.lower()
        )
        statements = (*begin, p.Blank(), *body.statements, p.Blank(), p.Return(made))
        self.used += statements
        function = p.Def(function_name(spec), (), p.name("keras.Model"), statements)
        self.functions.append(render([function], parts.constant_names(spec)).rstrip("\n"))


def _ends(values: list[p.Expr]) -> p.Expr:
    return values[0] if len(values) == 1 else p.ListExpr(tuple(values))


def function_name(spec: BlockSpec) -> str:
    """`build_lenet`"""
    return f"build_{spec.name.lower()}"


def _input(entry: Input, variable: str) -> p.Assign:
    kind = entry.value.type
    shape = tuple(size if known(size) else None for size in kind.shape)
    named: dict[str, Any] = {"shape": shape}
    if kind.dtype != "float":
        named["dtype"] = {"int": "int64", "bool": "bool"}[kind.dtype]
    return p.Assign(p.Name(variable), p.call("keras.Input", **named, name=entry.value.name))


PLACE = """\
# A variable, and the order of its axes in weights.safetensors.
Place = tuple[keras.Variable, tuple[int, ...]]"""
