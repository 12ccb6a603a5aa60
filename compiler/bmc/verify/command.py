"""The steps of `bmc verify`: compile for each backend, run, compare, say what was found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import VerifyFailed
from bmc.emit.backend import find_backend
from bmc.emit.names import class_name
from bmc.ir.model import Program
from bmc.records import record, replace
from bmc.source import Span
from bmc.verify.chance import draw_inputs, draw_lengths, draw_weights
from bmc.verify.compare import Answer, Difference, Failed, compare, first_difference, missing, run

if TYPE_CHECKING:
    from bmc.verify.probe import Arrays


@record
class Pair:
    """A backend compared with the first one."""

    backend: str
    reference: str
    differences: list[Difference]
    first: Difference | None  # the first layer that differs

    @property
    def fine(self) -> bool:
        """Whether all is within bounds."""
        return all(difference.fine for difference in self.differences)


@record
class Plan:
    """What is verified, and how."""

    backends: tuple[str, ...]
    dtype: str
    seed: int
    weights: Path | None
    names: Path | None = None  # a map of the weights' names


def verify(program: Program, plan: Plan, problems: Problems) -> list[Pair]:
    """Compares the programs of the backends that can run; problems say why others can't."""
    model = program.main
    bare = replace(program, data=None, train=None)
    lengths = draw_lengths(model)
    inputs = draw_inputs(model, plan.dtype, plan.seed, lengths)
    weights = _weights(program, plan, problems)
    if weights is None:
        return []
    answers: dict[str, Answer] = {}
    with tempfile.TemporaryDirectory() as folder:
        for backend in plan.backends:
            found = _answer(backend, bare, Path(folder), plan, weights, inputs, problems)
            if found is not None:
                answers[backend] = found
    names = [output.name for output in model.outputs]
    reference, *others = answers or ("",)
    return [_pair(one, reference, answers, names, plan.dtype) for one in others]


def _pair(
    backend: str, reference: str, answers: dict[str, Answer], names: list[str], dtype: str
) -> Pair:
    mine, theirs = answers[backend], answers[reference]
    both = (find_backend(backend), find_backend(reference))
    dtype = "float32" if any(one is not None and one.single for one in both) else dtype
    differences = compare(mine, theirs, names, dtype)
    fine = all(difference.fine for difference in differences)
    first = None if fine else first_difference(mine, theirs, dtype)
    return Pair(backend, reference, differences, first)


def _weights(program: Program, plan: Plan, problems: Problems) -> Arrays | None:
    drawn = draw_weights(program.main, plan.dtype, plan.seed)
    if plan.weights is None:
        return drawn
    from bmc.weights.files import read_weights

    given = read_weights(plan.weights, program.main, problems, plan.names)
    if given is None:
        return None
    return {name: given.tensors[name].astype(plan.dtype) for name in drawn}


def _answer(
    backend: str,
    program: Program,
    folder: Path,
    plan: Plan,
    weights: Arrays,
    inputs: list[np.ndarray],
    problems: Problems,
) -> Answer | None:
    span = program.main.span
    if lacks(backend, span, problems):
        return None
    files = driver.compile(program, backend, problems)
    if not files.get("model.py"):
        return None
    place = folder / backend
    place.mkdir()
    (place / "model.py").write_text(files["model.py"], encoding="utf-8")
    made = find_backend(backend)
    assert made is not None
    header: dict[str, Any] = {
        "name": class_name(program.main.name),
        "dtype": "float32" if made.single else plan.dtype,
        "gradients": True,
        "layers": True,
    }
    if made.single:
        weights = {k: _single(v) for k, v in weights.items()}
        inputs = [_single(v) for v in inputs]
    try:
        return run(made.package, place, header, weights, inputs)
    except Failed as failure:
        problems.add(VerifyFailed(span, backend, f"its program failed: {failure}", None))
        return None


def lacks(backend: str, span: Span, problems: Problems) -> bool:
    """Whether packages of a backend are not installed, which is then said."""
    absent = missing(backend)
    if absent:
        names = " and ".join(f"`{name}`" for name in absent)
        what = f"needs {names}, which this Python has not"
        problems.add(VerifyFailed(span, backend, what, f'pip install "bmc[{backend}]"'))
    return bool(absent)


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def table(pairs: list[Pair]) -> str:
    """The comparisons as text for people."""
    lines: list[str] = []
    for pair in pairs:
        lines.append(f"{pair.backend} against {pair.reference}")
        wide = max(len(difference.name) for difference in pair.differences)
        for difference in pair.differences:
            word = "equal" if difference.fine else "DIFFERS"
            lines.append(
                f"  {difference.name:{wide}}  {difference.share:8.1e}"
                f"  (at most {difference.bound:.0e})  {word}"
            )
        if pair.first is not None:
            lines.append(f"  the first layer that differs is {pair.first.name}")
    return "\n".join(lines)


def as_json(pairs: list[Pair]) -> list[dict[str, Any]]:
    """The comparisons for programs."""
    return [
        {
            "backend": pair.backend,
            "reference": pair.reference,
            "equal": pair.fine,
            "differences": [
                {"name": d.name, "share": _plain(d.share), "bound": d.bound, "equal": d.fine}
                for d in pair.differences
            ],
            "first": None if pair.first is None else pair.first.name,
        }
        for pair in pairs
    ]


def _plain(share: float) -> float | None:
    return share if np.isfinite(share) else None
