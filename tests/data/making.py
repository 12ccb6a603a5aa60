"""What the tests of the data half share: programs from `.bm` text, their `data.py` run in place."""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bmc_programs
from bmc.diagnostics.diagnostic import Problems
from bmc.ir.data import DataProgram, Wanted
from bmc.sections.data import build_data
from bmc.source import Source
from bmc.syntax import ast
from bmc.syntax.parse import parse
from bmc.types.symbolic import Sym
from bmc.types.tensor import TensorType

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "specs" / "data"
REAL = Path(os.environ.get("BMC_DATA", ROOT.parent / "shared" / "data"))
NUMBER = itertools.count()

T = Sym.named("T")


def number(*shape: Any) -> Wanted:
    """A model input of numbers."""
    return Wanted(TensorType("float", shape), "input")


def ids(*shape: Any, count: int | None = None) -> Wanted:
    """A model input of ids."""
    return Wanted(TensorType("int", shape), "input", count=count)


def ragged(longest: int | None = None, count: int | None = None, pad: int = 0) -> Wanted:
    """A model input of lists of ids."""
    tensor = TensorType("int", (T,), ragged=True)
    return Wanted(tensor, "input", pad=pad, longest=longest, count=count)


def target(dtype: Any = "int", *shape: Any, count: int | None = None) -> Wanted:
    """A loss's target."""
    return Wanted(TensorType(dtype, shape), "target", count=count)


def real(*parts: str) -> Path:
    """A file of the real data sets; the test is skipped where they are absent."""
    path = REAL.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no data set {parts[0]} in $BMC_DATA")
    return path


def build(
    body: str, wanted: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> tuple[DataProgram | None, Problems]:
    """The program of `data { body }` and the problems found."""
    problems = Problems()
    parsed = parse(Source("test.bm", f"data {{\n{body}\n}}"), problems)
    assert parsed is not None, list(problems)
    section = next(item for item in parsed.items if isinstance(item, ast.Section))
    return build_data(section, wanted, problems, settings or {}), problems


def messages(body: str, wanted: Mapping[str, Any]) -> list[str]:
    """Every error of a section: code, message, help."""
    program, problems = build(body, wanted)
    assert program is None
    found = [problem.diagnostic() for problem in problems]
    return [" | ".join(filter(None, (d.code, d.message, *d.notes, d.help))) for d in found]


def text_of(body: str, wanted: Mapping[str, Any], **options: Any) -> str:
    """The `data.py` of a section that must be right."""
    program, problems = build(body, wanted)
    assert program is not None, [problem.diagnostic().message for problem in problems]
    return bmc_programs.emit(program, **options)


def make(folder: Path, body: str, wanted: Mapping[str, Any], **options: Any) -> ModuleType:
    """The module that the section's `data.py` is."""
    name = f"data_{next(NUMBER)}"
    path = folder / f"{name}.py"
    path.write_text(text_of(body, wanted, **options), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def whole(data: Any, split: str = "train", size: int = 10_000, **options: Any) -> dict[str, Any]:
    """A split as one batch."""
    return next(data.batches(split, size, **options))
