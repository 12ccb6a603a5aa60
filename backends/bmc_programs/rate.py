"""The learning rate of a program: its function, its constants, and the lines that call it."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import NOWHERE, Rate
from bmc.emit.layout import render
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Assign, Bin, Expr, GeneratorExp, Name, call
from bmc.emit.templates import Code
from bmc.emit.templates import render as fill
from bmc.ir.training import TrainProgram
from bmc.ops.kinds import Measure
from bmc.ops.schedules import Constant, Schedule
from bmc_programs.lower.table import LOWERINGS

Span = Measure | tuple[Measure, ...]
UNITS = {"steps": "STEPS", "epochs": "EPOCHS", "%": "SHARE"}
# The kinds of falls of `warmup_stable_decay`, in terms of `progress`.
FALLS = {
    "linear": "(1 - progress)",
    "sqrt": "(1 - math.sqrt(progress))",
    "cosine": "0.5 * (1 + math.cos(math.pi * progress))",
}


class Rates:
    """The schedule of a run as its program has it; `made` is None while the rate stays."""

    def __init__(self, train: TrainProgram) -> None:
        self.schedule: Schedule = train.schedule or Constant.make({})
        found = rule_for(LOWERINGS, self.schedule, NOWHERE)
        self.made = found if isinstance(found, Rate) and not found.steady else None

    @property
    def spans(self) -> dict[str, Span]:
        """What is counted in updates when a run begins: the warm-up, and the schedule's own."""
        if self.made is None:
            return {}
        warm = self.schedule.warmup
        return {**({"warmup": warm} if warm is not None else {}), **self.made.spans}

    def constants(self) -> dict[str, Any]:
        """The constants of the program that the schedule reads."""
        if self.made is None:
            return {}
        spans = {_constant(name, span): _value(span) for name, span in self.spans.items()}
        return {**self.made.constants, **spans}

    def before(self) -> list[str]:
        """The lines of `main` that count the spans in updates."""
        lines = [Assign(Name(name), _updates(name, span)) for name, span in self.spans.items()]
        return render(lines).rstrip("\n").split("\n") if lines else []

    def counts_steps(self) -> bool:
        """Whether the length of the run in updates is needed."""
        spans = [one for one in self.spans.values() if isinstance(one, Measure)]
        return self.made is not None and (self.made.run or any(one.unit == "%" for one in spans))

    def arguments(self) -> tuple[str, ...]:
        """What the function is called with."""
        assert self.made is not None
        share = ("share",) if self.made.follows else ()
        return ("step", *(("steps",) if self.made.run else ()), *share, *self.spans)

    def call(self) -> str:
        """The rate of the update `step`."""
        given = ["plateau.share" if name == "share" else name for name in self.arguments()]
        return f"learning_rate({', '.join(given)})"

    def function(self) -> str | None:
        """`learning_rate`: a pure function of the update's number."""
        if self.made is None:
            return None
        warm, start = "warmup" in self.spans, "START" in self.made.constants
        rise = "a rise, then " if start else "linear warm-up, then "
        kinds = {"boundaries": "tuple[int, ...]", "share": "float"}
        typed = [f"{name}: {kinds.get(name, 'int')}" for name in self.arguments()]
        floor = "FLOOR" in self.made.constants
        text = fill(
            "bmc_programs",
            "rate.py",
            name=self.schedule.name,
            parameters=Code(", ".join(typed)),
            words=Code(f"{rise if warm else ''}{self.made.words}"),
            warm=warm,
            start=start,
            spans=tuple(self.spans),
            bare=Code("step - 1 - warmup" if warm else "step - 1"),
            done=Code("(step - 1 - warmup)" if warm else "(step - 1)"),
            left=Code("(steps - warmup)" if warm else "steps"),
            floor=floor,
            base=Code("FLOOR + (LEARNING_RATE - FLOOR)" if floor else "LEARNING_RATE"),
            fall=Code(FALLS.get(str(getattr(self.schedule, "shape", "")), "")),
        )
        return text.rstrip("\n")


def _constant(name: str, span: Span) -> str:
    one = span[0] if isinstance(span, tuple) else span
    return f"{name.upper()}_{UNITS[one.unit]}"


def _value(span: Span) -> Any:
    return tuple(one.value for one in span) if isinstance(span, tuple) else span.value


def _updates(name: str, span: Span) -> Expr:
    """The span in updates."""
    constant: Expr = Name(_constant(name, span))
    if isinstance(span, tuple):
        if span[0].unit == "steps":
            return constant
        each = Bin("*", Name("epoch"), Name("steps_per_epoch"))
        return call("tuple", GeneratorExp(each, Name("epoch"), constant))
    if span.unit == "epochs":
        return Bin("*", constant, Name("steps_per_epoch"))
    if span.unit == "steps":
        return constant
    share = call("round", Bin("*", constant, Name("steps")))
    return share if name == "warmup" else call("max", 1, share)  # what is divided by
