"""A constant edited in a generated `model.py`, against the program of the changed spec."""

from __future__ import annotations

import importlib
import random
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from tests.models.agree import module_of

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.emit.names import class_name
from bmc.emit.program import constant_names
from bmc.ir.cost import parameters
from bmc.ir.model import BlockSpec, Program
from bmc.project import open_project
from bmc.records import replace
from bmc.types.symbolic import Num, Real
from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights

WHOLE = r"(?<![\w.])\d+(?![\w.%])"
SMALL = 500_000  # parameters of a model that need not shrink
LARGEST = 30_000_000  # of one that is run
OUTPUTS = 1e-5


@dataclass(frozen=True)
class Constant:
    """A number at the top of a program, and the setting that it is."""

    setting: str
    name: str
    line: str
    value: int | float


Values = dict[Constant, int | float]  # what constants are edited to


def loaded(path: Path, settings: dict[str, str]) -> Program | None:
    """The model half of a spec; None where these settings are refused."""
    project, source = open_project(str(path), str(path.parents[1]))
    problems = Problems()
    program = driver.load(source, project, problems, settings)
    if program is None or problems.failed:
        return None
    return replace(program, data=None, train=None)


def constants(spec: BlockSpec, code: str) -> list[Constant]:
    """The numbers at the top of a program."""
    found = []
    for setting, name in constant_names(spec).items():
        line = re.search(
            rf"(?m)^{name} = [^#\n]+\n", code
        )  # without those that say they decide more
        value = spec.settings[setting]
        if line is not None and isinstance(value, Num | Real) and not isinstance(value, bool):
            number = float(value) if isinstance(value, Real) else int(value)
            found.append(Constant(setting, name, line[0], number))
    return found


def others(value: int | float) -> list[int | float]:
    """A number halved and doubled."""
    half = value // 2 if isinstance(value, int) else value / 2
    return [other for other in (half, value * 2) if other != value]


class Edited:
    """A spec without what it asserts, its program, and what becomes of its constants."""

    def __init__(self, text: str, folder: Path, backend: str) -> None:
        self.folder, self.backend = folder, backend
        self.path = folder / "specs" / "edited.bm"
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(re.sub(r"(?m)^ *assert .*\n", "", text), encoding="utf-8")
        program = loaded(self.path, {})
        assert program is not None
        self.name = program.main.name
        self.code = self._program(program)
        self.constants = constants(program.main, self.code)
        self.start = self._shrunk()

    def _program(self, program: Program) -> str:
        """Its `model.py`; empty where the backend refuses it."""
        problems = Problems()
        made = driver.compile(program, self.backend, problems).get("model.py", "")
        return "" if problems.failed else made

    def changed(self, values: Values) -> Program | None:
        """The changed spec; None where it is refused, or too large to be run."""
        program = loaded(self.path, {f"{self.name}.{c.setting}": repr(values[c]) for c in values})
        return None if program is None or parameters(program.main) > LARGEST else program

    def _shrunk(self) -> Values:
        """Constants halved until the model is small."""
        values: Values = {c: c.value for c in self.constants}
        program = loaded(self.path, {})
        waiting = [c for c in self.constants if isinstance(c.value, int)]
        while waiting and program is not None and parameters(program.main) > SMALL:
            constant = max(waiting, key=lambda c: values[c])
            fewer = values | {constant: values[constant] // 2}
            smaller = loaded(self.path, {f"{self.name}.{c.setting}": repr(fewer[c]) for c in fewer})
            if smaller is None or fewer[constant] < 2:
                waiting.remove(constant)
            else:
                values, program = fewer, smaller
        return values

    def check(self) -> tuple[int, list[str]]:
        """How many edits were compared, and what was wrong with them."""
        ran, wrong = 0, []
        for constant in self.constants:
            for other in others(self.start[constant]):
                values = self.start | {constant: other}
                program = self.changed(values)
                if program is None:
                    continue
                theirs = self._program(program)
                if not theirs:
                    continue
                ran += 1
                mine = self._edit(values)
                if reason := _otherwise(program.main, self.backend, mine, theirs, self.folder):
                    wrong.append(f"{self.backend}: {constant.name} = {other}: {reason}")
        return ran, wrong

    def _edit(self, values: Values) -> str:
        code = self.code
        for constant, value in values.items():
            assert code.count(f"\n{constant.line}") == 1
            code = code.replace(f"\n{constant.line}", f"\n{constant.name} = {value!r}\n")
        return code


def _otherwise(spec: BlockSpec, backend: str, mine: str, theirs: str, folder: Path) -> str:
    probe = importlib.import_module(f"bmc_{backend}.probe")
    numbers = draw_weights(spec, "float32", 0)
    inputs = draw_inputs(spec, "float32", 0, draw_lengths(spec))
    name = class_name(spec.name)

    def run(module: ModuleType, named: dict[str, np.ndarray]) -> list[np.ndarray]:
        return list(probe.Model(module, name, named, "float32").run(inputs))

    right_module = module_of(theirs, folder, backend)
    try:
        exact = run(right_module, numbers)
    except Exception:  # a model that no size of an input fits
        return ""
    try:
        module = module_of(mine, folder, backend)
        mine_names, names = (_names(one, name, backend) for one in (module, right_module))
        # Layers are numbered over those that are there: an empty repeat takes no number.
        named = {mine: numbers[right] for mine, right in zip(mine_names, names, strict=True)}
        made = run(module, named)
    except Exception as error:  # whatever a framework says
        return f"{type(error).__name__}: {str(error)[:300]}"
    for ours, right in zip(made, exact, strict=True):
        if ours.shape != right.shape:
            return f"{ours.shape} instead of {right.shape}"
        largest = max(1, np.nanmax(np.abs(right), initial=0))
        if not np.allclose(ours, right, 1e-4, OUTPUTS * largest, equal_nan=True):
            return f"differs by {np.nanmax(np.abs(ours - right)):.1e}"
    return ""


def _names(module: ModuleType, name: str, backend: str) -> list[str]:
    """What the weights of a program are called, in its order."""
    if backend == "torch":
        state = getattr(module, name)().state_dict()
        return [key for key in state if not key.endswith("num_batches_tracked")]
    built = getattr(module, f"build_{name.lower()}")()
    if backend == "keras":
        return list(module.name_weights(built))
    return [tensor.name for tensor in built.graph.initializer]


def with_constants(text: str, chance: random.Random) -> str:
    """A drawn spec whose model takes some of its whole numbers as settings."""
    head = re.search(r"(?m)^model (\w+)(?:\((.*)\))? \{$", text)
    assert head is not None
    before, body = text[: head.start()], text[head.end() :]
    found = sorted({int(n) for n in re.findall(WHOLE, body) if int(n) > 1})
    settings = [head[2]] if head[2] else []
    for number in chance.sample(found, min(3, len(found))):
        settings.append(f"size{number} = {number}")
        body = re.sub(rf"(?<![\w.]){number}(?![\w.%])", f"size{number}", body)
    return f"{before}model {head[1]}({', '.join(settings)}) {{{body}"
