"""One spec as three programs with the same weights and inputs, in this process."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import ModuleType

import numpy as np

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.emit.names import class_name
from bmc.ir.cost import parameters
from bmc.ir.model import BlockSpec, weights
from bmc.project import open_project
from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights
from bmc.verify.compare import difference
from bmc.verify.probe import load_module

BACKENDS = ("torch", "keras", "onnx")
OUTPUTS = 1e-5
LARGEST = 1e6  # of an output; what is larger says nothing
NUMBERS = itertools.count()


class Rejected(Exception):
    """A model that says nothing: its outputs are too large, or rounding alone changes them."""


def load(
    text: str, folder: Path, backends: tuple[str, ...] = BACKENDS
) -> tuple[BlockSpec, dict[str, str]]:
    """The model of a spec, and its `model.py` for each backend."""
    path = folder / f"spec{next(NUMBERS)}.bm"
    path.write_text(text, encoding="utf-8")
    project, source = open_project(str(path))
    problems = Problems()
    program = driver.load(source, project, problems)
    assert program is not None, render_all(problems, False)
    files = {}
    for backend in backends:
        files[backend] = driver.compile(program, backend, problems).get("model.py", "")
        assert not problems.failed, render_all(problems, False)
        assert driver.compile(program, backend, Problems())["model.py"] == files[backend]
    return program.main, files


def module_of(code: str, folder: Path, backend: str) -> ModuleType:
    """A `model.py` as a module of its own."""
    path = folder / f"{backend}{next(NUMBERS)}.py"
    path.write_text(code, encoding="utf-8")
    return load_module(path)


def differences(
    text: str, folder: Path, seed: int = 0, backends: tuple[str, ...] = BACKENDS
) -> list[str]:
    """What the programs of a spec do not agree on; empty when all is well."""
    import importlib

    spec, files = load(text, folder, backends)
    numbers = draw_weights(spec, "float32", seed)
    lengths = draw_lengths(spec)
    inputs = draw_inputs(spec, "float32", seed, lengths)
    wrong: list[str] = []
    outputs: dict[str, list[np.ndarray]] = {}
    for backend, code in files.items():
        module = module_of(code, folder, backend)
        probe = importlib.import_module(f"bmc_{backend}.probe")
        model = probe.Model(module, class_name(spec.name), numbers, "float32")
        shapes = {name: tuple(map(int, w.shape)) for name, w in weights(spec)}
        if model.weights() != shapes:
            wrong.append(f"{backend}: other weights than declared")
        outputs[backend] = model.run(inputs)
    trained = {name for name, w in weights(spec) if w.trainable}
    if sum(numbers[name].size for name in trained) != parameters(spec):
        wrong.append("the number of parameters is not that of the weights")
    reference = _exact(spec, folder, numbers, inputs)
    for mine, exact in zip(outputs["torch"], reference):
        rough = difference("", mine, exact.astype(mine.dtype), OUTPUTS / 4)
        if not np.all(np.abs(exact) < LARGEST) or not rough.fine:
            raise Rejected
    for backend in backends[1:]:
        for made, mine, theirs in zip(spec.outputs, outputs[backend], outputs["torch"]):
            found = difference(made.name, mine, theirs, OUTPUTS)
            if not found.fine:
                wrong.append(f"{backend}: {made.name} differs by {found.share:.1e}")
    return wrong


def _exact(
    spec: BlockSpec, folder: Path, numbers: dict[str, np.ndarray], inputs: list[np.ndarray]
) -> list[np.ndarray]:
    """What the PyTorch program that was written last gives in double precision."""
    from bmc_torch.probe import Model

    path = max(folder.glob("torch*.py"), key=lambda path: int(path.stem[5:]))
    wide = {name: array.astype("float64") for name, array in numbers.items()}
    model = Model(load_module(path), class_name(spec.name), wide, "float64")
    return model.run([x.astype("float64") if x.dtype.kind == "f" else x for x in inputs])


def shrunk(text: str, folder: Path) -> str:
    """The spec with as few lines as still disagree."""
    lines = [line for line in text.splitlines() if "assert " not in line]
    changed = True
    while changed:
        changed = False
        for place in range(len(lines) - 1, -1, -1):
            fewer = lines[:place] + lines[place + 1 :]
            try:
                fails = bool(differences("\n".join(fewer) + "\n", folder))
            except (AssertionError, Rejected):
                continue
            if fails:
                lines, changed = fewer, True
    return "\n".join(lines) + "\n"
