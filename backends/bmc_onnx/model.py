"""A model as `model.py`: a graph class, a function for each block, the model's own function.

The graph holds no weights: they are those of weights.safetensors, by name. Uses of one block
that print the same text share a function.
"""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.emit import program as parts
from bmc.emit import pyexpr as p
from bmc.emit.backend import Support
from bmc.emit.function_file import FunctionFile, Written, function_name
from bmc.emit.gate import HEADER
from bmc.emit.layout import render
from bmc.emit.lowering import short_names
from bmc.emit.templates import Code
from bmc.emit.templates import render as fill
from bmc.emit.text import docstring
from bmc.ir.model import BlockSpec, Instance, Program
from bmc_onnx.body import OnnxBody
from bmc_onnx.lower import support, weighted
from bmc_onnx.lower.common import info
from bmc_onnx.lower.table import LOWERINGS, part

# Methods of the graph class, in the order in which a program has them.
BY_NAME = {
    helper.name: helper
    for module in (weighted, support)
    for helper in vars(module).values()
    if isinstance(helper, Support)
}
OWN = ("add_several", "begin_step")  # methods that the template has


class ModelFile(FunctionFile):
    """Writes one model.py."""

    backend = "onnx"
    tensor = p.name("str")
    names = OnnxBody.taken | {"argparse"}
    before = (p.Param("g", p.Name("Graph")),)

    def __init__(self, program: Program, problems: Problems) -> None:
        super().__init__(program, problems)
        self.shorter = short_names(LOWERINGS, program.main)
        self.numbered = _meets(program.main) or any(_shares(spec) for spec in self.specs())

    def emit(self) -> str:
        """The text of model.py; empty when a layer was refused."""
        main = self.program.main
        self._model(main)
        if self.problems.failed:
            return ""
        constants = render(
            parts.constants(main, parts.used_names(self.used), self.unrolled)
        ).rstrip("\n")
        stem = self.program.stem
        about = (
            parts.model_doc(self.program, main)
            + f"\n\npython {stem}.py --weights weights.safetensors -o {stem}.onnx"
        )
        doc = "\n".join(docstring(about, 0, 88))
        methods = self._methods()
        return fill(
            "bmc_onnx",
            "model.py",
            header=Code(HEADER.rstrip("\n")),
            doc=Code(doc),
            constants=Code(constants),
            numbered=self.numbered,
            several="add_several" in methods,
            steps="begin_step" in methods,
            math=any("math." in method.code for method in methods.values()),
            methods=Code(
                "\n".join(m.code for k, m in methods.items() if k not in OWN).rstrip("\n")
            ),
            functions=Code("\n\n\n".join(self.functions)),
            build=Code(function_name(main)),
            stem=Code(stem),
            source=parts.file_name(self.program.file),
        )

    def _methods(self) -> dict[str, Support]:
        """The methods of the graph class that the program calls."""
        known = {word: Support(word, "") for word in OWN} | BY_NAME | self.support
        needed = set(self.support)
        waiting = list(self.support)
        while waiting:
            word = waiting.pop()
            if word not in known:  # what only other methods call
                known[word] = part(word)
            roots = known[word].roots
            waiting += [root for root in roots if root not in needed]
            needed.update(roots)
        return {word: found for word, found in known.items() if word in needed}

    # --- functions ------------------------------------------------------------------------------

    def _body(self, spec: BlockSpec) -> OnnxBody:
        body = OnnxBody(spec, self.problems)
        body.shorter = self.shorter
        body.construct = self._construct
        return body

    def _block(self, spec: BlockSpec) -> Written:
        if spec not in self.written:
            self.write({one: self._body(one) for one in parts.alike(spec, self.below)})
        return self.written[spec]

    def _construct(self, instance: Instance, label: p.Expr, args: list[p.Expr]) -> p.Call:
        assert isinstance(instance.target, BlockSpec)
        return self.called(self._block(instance.target), instance, label, args)

    def _model(self, spec: BlockSpec) -> None:
        body = self._body(spec)
        ends = [entry.value.name for entry in spec.inputs], [made.name for made in spec.outputs]
        if self.numbered:
            body.reserved = frozenset(ends[1])
        self.run(body)
        if self.problems.failed:
            return
        kept = dict.fromkeys([*ends[0], *ends[1]]) if self.numbered else ()
        begin: list[p.Statement] = [p.Assign(p.Name("g"), p.call("Graph", *kept))]
        for entry, variable in zip(spec.inputs, body.parameters):
            begin.append(p.Assign(p.Name(variable), p.lit(entry.value.name)))
        after: list[p.Statement] = []
        for output, made in zip(spec.outputs, body.returns):
            if self.numbered:
                after.append(p.ExprStmt(p.call("g.output", made, name=output.name)))
            elif output.name not in body.names or output.value.name != output.name:
                named = p.call("g.add", "Identity", made, name=output.name)
                after.append(p.ExprStmt(named))
        infos = {
            "inputs": [info(e.value.name, e.value.type) for e in spec.inputs],
            "outputs": [info(o.name, o.value.type) for o in spec.outputs],
        }
        made = p.call("finish", p.Name("g"), spec.name.lower(), **infos)
        lines = _needed([*body.statements, *after])
        statements = (*begin, p.Blank(), *lines, p.Blank(), p.Return(made))
        self.add_model("onnx.ModelProto", statements)


def _shares(spec: BlockSpec) -> bool:
    """Whether a layer or block is used several times."""
    uses = list(spec.applies())
    return len({id(use.instance) for use in uses}) < len(uses)


def _meets(spec: BlockSpec) -> bool:
    """Whether a layer has the name of an output that another one makes."""
    makers = {made.name: made.value for made in spec.outputs}
    return any(
        not use.instance.loops
        and use.instance.name in makers
        and use.outputs != (makers[use.instance.name],)
        for use in spec.applies()
    )


def _needed(statements: list[p.Statement]) -> list[p.Statement]:
    """Statements that give a name only to what is read again: outputs go by their nodes' names."""
    read: set[str] = set()
    found: list[p.Statement] = []
    for statement in reversed(statements):
        if (
            isinstance(statement, p.Assign)
            and isinstance(statement.targets, p.Name)
            and statement.targets.id not in read
        ):
            statement = p.ExprStmt(statement.value, comment=statement.comment)
        inner = statement.value if isinstance(statement, p.Assign) else statement
        read |= {node.id for node in p.walk(inner) if isinstance(node, p.Name)}
        found.append(statement)
    return found[::-1]
