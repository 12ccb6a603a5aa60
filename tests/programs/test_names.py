"""Names of the author's that Python, a framework or the program itself has as well."""

from __future__ import annotations

import ast
import builtins
import runpy
from pathlib import Path

import pytest
from tests.programs.project import BACKENDS, compiled

BLOCKS = (
    "Dense", "Layers", "Graph", "Out", "F", "Tensor", "Main", "Finish", "Store", "Restore", "Keras",
    "Onnx", "Ops", "Helper", "List", "Print", "G", "X", "Nn", "Math", "Features", "Any", "Module",
    "Net_", "BuildNet", "Relu", "NameWeights", "TensorProto", "Initialize", "Super", "Class",
)  # fmt: skip
BLOCK = """\
block {name}(out) {{
  input x: float[N]
  output y = x -> dense(out) -> relu
}}
"""
MODEL = """\
model Net(depth = 2) {{
  input x: float[4]
{body}
  features = features -> Features(8)
  output logits = features -> (dense(5) -> tanh) * depth -> dense(3)
}}
"""


def programs(folder: Path, backend: str) -> str:
    """The model.py of a model that uses all these blocks, each result called as its block."""
    lines, last = [], "x"
    for name in BLOCKS:
        value = name.lower()
        value = f"{value}_" if value in ("class", "x") else value
        lines.append(f"  {value} = {last} -> {name}(8)")
        last = value
    lines.append(f"  features = {last} + features")
    path = folder / "net.bm"
    text = "".join(BLOCK.format(name=name) for name in BLOCKS)
    path.write_text(text + MODEL.format(body="\n".join(lines)))
    return compiled(path, backend)["model.py"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_variable_hides_a_function_that_is_called(backend: str, tmp_path: Path) -> None:
    tree = ast.parse(programs(tmp_path, backend))
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert len(defined) == len(set(defined))
    assert not set(defined) & set(dir(builtins))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        held = {argument.arg for argument in function.args.args}
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        held |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
        called = {node.id for node in calls if isinstance(node, ast.Name)}
        roots = {node.value.id for node in calls if isinstance(node, ast.Attribute)
                 and isinstance(node.value, ast.Name)} - {"self"}  # fmt: skip
        own = {"parser", "args", "weights", "graph", "tensor", "variable", "model", "module"}
        assert not held & called, function.name
        assert not held & (
            roots & {"nn", "F", "layers", "ops", "keras", "math", "np", "onnx"} - own
        )


@pytest.mark.parametrize(
    "backend", [pytest.param(b, marks=getattr(pytest.mark, b)) for b in BACKENDS]
)
def test_the_model_is_built(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(programs(tmp_path, backend))
    made = runpy.run_path(str(path))
    assert made["Net" if backend == "torch" else "build_net"]() is not None
