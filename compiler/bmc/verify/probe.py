"""One backend's program, run in a process of its own: what `bmc verify` asks and gets back.

The request is a .npz file with the weights, the inputs and a header; so is the answer.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]
HEADER = "header"


class Model(Protocol):
    """A model of a program, with weights by canonical name."""

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs."""
        ...

    def layers(self, arrays: list[np.ndarray]) -> Arrays:
        """What the named layers put out, in the order in which they are computed."""
        ...


def load_module(path: Path) -> ModuleType:
    """The program's `model.py` as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def pack(path: Path, header: dict[str, Any], **groups: Arrays | list[np.ndarray]) -> None:
    """Writes named arrays and a header."""
    arrays: Arrays = {HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)}
    for group, found in groups.items():
        named = found.items() if isinstance(found, dict) else enumerate(found)
        arrays |= {f"{group}/{name}": array for name, array in named}
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def unpack(path: Path) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """What `pack` wrote: the header, and the arrays by group."""
    groups: dict[str, Arrays] = {}
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(bytes(file[HEADER]).decode())
        for key in file.files:
            group, slash, name = key.partition("/")
            if slash:
                groups.setdefault(group, {})[name] = file[key]
    return header, groups


def serve(kind: Any) -> None:
    """`probe.py PROGRAM REQUEST ANSWER`: loads the program, runs it, writes what came out."""
    program, request, answer = map(Path, sys.argv[1:])
    header, groups = unpack(request)
    inputs = [array for _, array in sorted(groups.get("inputs", {}).items(), key=_number)]
    module = load_module(program / "model.py")
    model = kind(module, header["name"], groups.get("weights", {}), header["dtype"])
    found: dict[str, Any] = {"outputs": model.run(inputs)}
    if header["layers"]:
        found["layers"] = model.layers(inputs)
    if header["gradients"] and hasattr(model, "gradients"):
        found["gradients"] = model.gradients(inputs, training=False)
    order = list(found.get("layers", {}))
    pack(answer, {"layers": order}, **found)


def _number(item: tuple[str, np.ndarray]) -> int:
    return int(item[0])
