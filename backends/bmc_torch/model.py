"""A model as `model.py`: helpers, a class for each block, the model's own class, how it starts.

Uses of one block that print the same text share a class, and so do those that differ by what hangs
on a condition.
"""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.emit import program as parts
from bmc.emit import pyexpr as p
from bmc.emit.backend import Support, gather
from bmc.emit.body import shape_text
from bmc.emit.gate import HEADER
from bmc.emit.imports import Import, Imports
from bmc.emit.layout import render
from bmc.emit.lowering import short_names
from bmc.emit.names import Scope, class_name, identifier
from bmc.emit.text import docstring
from bmc.emit.texts import Printed, Text, definitions, uses_of
from bmc.ir.model import BlockSpec, Instance, Program, Scan
from bmc.records import record
from bmc_torch.body import TorchBody
from bmc_torch.lower.table import LOWERINGS, part
from bmc_torch.scan import scanned
from bmc_torch.starts import Starts

ROOTS = {
    "torch": Import("torch"),
    "nn": Import("torch", "nn"),
    "F": Import("torch.nn.functional", alias="F"),
    "math": Import("math"),
    "Tensor": Import("torch", "Tensor"),
    "PackedSequence": Import("torch.nn.utils.rnn", "PackedSequence"),
    "pack_padded_sequence": Import("torch.nn.utils.rnn", "pack_padded_sequence"),
    "pad_packed_sequence": Import("torch.nn.utils.rnn", "pad_packed_sequence"),
}


@record(frozen=False)
class Written:
    """A class that is in the file, and what its constructor takes."""

    name: str
    parameters: tuple[str, ...]


