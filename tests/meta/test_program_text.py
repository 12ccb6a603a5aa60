"""Program text stands in `parts` and `templates`, where it can be read, linted and tested."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in (ROOT / "backends", ROOT / "compiler" / "bmc" / "emit")
    for path in sorted(folder.rglob("*.py"))
    if "parts" not in path.relative_to(ROOT).parts[:-1]
]
WORDS = ("def ", "class ", "import ", "return ", "for ", "if ")


def texts(tree: ast.Module) -> list[tuple[int, str]]:
    """The strings of a module that are no documentation, with their lines."""
    documented = [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    ]
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and not any(node is one for one in documented)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_string_holds_a_program(path: Path) -> None:
    for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
        lines = [one.strip() for one in text.split("\n") if one.strip()]
        code = [one for one in lines if one.startswith(WORDS)]
        assert len(lines) < 2 or not code, f"{path}:{line}: {code[0]}"
