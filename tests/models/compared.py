"""All models of a spec as three programs each, run on the same numbers, output by output."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests.models.agree import BACKENDS, LARGEST, NUMBERS, OUTPUTS

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.emit.names import class_name
from bmc.ir.model import BlockSpec, Program, weights
from bmc.project import open_project
from bmc.records import replace
from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights
from bmc.verify.compare import difference
from bmc.verify.probe import load_module

Arrays = list[np.ndarray]
LEAST = 0.1  # smaller outputs are compared as if the largest number were this


@dataclass
class Found:
    """What came of a spec: what is wrong, and how many outputs were compared or say nothing."""

    wrong: list[str] = field(default_factory=list)
    compared: int = 0
    vague: int = 0  # outputs that rounding alone changes, or that are no finite numbers
    refused: list[str] = field(default_factory=list)  # by a backend, by name


def checked(text: str, folder: Path) -> Program | str:
    """The program of a spec, or the compiler's problems as text."""
    path = folder / f"spec{next(NUMBERS)}.bm"
    path.write_text(text, encoding="utf-8")
    project, source = open_project(str(path))
    problems = Problems()
    program = driver.load(source, project, problems)
    return program if program is not None else render_all(problems, False)


def compared(text: str, folder: Path, seed: int = 0, batch: int = 2) -> Found:
    """Runs every model of a spec in every backend that does not refuse it."""
    found = Found()
    program = checked(text, folder)
    if isinstance(program, str):
        found.wrong.append(f"refused: {program}")
        return found
    for name, spec in program.models.items():
        only = replace(program, models={name: spec}, data=None, train=None)
        _model(only, folder, seed, batch, found)
    return found


def _model(program: Program, folder: Path, seed: int, batch: int, found: Found) -> None:
    spec = program.main
    numbers = draw_weights(spec, "float32", seed)
    inputs = draw_inputs(spec, "float32", seed, draw_lengths(spec), batch)
    outputs: dict[str, Arrays] = {}
    for backend in BACKENDS:
        problems = Problems()
        code = driver.compile(program, backend, problems).get("model.py", "")
        codes = {problem.code for problem in problems if problem.severity == "error"}
        if codes == {"BM501"}:
            found.refused.append(f"{backend}: {next(iter(problems)).diagnostic().message}")
            continue
        if problems.failed:
            found.wrong.append(f"{backend}: {render_all(problems, False)}")
            continue
        path = folder / f"{backend}{next(NUMBERS)}.py"
        path.write_text(code, encoding="utf-8")
        try:
            outputs[backend] = _run(backend, path, spec, numbers, inputs, "float32", found)
            if backend == "torch":
                wide = {key: array.astype("float64") for key, array in numbers.items()}
                exact = _run(backend, path, spec, wide, _wider(inputs), "float64", found)
                noise = np.random.default_rng(seed)
                wide = {key: _stirred(array, noise) for key, array in wide.items()}
                given = [_stirred(array, noise) for array in _wider(inputs)]
                stirred = _run(backend, path, spec, wide, given, "float64", found)
                _shapes(spec, outputs[backend], inputs, batch, found)
        except Exception as error:  # whatever a program raises is a finding
            outputs.pop(backend, None)
            found.wrong.append(f"{backend}: {type(error).__name__}: {str(error)[:600]}")
    if "torch" not in outputs:
        return
    for place, output in enumerate(spec.outputs):
        mine = outputs["torch"][place]
        if not sure(mine, exact[place], stirred[place]):
            found.vague += 1
            continue
        found.compared += 1
        for backend in outputs.keys() - {"torch"}:
            apart = difference(output.name, outputs[backend][place], mine, OUTPUTS)
            scale = float(np.abs(mine).max(initial=0))
            if not (apart.fine or apart.share * scale <= OUTPUTS * LEAST):
                found.wrong.append(f"{backend}: {output.name} differs by {apart.share:.1e}")


def sure(mine: np.ndarray, exact: np.ndarray, stirred: np.ndarray) -> bool:
    """Whether an output is made of numbers that rounding leaves alone."""
    if mine.dtype.kind != "f":
        return np.array_equal(mine, exact) and np.array_equal(stirred, exact)
    if mine.shape != exact.shape or not np.isfinite(exact).all() or not np.isfinite(mine).all():
        return False
    narrow = difference("", mine, exact.astype(mine.dtype), OUTPUTS / 4)
    wide = difference("", stirred, exact, OUTPUTS / 4)
    return narrow.fine and wide.fine and bool(np.all(np.abs(exact) < LARGEST))


def _run(
    backend: str,
    path: Path,
    spec: BlockSpec,
    numbers: dict[str, np.ndarray],
    inputs: Arrays,
    dtype: str,
    found: Found,
) -> Arrays:
    probe = importlib.import_module(f"bmc_{backend}.probe")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model = probe.Model(load_module(path), class_name(spec.name), numbers, dtype)
        expected = {name: tuple(map(int, weight.shape)) for name, weight in weights(spec)}
        if model.weights() != expected:
            found.wrong.append(f"{backend}: other weights than declared")
        made: Arrays = model.run(inputs)
    return made


def _stirred(array: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """Numbers as far away as rounding to single precision puts them."""
    if array.dtype.kind != "f":
        return array
    return np.asarray(array * (1 + 1e-7 * noise.uniform(-1, 1, array.shape)))


def _wider(inputs: Arrays) -> Arrays:
    return [x.astype("float64") if x.dtype.kind == "f" else x for x in inputs]


def _shapes(spec: BlockSpec, made: Arrays, inputs: Arrays, batch: int, found: Found) -> None:
    from bmc.verify.chance import sizes

    for output, array in zip(spec.outputs, made, strict=True):
        expected = sizes(output.value.type, draw_lengths(spec), batch)
        if array.shape != expected:
            found.wrong.append(f"torch: {output.name} is {array.shape}, declared {expected}")


def shrunk(text: str, folder: Path, seed: int = 0, batch: int = 2) -> str:
    """The spec with as few lines as still go wrong in the same backend."""
    kind = _kind(compared(text, folder, seed, batch))
    lines = text.splitlines()
    changed = True
    while changed:
        changed = False
        for place in range(len(lines) - 1, -1, -1):
            fewer = lines[:place] + lines[place + 1 :]
            found = compared("\n".join(fewer) + "\n", folder, seed, batch)
            if found.wrong and _kind(found) == kind:
                lines, changed = fewer, True
    return "\n".join(lines) + "\n"


def _kind(found: Found) -> str:
    return found.wrong[0].split(":")[0] if found.wrong else ""
