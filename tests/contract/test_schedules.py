"""Every schedule: the printed function of the update's number against PyTorch and the papers."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.programs.project import SPECS

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.emit.backend import NOWHERE, Unsupported
from bmc.emit.lowering import rule_for
from bmc.ir.training import TrainProgram
from bmc.ops.kinds import REGISTRY, Measure
from bmc.ops.schedules import Schedule
from bmc.project import open_project
from bmc.records import replace
from bmc.samples import make
from bmc_programs.lower.table import LOWERINGS
from bmc_programs.rate import Rates

SCHEDULES: dict[str, type[Schedule]] = REGISTRY["schedule"]  # type: ignore[assignment]
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, declared in sorted(SCHEDULES.items())
    for number in range(len(declared.samples))
]
LR, PER_EPOCH, STEPS = 0.1, 8, 40


@pytest.fixture(scope="module")
def train() -> TrainProgram:
    project, source = open_project(str(SPECS / "vision" / "digits.bm"))
    program = driver.load(source, project, Problems())
    assert program is not None and program.train is not None
    return program.train


def printed(train: TrainProgram, schedule: Schedule) -> list[float] | None:
    """The rates of a run of 40 updates, 8 an epoch, as a program works them out."""
    rates = Rates(replace(train, schedule=schedule))
    text = rates.function()
    if text is None:
        return None
    names: dict[str, Any] = {"math": math, "LEARNING_RATE": LR}
    names |= rates.constants() | {"steps": STEPS, "steps_per_epoch": PER_EPOCH}
    exec("\n".join([text, *rates.before()]), names)  # the compiler's own text
    names["plateau"] = SimpleNamespace(share=0.5)
    return [eval(rates.call(), names | {"step": step}) for step in range(1, STEPS + 1)]


def updates(span: Measure | None) -> int:
    if span is None:
        return 0
    factor = {"steps": 1, "epochs": PER_EPOCH, "%": STEPS}[span.unit]
    return round(span.value * factor)


def cosine(p: float) -> float:
    return (1 + math.cos(math.pi * p)) / 2


def expected(op: Any, step: int) -> float:
    """The rate of an update, from the documentation of the schedule."""
    w, floor = updates(op.warmup), getattr(op, "floor", 0.0)
    if step <= w:
        if op.name == "one_cycle":
            return LR * (op.start + (1 - op.start) * (1 - cosine(step / w)))
        return LR * step / w
    p = (step - 1 - w) / (STEPS - w)
    shares: dict[str, Callable[[], float]] = {
        "constant": lambda: 1,
        "cosine": lambda: cosine((step - 1 - w) % updates(op.restarts) / updates(op.restarts))
        if op.restarts else cosine(p),
        "one_cycle": lambda: cosine(p),
        "linear": lambda: 1 - p,
        "polynomial": lambda: (1 - p) ** op.power,
        "plateau": lambda: 0.5,
        "inverse_sqrt": lambda: math.sqrt(
            (updates(op.scale) or w) / ((updates(op.scale) or w) + step - 1 - w)
        ),
        "exponential": lambda: op.factor ** ((step - 1 - w) // updates(op.every)),
        "steps_down": lambda: math.prod(op.factor for at in op.at if step > updates(at)),
        "warmup_stable_decay": lambda: last(op, step),
    }  # fmt: skip
    share = shares[op.name]()
    if op.name in ("exponential", "plateau"):
        return max(LR * share, floor)
    return floor + (LR - floor) * share


def last(op: Any, step: int) -> float:
    length = updates(op.decay)
    p = max(step - 1 - (STEPS - length), 0) / length
    return {"linear": 1 - p, "sqrt": 1 - math.sqrt(p), "cosine": cosine(p)}[op.shape]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_schedule_is_its_formula(name: str, number: int, train: TrainProgram) -> None:
    schedule: Any = make(SCHEDULES[name], SCHEDULES[name].samples[number])
    if isinstance(rule_for(LOWERINGS, schedule, NOWHERE), Unsupported):
        pytest.skip("refused by name")
    wanted = [expected(schedule, step) for step in range(1, STEPS + 1)]
    if name != "plateau":  # which goes by the scores
        np.testing.assert_allclose(schedule.rates(LR, STEPS, PER_EPOCH), wanted, rtol=1e-12)
    found = printed(train, schedule)
    if found is None:
        assert name == "constant" and schedule.warmup is None
        return
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("settings", [
    ("CosineAnnealingLR", "cosine", {"floor": 0.01}, {"T_max": STEPS, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", "cosine", {"restarts": Measure(6, "steps")}, {"T_0": 6}),
    ("PolynomialLR", "polynomial", {"power": 3.0}, {"total_iters": STEPS, "power": 3.0}),
    ("MultiStepLR", "steps_down", {"at": (Measure(3, "steps"),)}, {"milestones": [3], "gamma": 0.1}),
    ("StepLR", "exponential", {"factor": 0.5, "every": Measure(4, "steps")},
     {"step_size": 4, "gamma": 0.5}),
], ids=lambda settings: settings[0])  # fmt: skip
def test_pytorch_has_the_same_rates(settings: Any, train: TrainProgram) -> None:
    import torch

    theirs, mine, given, keywords = settings
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = getattr(torch.optim.lr_scheduler, theirs)(optimizer, **keywords)
    wanted = []
    for _ in range(STEPS):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    found = printed(train, SCHEDULES[mine].make(given))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-15)


@pytest.mark.torch
@pytest.mark.parametrize("higher", [False, True])
def test_a_plateau_is_pytorchs_one_evaluation_later(higher: bool) -> None:
    """PyTorch waits one more; its patience is ours less one."""
    import torch

    from bmc_programs.parts.runs import Plateau

    chance = np.random.default_rng(4)
    mine = Plateau(3, 0.5, 1e-2, higher)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    mode = "max" if higher else "min"
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=0.5, patience=2, threshold=1e-2, eps=0.0
    )
    for score in np.abs(chance.standard_normal(60)) + 1:
        mine.update(float(score))
        theirs.step(float(score))
        assert mine.share == optimizer.param_groups[0]["lr"]
    assert mine.share < 0.1
