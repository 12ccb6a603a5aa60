"""The last check of emitted Python: nothing in it may do what no template or printer wrote.

Independent of how the text was made: it is parsed again and walked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

HEADER = "# Written by bmc from a .bm file; the file is yours to edit.\n"
CHECKED = (ast.Import, ast.ImportFrom, ast.Name, ast.Attribute)
FORBIDDEN_NAMES = frozenset(
    {"eval", "exec", "compile", "__import__", "globals", "locals", "vars", "breakpoint", "input"}
)
ALLOWED_DUNDERS = frozenset(
    {
        "__init__",
        "__name__",
        "__doc__",
        "__file__",
        "__len__",
        "__iter__",
        "__post_init__",
        "__enter__",
        "__exit__",
        "__call__",
        "__getitem__",
        "__class__",
        "__version__",
    }
)
# What a program consists of: each may import from the others.
PROGRAM_FILES = frozenset(
    """
    checkpoint data evaluate gradients log model optimizer predict report runs start table train
    weights
    """.split()
)
ALLOWED_IMPORTS = PROGRAM_FILES | frozenset(
    """
    __future__ argparse collections concurrent contextlib copy csv dataclasses functools gzip
    hashlib io itertools json math operator os pathlib random re shlex shutil signal struct sys time
    types typing unicodedata
    zipfile zlib numpy PIL matplotlib polars safetensors sklearn torch keras tensorflow tqdm onnx
    onnxruntime mlflow wandb
    """.split()
)


def check_program(text: str, allowed_imports: frozenset[str] = ALLOWED_IMPORTS) -> list[str]:
    """What is wrong with an emitted program; empty when nothing is."""
    if not text.startswith(HEADER):
        return ["the first line is not the fixed one"]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        return [f"it does not parse: {type(error).__name__}"]
    found: list[str] = []
    for node in walk(tree):
        if isinstance(node, CHECKED):
            found += _violations(node, allowed_imports)
    return found


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, as `ast.walk` gives them in another order and more slowly."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif type(value) is list:
                waiting += [item for item in value if isinstance(item, ast.AST)]


def _violations(node: ast.AST, allowed: frozenset[str]) -> list[str]:
    if isinstance(node, ast.Import):
        roots = [alias.name.split(".")[0] for alias in node.names]
        return [f"it imports {root}" for root in roots if root not in allowed]
    if isinstance(node, ast.ImportFrom):
        root = (node.module or "").split(".")[0]
        return [f"it imports {root}"] if root not in allowed or node.level else []
    if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
        return [f"it uses {node.id}"]
    if isinstance(node, ast.Attribute):
        name = node.attr
        if name.startswith("__") and name.endswith("__") and name not in ALLOWED_DUNDERS:
            return [f"it reads .{name}"]
    return []
