"""Program text that lies in files: found by name, with what it imports."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

import pytest

from bmc.emit.parts import Stock
from bmc_keras.lower.table import part as keras_part
from bmc_onnx.lower.table import part as onnx_part
from bmc_torch.lower.table import part as torch_part

STOCKS = {"torch": torch_part, "keras": keras_part}


@pytest.mark.parametrize("backend", STOCKS)
def test_every_definition_is_whole(backend: str) -> None:
    """A definition parses by itself, and says of every name where it comes from."""
    stock = STOCKS[backend]
    assert len(stock._every) > 15
    for name, helper in stock.known.items():
        tree = ast.parse(helper.code)
        assert [getattr(node, "name", name) for node in tree.body] == [name]
        loaded = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        made = {
            n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        made |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        made |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        known = made | set(helper.roots) | set(dir(builtins)) | set(stock.known)
        assert loaded <= known, (name, loaded - known)


def test_every_method_is_whole() -> None:
    """A method parses inside a class, and says which others it needs."""
    methods = onnx_part
    assert len(methods._every) > 70
    for name in methods._every:
        helper = methods(name)
        (made,) = ast.parse(f"class Graph:\n{helper.code}").body
        assert isinstance(made, ast.ClassDef)
        assert [getattr(node, "name", "") for node in made.body] == [name]
        called = {
            node.func.attr
            for node in ast.walk(made)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "self"
        }
        assert called - {"add", name} <= set(helper.roots), name


def test_a_name_is_defined_once(tmp_path: Path) -> None:
    for file in ("a.py", "b.py"):
        (tmp_path / file).write_text("import math\n\n\ndef one():\n    return math.pi\n")
    with pytest.raises(ValueError, match="one is defined twice"):
        Stock(tmp_path, "own")("one")


def test_imports_of_a_definition(tmp_path: Path) -> None:
    text = (
        "import math\nimport numpy as np\nfrom own.other import two\n\n\n"
        "def one(x):\n    return two(math.pi * x)\n\n\nclass Three:\n    zero = np.zeros(3)\n"
    )
    (tmp_path / "a.py").write_text(text)
    stock = Stock(tmp_path, "own")
    assert stock("one").roots == ("math",) and stock("Three").roots == ("np",)
    assert stock("one").code == "def one(x):\n    return two(math.pi * x)\n"
