"""The steps of `bmc verify --steps`: some updates in two frameworks, compared after each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import VerifyFailed
from bmc.ir.model import Instance, Program, walk
from bmc.ir.training import Pretrained, TrainProgram
from bmc.ops.base import Layer
from bmc.ops.kinds import Measure
from bmc.ops.schedules import Every, Plateau
from bmc.records import record, replace
from bmc.verify.chance import draw_weights
from bmc.verify.command import lacks
from bmc.verify.compare import Difference, Failed, difference, execute

TRAINS = ("torch", "keras")
BOUND = 1e-6  # of the largest element; Keras programs take their rates in single precision
START = "start.safetensors"
DROPS = ("dropout", "rate")


@record
class Update:
    """How far two runs are apart after an update: its loss, then every tensor of the model."""

    number: int
    differences: list[Difference]

    @property
    def fine(self) -> bool:
        """Whether all is within bounds."""
        return all(one.fine for one in self.differences)


def rehearse(
    program: Program, steps: int, data: Path, seed: int, problems: Problems
) -> list[Update]:
    """Trains both programs for some updates from the same weights; problems say why one can't."""
    assert program.train is not None
    random = next(_random(program), None)
    if random is not None:
        what = f"has `{random.name}`, which each framework draws its own numbers for"
        problems.add(VerifyFailed(program.main.span, "training", what, "leave it out with `--set`"))
        return []
    _without_dropout(program)
    program = replace(program, train=_short(program.train, steps))
    weights = draw_weights(program.main, "float64", seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write_start(folder / START, weights)
        runs = []
        for backend in TRAINS:
            if not _trained(backend, program, folder, data, problems):
                return []
            runs.append(folder / f"{backend}_run")
        return list(_updates(runs[1], runs[0]))


def _layers(program: Program) -> Iterator[tuple[Instance, Layer]]:
    for spec in program.models.values():
        for top in spec.instances:
            for _, instance in walk(top):
                if isinstance(instance.target, Layer):
                    yield instance, instance.target


def _random(program: Program) -> Iterator[Layer]:
    """The layers that draw numbers, and can't be told not to."""
    for _, layer in _layers(program):
        if layer.random and not any(key in layer.settings for key in DROPS):
            yield layer


def _without_dropout(program: Program) -> None:
    """Keeps every element: frameworks drop others."""
    for instance, layer in _layers(program):
        drops = {key: 0.0 for key in DROPS if layer.random and key in layer.settings}
        if drops:
            instance.target = type(layer)(**{**layer.values(), **drops})


def _short(train: TrainProgram, steps: int) -> TrainProgram:
    """The run with so many updates, a state after each, and nothing that ends it before."""
    spans = {**train.spans, "checkpoint": next(iter(train.spans.values()))}
    follows = isinstance(train.schedule, Plateau)
    return replace(
        train,
        epochs=None,
        steps=steps,
        checkpoint=Every(span=Measure(1, "steps"), keep=steps + 1),
        weights=(Pretrained("", START),),
        validation=train.validation and follows,
        stop=None,
        ema=None,
        precision=None,
        compile=False,
        spans=spans,
    )


def _write_start(path: Path, weights: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(one) for name, one in weights.items()}, path)


def _trained(backend: str, program: Program, folder: Path, data: Path, problems: Problems) -> bool:
    """Compiles and runs a program; False, and said so, where that fails."""
    span = program.main.span
    if lacks(backend, span, problems):
        return False
    files = driver.compile(program, backend, problems)
    if problems.failed:
        return False
    place = folder / backend
    place.mkdir()
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    words = ("--data", data, "--out", folder / f"{backend}_run", "--start", folder / START)
    try:
        execute("bmc.verify.rehearse", backend, place, *words, "--quiet")
    except Failed as failure:
        problems.add(VerifyFailed(span, backend, f"its program failed: {failure}", None))
        return False
    return True


def _updates(mine: Path, theirs: Path) -> Iterator[Update]:
    """The comparisons of two runs, update by update."""
    from safetensors.numpy import load_file

    losses = [_losses(run) for run in (mine, theirs)]
    for path in sorted((theirs / "states").glob("step-*.safetensors")):
        number = int(path.stem.rpartition("-")[2])
        found = []
        if number in losses[1]:
            one, other = (np.array([run.get(number, np.nan)]) for run in losses)
            found.append(difference("loss", one, other, BOUND))
        ours, reference = load_file(mine / "states" / path.name), load_file(path)
        names = [name for name in reference if name.startswith("model.")]
        found += [
            difference(name.removeprefix("model."), ours[name], reference[name], BOUND)
            for name in names
        ]
        yield Update(number, found)


def _losses(run: Path) -> dict[int, float]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines)}


def table(updates: list[Update]) -> str:
    """The comparisons as text: the farthest of each update, and the first that differs."""
    lines = ["keras against torch, training"]
    for update in updates:
        worst = max(update.differences, key=lambda one: one.share)
        word = "equal" if update.fine else "DIFFERS"
        lines.append(
            f"  update {update.number:<5}  {worst.share:8.1e}  (at most {worst.bound:.0e})"
            f"  {word}  {worst.name}"
        )
    first = next((update for update in updates if not update.fine), None)
    if first is not None:
        name = next(one.name for one in first.differences if not one.fine)
        lines.append(f"  the first difference is in update {first.number}: {name}")
    return "\n".join(lines)


def as_json(updates: list[Update]) -> list[dict[str, Any]]:
    """The comparisons for programs."""
    return [
        {
            "update": update.number,
            "equal": update.fine,
            "differences": {
                one.name: one.share if np.isfinite(one.share) else None
                for one in update.differences
            },
        }
        for update in updates
    ]
