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
from bmc.emit.layout import Printer, render
from bmc.ir.model import BlockSpec, Instance, Program
from bmc_onnx.body import OnnxBody
from bmc_onnx.lower import support, weighted
from bmc_onnx.lower.common import info
from bmc_onnx.lower.table import part

# Methods of the graph class, in the order in which a program has them.
BY_NAME = {
    helper.name: helper
    for module in (weighted, support)
    for helper in vars(module).values()
    if isinstance(helper, Support)
}
IMPORTS = """\
import argparse
import json
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

OPSET = 23
IR_VERSION = 11"""
GRAPH = '''\
class Graph:
    """A graph in the making: its nodes, and the weights that they read."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, tuple[int, ...]] = {}

    def add(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append a node whose output has the node's name; return that name."""
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name
'''
SEVERAL = '''\
    def add_several(
        self, op: str, *inputs: str, names: list[str], **attributes: Any
    ) -> tuple[str, ...]:
        """Append a node with several outputs; return their names."""
        self.nodes.append(helper.make_node(op, inputs, names, names[0], **attributes))
        return tuple(names)
'''
# Where a name is met again, of a layer used twice or of an output, nodes are told apart by numbers.
NUMBERED = '''\
class Graph:
    """A graph in the making: its nodes, and the weights that they read.

    The names of the graph's inputs and outputs are theirs alone.
    """

    def __init__(self, *names: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, tuple[int, ...]] = {}
        self.names = set(names)

    def add(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append a node and return the name of its output.

        That is the node's name, with a number behind it where the name is taken.
        """
        output = self.new_name(name)
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def output(self, x: str, name: str) -> None:
        """Give a value out under a name of the graph."""
        self.nodes.append(helper.make_node("Identity", [x], [name], name))

    def new_name(self, name: str) -> str:
        found, number = name, 1
        while found in self.names:
            number += 1
            found = f"{name}_{number}"
        self.names.add(found)
        return found
'''
NUMBERED_SEVERAL = '''\
    def add_several(
        self, op: str, *inputs: str, names: list[str], **attributes: Any
    ) -> tuple[str, ...]:
        """Append a node with several outputs; return their names."""
        outputs = [self.new_name(name) if name else "" for name in names]
        node = helper.make_node(op, inputs, outputs, outputs[0], **attributes)
        self.nodes.append(node)
        return tuple(outputs)
'''
STEP = '''\
    def begin_step(self) -> "Graph":
        """Begin a graph for one step, which reads the same weights."""
        step = Graph()
        step.weights = self.weights
        return step
'''
NUMBERED_STEP = STEP.replace(
    "        return step\n", "        step.names = self.names\n        return step\n"
)
ENDING = '''\
def finish(
    g: Graph,
    name: str,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Make a model whose weights stay in weights.safetensors."""
    weights = []
    for key, shape in g.weights.items():
        tensor = TensorProto(name=key, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.safetensors")
        weights.append(tensor)
    graph = helper.make_graph(g.nodes, name, inputs, outputs, weights)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[opset])


def save(model: onnx.ModelProto, path: str | Path) -> None:
    """Write the graph, and beside it the shapes of the weights that it reads."""
    onnx.save(model, path)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    Path(path).with_suffix(".json").write_text(json.dumps(shapes, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", default="{stem}.onnx")
    args = parser.parse_args()
    save({build}(), args.output)


if __name__ == "__main__":
    main()'''


class ModelFile(FunctionFile):
    """Writes one model.py."""

    backend = "onnx"
    tensor = p.name("str")
    names = OnnxBody.taken | {"argparse"}
    before = (p.Param("g", p.Name("Graph")),)

    def __init__(self, program: Program, problems: Problems) -> None:
        super().__init__(program, problems)
        self.numbered = _meets(program.main) or any(_shares(spec) for spec in self.specs())

    def emit(self) -> str:
        """The text of model.py; empty when a layer was refused."""
        main = self.program.main
        self._model(main)
        if self.problems.failed:
            return ""
        constants = render(parts.constants(main, parts.used_names(self.used))).rstrip("\n")
        stem = self.program.stem
        about = parts.model_doc(self.program, main) + f"\n\npython {stem}.py -o {stem}.onnx"
        doc = "\n".join(Printer({}, 88).docstring(about, 0))
        top = "\n".join([IMPORTS, *([constants] if constants else [])])
        ending = ENDING.replace("{build}", function_name(main)).replace("{stem}", stem)
        texts = [self._graph(self.numbered).rstrip("\n"), *self.functions, ending]
        return f"{HEADER}{doc}\n\n{top}\n\n\n" + "\n\n\n".join(texts) + "\n"

    def _graph(self, numbered: bool) -> str:
        """The graph class with the methods that the program calls."""
        several = Support("add_several", NUMBERED_SEVERAL if numbered else SEVERAL)
        begin = Support("begin_step", NUMBERED_STEP if numbered else STEP)
        known = {"add_several": several, "begin_step": begin} | BY_NAME | self.support
        needed = set(self.support)
        waiting = list(self.support)
        while waiting:
            word = waiting.pop()
            if word not in known:  # what only other methods call
                known[word] = part(word)
            roots = known[word].roots
            waiting += [root for root in roots if root not in needed]
            needed.update(roots)
        methods = [known[word].code for word in known if word in needed]
        return "\n".join([NUMBERED if numbered else GRAPH, *methods])

    # --- functions ------------------------------------------------------------------------------

    def _body(self, spec: BlockSpec) -> OnnxBody:
        body = OnnxBody(spec, self.problems)
        body.construct = self._construct
        return body

    def _block(self, spec: BlockSpec) -> Written:
        return self.written.get(spec) or self.write(spec, spec, self._body(spec))

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
