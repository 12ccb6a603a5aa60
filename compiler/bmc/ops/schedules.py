"""Schedules: the learning rate of each update, as one pure function of its number.

Updates are numbered 1, 2, … With a `warmup` of w updates the rate of update k is lr * k / w while
k <= w. Spans given in epochs or per cent become updates when the run's length is known. Knows no
backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from bmc.ops.base import Declaration, Sample, param
from bmc.ops.kinds import Float, Int, Kind, ListOf, Measure, Measured, Refusal, Word, Words

SPAN = Measured("steps", "epochs")
WARMUP = Measured("steps", "epochs", "%")
WARMUP_DOC = "how long the rate rises: steps, epochs, or per cent of the run"
Count = Callable[[Measure], int]
FLOOR = Float(min=0)
FLOOR_DOC = "the rate at the end"


class Watched(Kind):
    """A number of the evaluation: `validation.loss`, `validation.accuracy`."""

    description = "a number to watch, like `validation.loss`"

    def convert(self, value: Any) -> str:
        """The dotted name."""
        if isinstance(value, Word) and value.id.startswith("validation."):
            return value.id
        raise Refusal(f"expected {self.description}")


def require_whole(span: Measure, setting: str) -> None:
    """Refuses a span that is not a whole number of steps or epochs, at least 1."""
    if span.value < 1 or not float(span.value).is_integer():
        raise Refusal(f"expected a whole number of {span.unit}, at least 1", setting=setting)


class Schedule(Declaration, family="schedule"):
    """Base of schedules: a rise over `warmup`, then what `fall` says."""

    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    least: ClassVar[bool] = False  # whether `floor` bounds the rate, and isn't where it falls to
    drawn: ClassVar[tuple[Sample, ...]] = (Sample({"warmup": Measure(0.1, "%")}),)

    def rates(self, lr: float, steps: int, per_epoch: int) -> list[float]:
        """The rate of each update of a run, so many of them an epoch."""

        def count(span: Measure) -> int:
            return round(span.value * {"steps": 1, "epochs": per_epoch, "%": steps}[span.unit])

        warm = count(self.warmup) if self.warmup is not None else 0
        floor = float(getattr(self, "floor", 0.0))
        found = []
        for step in range(1, steps + 1):
            if step <= warm:
                found.append(lr * self.rise(step / warm))
                continue
            share = self.fall(step, warm, steps, count)
            found.append(max(lr * share, floor) if self.least else floor + (lr - floor) * share)
        return found

    def rise(self, progress: float) -> float:
        """The share of `lr` in the warm-up, of which `progress` is done."""
        return progress

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """The share of `lr` at update `step` of a run of `steps`, `warm` of them warm-up."""
        return 1.0


def half_cosine(progress: float) -> float:
    """From 1 to 0."""
    return (1 + math.cos(math.pi * progress)) / 2


class Constant(Schedule, name="constant", aliases=("constant_with_warmup",)):
    """The same rate all along, after the warm-up if there is one."""

    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    samples = (Sample(), Sample({"warmup": Measure(5, "steps")}))


class Cosine(
    Schedule, name="cosine", aliases=("cosine_decay", "cosineannealing", "cosine_annealing")
):
    """Half a cosine from `lr` down to `floor` at the end of the run (Loshchilov & Hutter 2017).

    Of n updates, w of them warm-up, update k > w has the rate
    `floor + (lr - floor) * (1 + cos(pi * (k - 1 - w) / (n - w))) / 2`. With `restarts` the rate
    starts anew from `lr` after each such span, which stands in the place of n - w.
    """

    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    floor: float = param(FLOOR, FLOOR_DOC, 0.0)
    restarts: Measure | None = param(SPAN, "how long a half cosine is; then the next begins", None)
    drawn = (
        Sample({"warmup": Measure(0.1, "%")}),
        Sample({"restarts": Measure(5, "epochs")}),
    )
    samples = (
        Sample({"restarts": Measure(6, "steps"), "warmup": Measure(5, "steps")}),
        Sample({"restarts": Measure(1, "epochs"), "floor": 1e-5}),
        Sample(),
        Sample({"warmup": Measure(5, "steps"), "floor": 1e-5}),
        Sample({"warmup": Measure(1, "epochs")}),
        Sample({"warmup": Measure(0.1, "%")}),
    )

    def check(self) -> None:
        """A restart comes after whole steps or epochs."""
        if self.restarts is not None:
            require_whole(self.restarts, "restarts")

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """Half a cosine, over the run or between restarts."""
        done, length = step - 1 - warm, steps - warm
        if self.restarts is not None:
            length = count(self.restarts)
            done %= length
        return half_cosine(done / length)


class OneCycle(Schedule, name="one_cycle", aliases=("onecycle", "one_cycle_lr", "onecyclelr")):
    """Half a cosine up to `lr`, and half a cosine down (Smith & Topin 2018, two phases).

    While k <= w the rate of update k is `lr * (start + (1 - start) * (1 - cos(pi * k / w)) / 2)`;
    then it is that of `cosine`. The momentum stays as it is.
    """

    warmup: Measure | None = param(WARMUP, "how long the rate rises", Measure(0.3, "%"))
    start: float = param(Float(min=0, max=1), "the share of `lr` that the rise begins from", 0.04)
    floor: float = param(FLOOR, FLOOR_DOC, 0.0)
    drawn = (Sample(),)
    samples = (
        Sample(),
        Sample({"warmup": Measure(1, "epochs"), "start": 0.1, "floor": 1e-5}),
    )

    def check(self) -> None:
        """One cycle rises."""
        if self.warmup is None:
            raise Refusal("is a rise and a fall; a fall alone is `cosine`", setting="warmup")

    def rise(self, progress: float) -> float:
        """Half a cosine from `start`."""
        return self.start + (1 - self.start) * (1 - half_cosine(progress))

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """Half a cosine."""
        return half_cosine((step - 1 - warm) / (steps - warm))


class Linear(Schedule, name="linear", aliases=("linear_decay",)):
    """A straight line from `lr` down to `floor` at the end of the run."""

    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    floor: float = param(FLOOR, FLOOR_DOC, 0.0)
    samples = (Sample(), Sample({"warmup": Measure(0.05, "%"), "floor": 1e-5}))

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """A straight line."""
        return 1 - (step - 1 - warm) / (steps - warm)


class Polynomial(Schedule, name="polynomial", aliases=("polynomial_decay", "poly")):
    """From `lr` down to `floor` at the end of the run, as a power of what is left.

    `floor + (lr - floor) * (1 - (k - 1 - w) / (n - w)) ** power` for update k of n, w of them
    warm-up (as PyTorch's PolynomialLR).
    """

    power: float = param(Float(above=0), "1 is a straight line", 2.0)
    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    floor: float = param(FLOOR, FLOOR_DOC, 0.0)
    samples = (
        Sample(),
        Sample({"power": 0.5, "warmup": Measure(3, "steps"), "floor": 1e-5}),
    )

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """A power of what is left."""
        return float((1 - (step - 1 - warm) / (steps - warm)) ** self.power)


class InverseSqrt(
    Schedule, name="inverse_sqrt", aliases=("inverse_square_root", "noam", "inv_sqrt")
):
    """Falls as one over the root of the update's number (Vaswani et al. 2017).

    `lr * sqrt(s / (s + k - 1 - w))` for update k after w of warm-up; s is `scale`, or else w.
    """

    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    scale: Measure | None = param(SPAN, "how slowly it falls; the warm-up if left out", None)
    samples = (
        Sample({"warmup": Measure(5, "steps")}),
        Sample({"warmup": Measure(0.1, "%"), "scale": Measure(1, "epochs")}),
        Sample({"scale": Measure(10, "steps")}),
    )

    def check(self) -> None:
        """Something says how slowly the rate falls."""
        if self.scale is not None:
            require_whole(self.scale, "scale")
        elif self.warmup is None:
            raise Refusal("needs a `warmup`, or a `scale`", setting="scale")

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """One over a root."""
        scale = count(self.scale) if self.scale is not None else warm
        return math.sqrt(scale / (scale + step - 1 - warm))


class WarmupStableDecay(
    Schedule, name="warmup_stable_decay", aliases=("wsd", "trapezoid", "trapezoidal")
):
    """The same rate until the last part of the run, then down to `floor` (Hu et al. 2024).

    With p from 0 to 1 over that part, the rate is `floor + (lr - floor) * s`, where s is
    `1 - p` (linear), `1 - sqrt(p)` (sqrt; Haegele et al. 2024) or `(1 + cos(pi * p)) / 2` (cosine).
    """

    decay: Measure = param(WARMUP, "how long the last part is", Measure(0.1, "%"))
    shape: str = param(Words("linear", "sqrt", "cosine"), "how the rate falls", "linear")
    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    floor: float = param(FLOOR, FLOOR_DOC, 0.0)
    drawn = (Sample({"warmup": Measure(0.1, "%"), "decay": Measure(0.3, "%")}),)
    samples = (
        Sample(),
        Sample({"decay": Measure(6, "steps"), "shape": "sqrt", "warmup": Measure(2, "steps")}),
        Sample({"decay": Measure(0.5, "%"), "shape": "cosine", "floor": 1e-5}),
    )

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """Whole until the last part."""
        length = count(self.decay)
        progress = max(step - 1 - (steps - length), 0) / length
        forms = {"linear": 1 - progress, "sqrt": 1 - math.sqrt(progress)}
        return forms.get(self.shape, half_cosine(progress))


class Step(Schedule, name="steps_down", aliases=("step", "multistep", "multisteplr", "steplr")):
    """Times `factor` after each boundary: `at=[30 epochs]` leaves thirty epochs as they are."""

    at: tuple[Measure, ...] = param(ListOf(SPAN, single=True), "where the rate falls")
    factor: float = param(Float(above=0), "what it is multiplied by", 0.1)
    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    drawn = (Sample({"at": (Measure(8, "epochs"), Measure(14, "epochs")), "factor": 0.5}),)
    samples = (
        Sample({"at": (Measure(3, "steps"), Measure(6, "steps"))}),
        Sample({"at": (Measure(1, "epochs"), Measure(2, "epochs")), "factor": 0.5}),
    )

    def check(self) -> None:
        """Boundaries are whole steps or epochs, of one kind."""
        for boundary in self.at:
            require_whole(boundary, "at")
        if len({boundary.unit for boundary in self.at}) > 1:
            raise Refusal("give all boundaries in steps, or all in epochs", setting="at")

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """Less after each boundary."""
        return float(self.factor ** sum(step > count(boundary) for boundary in self.at))


class Exponential(Schedule, name="exponential", aliases=("exponential_decay", "exponentiallr")):
    """Times `factor` after every span, counted from the end of the warm-up."""

    factor: float = param(Float(above=0, max=1), "what the rate is multiplied by")
    every: Measure = param(SPAN, "how often", Measure(1, "epochs"))
    floor: float = param(FLOOR, "the least rate", 0.0)
    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    drawn = (Sample({"factor": 0.8, "warmup": Measure(0.1, "%")}),)
    least = True
    samples = (
        Sample({"factor": 0.98}),
        Sample({"factor": 0.5, "every": Measure(4, "steps"), "floor": 1e-4}),
    )

    def check(self) -> None:
        """Spans are counted in whole steps or epochs."""
        require_whole(self.every, "every")

    def fall(self, step: int, warm: int, steps: int, count: Count) -> float:
        """Less after each span."""
        return float(self.factor ** ((step - 1 - warm) // count(self.every)))


class Plateau(Schedule, name="plateau", aliases=("reduce_on_plateau", "reducelronplateau")):
    """Times `factor` after exactly `patience` evaluations in a row without a gain.

    A gain is relative: the watched number must beat the best by more than `threshold` of it.
    """

    factor: float = param(Float(above=0, below=1), "what the rate is multiplied by", 0.1)
    patience: int = param(Int(min=1), "evaluations without a gain", 10)
    on: str = param(Watched(), "the number to watch", "validation.loss")
    threshold: float = param(Float(min=0), "least relative gain", 1e-4)
    floor: float = param(FLOOR, "the least rate", 0.0)
    warmup: Measure | None = param(WARMUP, WARMUP_DOC, None)
    drawn = ()
    least = True
    samples = (Sample(), Sample({"factor": 0.5, "patience": 2, "floor": 1e-5}))


class Stop(Declaration, family="stop"):
    """Base of rules that end a run early."""


class Patience(Stop, name="patience", aliases=("early_stopping", "earlystopping")):
    """Stops after exactly `evaluations` in a row in which the watched number did not get better.

    The weights kept are those of the best evaluation.
    """

    evaluations: int = param(Int(min=1), "evaluations without a gain")
    on: str = param(Watched(), "the number to watch", "validation.loss")
    least: float = param(Float(min=0), "a gain must be larger than this", 0.0)
    samples = (Sample({"evaluations": 3}),)


class Checkpoint(Declaration, family="checkpoint"):
    """Base of rules for saving the state of a run."""


class Every(Checkpoint, name="every"):
    """Saves the whole state of the run, so that it can go on bit for bit, after every span."""

    span: Measure = param(SPAN, "how often")
    keep: int = param(Int(min=1), "how many of the newest to keep", 2)
    samples = (Sample({"span": Measure(1, "epochs")}), Sample({"span": Measure(10, "steps")}))

    def check(self) -> None:
        """Spans are counted in whole steps or epochs."""
        require_whole(self.span, "span")
