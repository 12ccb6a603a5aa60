"""All models of a spec as three programs each, run on the same numbers, output by output."""

from __future__ import annotations

import importlib
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tests.models.agree import BACKENDS, LARGEST, NUMBERS, OUTPUTS

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.emit.names import class_name
from bmc.ir.model import Program, weights
from bmc.project import open_project
from bmc.records import replace
from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights, sizes
from bmc.verify.compare import Difference, difference
from bmc.verify.probe import load_module

Arrays = list[np.ndarray]
UNSURE = 1e-3  # what may be rounding where there is no kernel to see it with
EXACT = 1e-7  # double precision agrees to this where single precision differs by rounding alone
EXACTLY = nullcontext()
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
        _Comparison(only, folder, seed, batch, found).run()
    return found


@dataclass
class _Comparison:
    """One model in three backends on the same weights and inputs."""

    program: Program
    folder: Path
    seed: int
    batch: int
    found: Found
    outputs: dict[str, Arrays] = field(default_factory=dict)
    again: dict[str, Arrays] = field(default_factory=dict)  # in double precision

    def __post_init__(self) -> None:
        self.spec = self.program.main
        self.numbers = draw_weights(self.spec, "float32", self.seed)
        lengths = draw_lengths(self.spec)
        self.inputs = draw_inputs(self.spec, "float32", self.seed, lengths, self.batch)
        self.modules: dict[str, ModuleType] = {}

    def run(self) -> None:
        for backend in BACKENDS:
            self._compile(backend)
        for backend in self.modules:
            self._try(backend)
        if "torch" in self.outputs:
            from tests.models.noise import Noise  # which needs the framework

            exact = self.again["torch"] = self._made("torch", "float64")
            noises = [Noise(seed) for seed in range(4)]
            rough = [self._made("torch", "float64", noise) for noise in noises]
            lost = any(noise.lost for noise in noises)
            for place, output in enumerate(self.spec.outputs):
                mine = self.outputs["torch"][place]
                rest = lost and mine.dtype.kind != "f"  # on a comparison with what is no number
                if not rest and sure(mine, exact[place], *(some[place] for some in rough)):
                    self._compare(place, output.name)
                else:
                    self.found.vague += 1

    def _compile(self, backend: str) -> None:
        problems = Problems()
        code = driver.compile(self.program, backend, problems).get("model.py", "")
        codes = {problem.code for problem in problems if problem.severity == "error"}
        if codes == {"BM501"}:
            self.found.refused.append(f"{backend}: {next(iter(problems)).diagnostic().message}")
        elif problems.failed:
            self.found.wrong.append(f"{backend}: {render_all(problems, False)}")
        else:
            path = self.folder / f"{backend}{next(NUMBERS)}.py"
            path.write_text(code, encoding="utf-8")
            self.modules[backend] = load_module(path)

    def _try(self, backend: str) -> None:
        try:
            self.outputs[backend] = self._made(backend)
            if backend == "torch":
                self._shapes()
        except Exception as error:  # whatever a program raises is a finding
            self.outputs.pop(backend, None)
            self.found.wrong.append(f"{backend}: {type(error).__name__}: {str(error)[:600]}")

    def _made(
        self, backend: str, dtype: str = "float32", around: AbstractContextManager[Any] = EXACTLY
    ) -> Arrays:
        """The outputs of one program, run in the middle of `around`."""
        numbers = {key: array.astype(dtype) for key, array in self.numbers.items()}
        inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in self.inputs]
        probe = importlib.import_module(f"bmc_{backend}.probe")
        name = class_name(self.spec.name)
        module: Any = self.modules[backend]
        if backend == "onnx" and dtype == "float64":
            from tests.models.doubled import run_doubled

            return run_doubled(module, f"build_{name.lower()}", numbers, inputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            model = probe.Model(module, name, numbers, dtype)
            expected = {key: tuple(map(int, w.shape)) for key, w in weights(self.spec)}
            if model.weights() != expected:
                self.found.wrong.append(f"{backend}: other weights than declared")
            with around:
                made: Arrays = model.run(inputs)
        return made

    def _compare(self, place: int, name: str) -> None:
        mine = self.outputs["torch"][place]
        scale = float(np.abs(mine).max(initial=0))
        for backend in self.outputs.keys() - {"torch"}:
            apart = difference(name, self.outputs[backend][place], mine, OUTPUTS)
            if apart.fine or apart.share * scale <= OUTPUTS * LEAST:
                continue
            if self._rounds(backend, place, apart):
                self.found.vague += 1
                return
            self.found.wrong.append(f"{backend}: {name} differs by {apart.share:.1e}")
        self.found.compared += 1

    def _rounds(self, backend: str, place: int, apart: Difference) -> bool:
        """Whether nothing is left of a difference in double precision."""
        if backend not in self.again:
            try:
                self.again[backend] = self._made(backend, "float64")
            except Exception:  # no kernel for it
                return apart.share < UNSURE
        exact = self.again["torch"][place]
        return difference("", self.again[backend][place], exact, EXACT).fine

    def _shapes(self) -> None:
        made = self.outputs["torch"]
        for output, array in zip(self.spec.outputs, made, strict=True):
            expected = sizes(output.value.type, draw_lengths(self.spec), self.batch)
            if array.shape != expected:
                name = output.name
                self.found.wrong.append(f"torch: {name} is {array.shape}, declared {expected}")


def sure(mine: np.ndarray, exact: np.ndarray, *rough: np.ndarray) -> bool:
    """Whether an output is made of numbers that rounding leaves alone.

    `rough` are what a program that rounds in another way gives.
    """
    if mine.dtype.kind != "f":
        return all(np.array_equal(made, exact) for made in (mine, *rough))
    if mine.shape != exact.shape or not np.isfinite(exact).all() or not np.isfinite(mine).all():
        return False
    made = (mine.astype("float64"), *rough)
    fine = all(difference("", some, exact, OUTPUTS / 3).fine for some in made)
    return fine and bool(np.all(np.abs(exact) < LARGEST))


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
