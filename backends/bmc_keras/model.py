"""A model as `model.py`: helpers, a function for each block, the model's own function, weights.

Uses of one block that print the same text share a function.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, cast

from bmc.diagnostics.diagnostic import Problems
from bmc.emit import program as parts
from bmc.emit import pyexpr as p
from bmc.emit.backend import Module, Support, gather
from bmc.emit.body import results
from bmc.emit.function_body import FunctionBody
from bmc.emit.function_file import FunctionFile, Written
from bmc.emit.gate import HEADER
from bmc.emit.helpers import Helpers
from bmc.emit.imports import Import, Imports
from bmc.emit.layout import expression, render
from bmc.emit.lowering import lowered, short_names
from bmc.emit.text import docstring
from bmc.ir.model import BlockSpec, Input, Instance, Program, Repeat, Value
from bmc.ops.base import Layer
from bmc_keras.body import PARAMETER, RESERVED, SCAN, KerasBody, input_settings
from bmc_keras.lower.table import LOWERINGS
from bmc_keras.names import distinct
from bmc_keras.weights import Places, Said

Layouts = tuple[BlockSpec, tuple[bool, ...]]  # a block, and which of its inputs are channels last
REGISTERED = "@keras.saving.register_keras_serializable"
ROOTS = {
    "keras": Import("keras"),
    "layers": Import("keras", "layers"),
    "Iterator": Import("collections.abc", "Iterator"),
    "dataclass": Import("dataclasses", "dataclass"),
    "math": Import("math"),
    "np": Import("numpy", alias="np"),
    "ops": Import("keras", "ops"),
}


class ModelFile(FunctionFile):
    """Writes one model.py."""

    backend = "keras"
    tensor = p.name("keras.KerasTensor")
    names = RESERVED | {"Place", "dataclass", "name_weights"}

    def __init__(self, program: Program, problems: Problems) -> None:
        super().__init__(program, problems)
        self.helpers = Helpers("layers.Layer")
        self.places = Places()
        self.bodies: list[KerasBody] = []
        self.laid: dict[Layouts, tuple[tuple[bool, ...], set[Layouts], int]] = {}
        self.endings: dict[str, Support] = {}
        self.supported: set[str] = {PARAMETER.name, SCAN}  # functions and classes of our own
        self.shorter = short_names(LOWERINGS, program.main)

    def emit(self) -> str:
        """The text of model.py; empty when a layer was refused."""
        main = self.program.main
        for spec in self.specs():
            self._note(spec)
        own = self.helpers.names() | self.supported
        self.words = self.functions_of(own)
        self._model(main)
        if self.problems.failed:
            return ""
        definitions = self.helpers.functions()
        self.used += definitions
        texts = [self._registered(helper.code.strip("\n")) for helper in self.support.values()]
        texts += [render([one]).rstrip("\n") for one in definitions]
        texts += [*self.functions, *self._endings()]
        constants = render(
            parts.constants(main, parts.used_names(self.used), self.unrolled)
        ).rstrip("\n")
        doc = "\n".join(docstring(parts.model_doc(self.program, main), 0, 88))
        top = [self._imports().render().rstrip("\n"), *([constants] if constants else [])]
        return f"{HEADER}{doc}\n\n" + "\n\n".join(top) + "\n\n\n" + "\n\n\n".join(texts) + "\n"

    def _registered(self, code: str) -> str:
        """A class of our own under the model's name: other programs may have one of its name."""
        return code.replace(f"{REGISTERED}()", f'{REGISTERED}("{self.program.main.name[:40]}")')

    def _endings(self) -> list[str]:
        """`Place`, what else reads weights, and `name_weights`."""
        place, *namings = self.places.texts(self._inner())
        return [place, *(helper.code.strip("\n") for helper in self.endings.values()), *namings]

    def _inner(self) -> Literal["", "models", "scans"]:
        """What there is in the model that has layers of its own."""
        if SCAN in self.support:
            return "scans"
        return "models" if any(body.inner for body in self.bodies) else ""

    def _note(self, spec: BlockSpec) -> None:
        """Remembers the constructors of a block, before any is printed."""
        if spec.params:
            line = "weights[name] = Place(layer.value, tuple(range(len(layer.value_shape))))"
            self.places.add("Parameter", {"": Said((line,))})
        waiting = list(spec.instances)
        while waiting:
            instance = waiting.pop(0)
            if isinstance(instance.target, Repeat):
                waiting += [copy for _, copy in instance.target.runs]
            elif isinstance(instance.target, Layer):
                rule = lowered(LOWERINGS, instance, Problems(), names=self.shorter)
                self.supported |= {helper.name for helper in (rule.support if rule else ())}
                if isinstance(rule, Module):
                    self.helpers.note(rule)
                    self.places.add(expression(rule.constructor.fn), rule.weights)
                    gather(self.endings, rule.ending)

    def _imports(self) -> Imports:
        roots = {"dataclass", "keras", "np", "ops"}
        roots |= {"Iterator"} if self._inner() else set()
        for helper in self.support.values():
            roots.update(helper.roots)
        for statement in self.used:
            roots.update(n.id for n in p.walk(statement) if isinstance(n, p.Name))
        imports = Imports()
        imports.use(roots | {"layers"}, ROOTS)
        return imports

    # --- functions ------------------------------------------------------------------------------

    def _body(self, spec: BlockSpec, last: tuple[bool, ...]) -> KerasBody:
        body = KerasBody(
            spec,
            self.problems,
            self.helpers,
            self._construct,
            self._results,
            self._turns,
            last,
            self.supported,
        )
        body.shorter = self.shorter
        self.bodies.append(body)
        return body

    def _block(self, spec: BlockSpec, last: tuple[bool, ...]) -> Written:
        key = (spec, last)
        if key not in self.written:
            keys = [(one, last) for one in parts.alike(spec, self.below)]
            if len(keys) > 1:
                keys = [one for one in keys if one in self._layouts]
            self.write({key: self._body(*key) for key in keys})
        return self.written[key]

    @cached_property
    def _layouts(self) -> set[Layouts]:
        """The blocks of the program, in the layouts in which values come to them."""
        main = self.program.main
        found: set[Layouts] = set()
        waiting: list[Layouts] = [(main, (False,) * len(main.inputs))]
        while waiting:
            called = self._lay(*waiting.pop())[1] - found
            found |= called
            waiting += called
        return found

    def _results(self, spec: BlockSpec, last: tuple[bool, ...]) -> tuple[bool, ...]:
        """How a block lays out what it gives."""
        return self._lay(spec, last)[0]

    def _turns(self, spec: BlockSpec, last: tuple[bool, ...]) -> int:
        """How many values a block turns to the other layout, those in its blocks among them."""
        return self._lay(spec, last)[2]

    def _lay(
        self, spec: BlockSpec, last: tuple[bool, ...]
    ) -> tuple[tuple[bool, ...], set[Layouts], int]:
        """How a block lays out what it gives, what it calls, and what it turns.

        Found without writing it.
        """
        key = (spec, last)
        if key not in self.laid:
            called: set[Layouts] = set()
            inside: list[int] = []

            def note(
                instance: Instance, last: tuple[bool, ...], label: p.Expr, args: list[p.Expr]
            ) -> p.Call:
                assert isinstance(instance.target, BlockSpec)
                called.add((instance.target, last))
                inside.append(self._turns(instance.target, last))
                return p.call("block")

            body = KerasBody(spec, Problems(), self.helpers, note, self._results, self._turns, last)
            body.shorter = self.shorter
            body.run()
            given = tuple(body.last.get(value, False) for value in results(spec))
            self.laid[key] = given, called, body.turns + sum(inside)
        return self.laid[key]

    def _construct(
        self, instance: Instance, last: tuple[bool, ...], label: p.Expr, args: list[p.Expr]
    ) -> p.Call:
        assert isinstance(instance.target, BlockSpec)
        return self.called(self._block(instance.target, last), instance, label, args)

    def shape(self, body: FunctionBody, value: Value) -> tuple[Any, ...]:
        """The axes as Keras has them."""
        return cast(KerasBody, body).shape(value)

    def _model(self, spec: BlockSpec) -> None:
        body = self._body(spec, (False,) * len(spec.inputs))
        self.run(body)
        if self.problems.failed:
            return
        begin = [_input(entry, name) for entry, name in zip(spec.inputs, body.parameters)]
        outputs = [body.form(output.value, False) for output in spec.outputs]
        inputs: list[p.Expr] = [p.Name(name) for name in body.parameters]
        made = p.call(
            "keras.Model", inputs=_ends(inputs), outputs=_ends(outputs), name=spec.name.lower()
        )
        lines = (*begin, p.Blank(), *body.statements, p.Blank(), p.Return(made))
        code = "".join(helper.code for helper in self.support.values())
        words = set(self.words.values())
        statements, self.places.renamed = distinct(lines, words, self.used, code)
        self.add_model("keras.Model", statements)


def _ends(values: list[p.Expr]) -> p.Expr:
    return values[0] if len(values) == 1 else p.ListExpr(tuple(values))


def _input(entry: Input, variable: str) -> p.Assign:
    named = input_settings(entry.value.type)
    return p.Assign(p.Name(variable), p.call("keras.Input", **named, name=entry.value.name))