class ModelFile:
    """Writes one model.py."""

    def __init__(self, program: Program, problems: Problems) -> None:
        self.program = program
        self.problems = problems
        self.starts = Starts()
        self.helpers: set[str] = set()  # what functions and classes of our own are called
        self.written: dict[tuple[BlockSpec, bool], Written] = {}
        self.by_text: dict[tuple[str, str], Written] = {}
        self.classes: list[str] = []
        self.support: dict[str, Support] = {}
        self.used: list[Any] = []
        self.unrolled: dict[BlockSpec, list[Any]] = {}
        self.shorter = short_names(LOWERINGS, program.main)
        self.blocks = parts.specs_below(program.main)
        self.uses = uses_of(program.main, steps=False)

    def emit(self) -> str:
        """The text of model.py; empty when a layer was refused."""
        main = self.program.main
        for spec in (*self.blocks, main):  # learns how the layers start
            body = TorchBody(spec, self.problems, lambda _: p.call("Block"), self.starts)
            body.shorter = self.shorter
            body.run()
            self.helpers |= {helper.name for helper in body.support}
        if self.problems.failed:
            return ""
        self.names = Scope({"F", "Tensor", "Any", *self.helpers})
        self.main = self.names.unique(class_name(main.name), mark="")
        self._class(main)
        ending = self.starts.function()
        texts = [helper.code.strip("\n") for helper in self.support.values()]
        texts += self.classes
        if ending is not None:
            self.used.append(ending)
            texts.append(render([ending]).strip("\n"))
        if self.has_counters():
            texts.append(part("name_weights").code.rstrip("\n"))
        constants = parts.constants(main, parts.used_names(self.used), self.unrolled)
        head = HEADER + "\n".join(docstring(parts.model_doc(self.program, main), 0, 88))
        top = [self._imports().render().rstrip("\n")]
        top += [render(constants).rstrip("\n")] if constants else []
        return f"{head}\n\n" + "\n\n".join(top) + "\n\n\n" + "\n\n\n".join(texts) + "\n"

    def _imports(self) -> Imports:
        roots = {"nn", "Tensor"}
        for helper in self.support.values():
            roots.update(helper.roots)
        for statement in self.used:
            roots.update(n.id for n in p.walk(statement) if isinstance(n, p.Name))
        imports = Imports()
        imports.use(roots, ROOTS)
        return imports

    def has_counters(self) -> bool:
        """Whether batch norm adds counters to the state, which no weights file has."""
        return any("BatchNorm" in kind for kind in self._kinds())

    def _kinds(self) -> set[str]:
        nodes = [node for statement in self.used for node in p.walk(statement)]
        names = {node.id for node in nodes if isinstance(node, p.Name)}
        return names | {node.name for node in nodes if isinstance(node, p.Attr)}

    # --- classes ----------------------------------------------------------------------------

    def _class(self, spec: BlockSpec, scan: Scan | None = None) -> Written:
        """The class of a block; of a scanned one, it goes through the steps itself."""
        key = (spec, scan is not None)
        if key in self.written:
            return self.written[key]
        if scan is not None:
            printed = self._printed(spec)
            self._write([printed], printed.text, scanned(spec, scan))
            return self.written[key]
        plain = [one for one in self.blocks if one in self.uses]  # not as the step of a scan alone
        alike = parts.alike(spec, plain) or [spec]
        for one in definitions(map(self._printed, alike), self._key):
            self._write(one.members, one.text, [])
        return self.written[key]

    def _printed(self, spec: BlockSpec) -> Printed:
        body = TorchBody(spec, self.problems, self._construct, self.starts, self.helpers)
        body.shorter = self.shorter
        body.run()
        body.finish()
        self.unrolled[spec] = body.unrolled()
        return Printed(spec, body, body.init, self.uses.get(spec, []))

    def _key(self, printed: Printed) -> str:
        """The class that a block would be alone."""
        names = parts.free_names(printed.spec, parts.used_names(printed.text.all()))
        return self._text([printed.spec], printed.text, names, "PLACEHOLDER", [])

    def _write(self, group: list[Printed], text: Text, steps: list[p.Statement]) -> None:
        """The class of blocks that share a text, unless it is in the file."""
        specs = [one.spec for one in group]
        spec = specs[0]
        names = parts.free_names(spec, parts.used_names([*text.all(), *steps]))
        shown = self._text(specs, text, names, "PLACEHOLDER", steps)
        found = self.by_text.get((spec.name, shown))
        if found is None:
            for one in group:
                gather(self.support, one.body.support)  # type: ignore[attr-defined]
            self.used += [*text.all(), *steps]
            main = spec is self.program.main
            name = self.main if main else self.names.unique(class_name(spec.name), mark="")
            found = Written(name, names)
            self.by_text[spec.name, shown] = found
            self.classes.append(self._text(specs, text, names, name, steps))
        for one in group:
            self.written[one.spec, bool(steps)] = found

    def _construct(self, instance: Instance) -> p.Call:
        """`Residual(in_channels=64, filters=128)`"""
        scan = instance.target if isinstance(instance.target, Scan) else None
        instance = scan.step if scan else instance
        assert isinstance(instance.target, BlockSpec)
        written = self._class(instance.target, scan)
        return p.Call(p.Name(written.name), (), tuple(parts.given(instance, written.parameters)))

    def _text(
        self,
        specs: list[BlockSpec],
        body: Text,
        names: tuple[str, ...],
        name: str,
        steps: list[p.Statement],
    ) -> str:
        spec = specs[0]
        model = spec.kind == "model"
        inside = parts.constant_names(spec) if model else {n: identifier(n) for n in names}
        read = parts.used_names([*body.statements, *steps])
        kept = [] if model else [n for n in names if n in read]
        own = [p.Assign(p.Attr(p.Name("self"), inside[n]), p.Name(inside[n])) for n in kept]
        begin = (p.ExprStmt(p.call(p.Attr(p.call("super"), "__init__"))), *own, *body.init)
        if model and self.starts.function() is not None:
            begin += (p.ExprStmt(p.call("self.apply", p.Name("initialize"))),)
        taken = tuple(p.Param(n, p.Name("Tensor")) for n in body.parameters)
        value = body.returns[0] if len(body.returns) == 1 else p.TupleExpr(tuple(body.returns))
        forward = (*(_with_self(s, kept) for s in body.statements), p.Return(value))
        settings = () if model else tuple(parts.parameter(spec, n) for n in names)
        methods: tuple[p.Def, ...] = (
            p.Def("__init__", (p.Param("self"), *settings), p.Lit(None), begin),
            p.Def(
                "step" if steps else "forward",
                (p.Param("self"), *taken),
                _tensors(len(body.returns)),
                forward,
            ),
        )
        if steps:
            inputs = taken[: len(spec.inputs)]
            whole = tuple(_with_self(s, kept) for s in steps)
            run = p.Def("forward", (p.Param("self"), *inputs), _tensors(len(spec.outputs)), whole)
            methods = (methods[0], run, methods[1])
        docs = {parts.block_doc(one, self._ends(one)) for one in specs}
        doc = None if model or len(docs) > 1 else docs.pop()
        if steps and doc and not spec.doc:
            doc = f"{doc[:-1]} at every step of a sequence."
        return render([p.Class(name, (p.name("nn.Module"),), methods, doc)], inside).rstrip("\n")

    def _ends(self, spec: BlockSpec) -> list[str | None]:
        values = [e.value for e in spec.inputs] + [o.value for o in spec.outputs]
        return [shape_text(value.type.shape, value.type, spec) for value in values]


def _tensors(count: int) -> p.Expr:
    """The type of so many results."""
    one = p.Name("Tensor")
    return one if count == 1 else p.Index(p.Name("tuple"), (one,) * count)


def _with_self(node: Any, names: list[str]) -> Any:
    """Settings read in `forward` come from the object."""

    def change(inner: Any) -> p.Expr | None:
        if not isinstance(inner, p.Var):
            return None
        return p.Attr(p.Name("self"), identifier(inner.name)) if inner.name in names else inner

    return p.mapped(node, change)
