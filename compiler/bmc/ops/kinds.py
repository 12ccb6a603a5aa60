"""What settings take: kinds of values, each with how it is said and what it refuses."""

from __future__ import annotations

from typing import Any, ClassVar

from bmc.records import record
from bmc.types.symbolic import Num, Real, Sym
from bmc.types.tensor import Shape


class Declared:
    """Whatever has a name in a family: layers, losses, steps. `base.py` says how it is declared."""

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""


# Every declaration by its family and its name.
REGISTRY: dict[str, dict[str, type[Any]]] = {
    family: {}
    for family in (
        "layer",
        "mask",
        "initializer",
        "positions",
        "loss",
        "metric",
        "optimizer",
        "schedule",
        "stop",
        "checkpoint",
        "strategy",
        "weights",
        "source",
        "step",
        "split",
        "reduction",
        "writer",
    )
}


class Refusal(Exception):
    """A rule's way to say no: what was found and why it can't be, and how to mend it."""

    def __init__(
        self, message: str, *, help: str | None = None, setting: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.setting = setting


@record
class Word:
    """A bare word of a setting's own vocabulary: `same`, `median`."""

    id: str


# --- kinds of settings --------------------------------------------------------------------


class Kind:
    """What values a setting takes. `convert` returns the value or raises `Refusal`."""

    description: str = ""

    def convert(self, value: Any) -> Any:
        """The value in the form that rules see."""
        raise NotImplementedError

    def words(self) -> tuple[str, ...]:
        """The bare words that are values of this kind."""
        return ()


@record
class Int(Kind):
    """A whole number within bounds."""

    min: int | None = None
    max: int | None = None

    @property
    def description(self) -> str:  # type: ignore[override]
        """`a whole number, at least 1`"""
        return "a whole number" + _bounds(self.min, self.max)

    def convert(self, value: Any) -> Any:
        """A `Num`, or a free dimension as it is."""
        if isinstance(value, Sym):
            return value
        if isinstance(value, float) and value.is_integer():
            value = Num(int(value))
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refusal(f"expected {self.description}, found {show(value)}")
        _check_bounds(value, self.min, self.max, self.description)
        return value


@record
class Float(Kind):
    """A number within bounds; with `below`, strictly less than it."""

    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def description(self) -> str:  # type: ignore[override]
        """`a number, at least 0, below 1`"""
        text = "a number" + _bounds(self.min, self.max)
        if self.above is not None:
            text += f", above {self.above:g}"
        if self.below is not None:
            text += f", below {self.below:g}"
        return text

    def convert(self, value: Any) -> Any:
        """A `Real`; a whole number becomes one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal(f"expected {self.description}, found {show(value)}")
        _check_bounds(value, self.min, self.max, self.description)
        if (self.above is not None and value <= self.above) or (
            self.below is not None and value >= self.below
        ):
            raise Refusal(f"expected {self.description}, found {show(value)}")
        if isinstance(value, int):
            expression = value.expression if isinstance(value, Num) else None
            return Real(float(value), expression if expression and expression.names() else None)
        return value


@record
class Bool(Kind):
    """`true` or `false`."""

    description = "`true` or `false`"

    def convert(self, value: Any) -> Any:
        """The bool."""
        if not isinstance(value, bool):
            raise Refusal(f"expected {self.description}, found {show(value)}")
        return value


@record
class Str(Kind):
    """Text in quotes."""

    description = "text in quotes"

    def convert(self, value: Any) -> Any:
        """The text."""
        if not isinstance(value, str):
            raise Refusal(f"expected {self.description}, found {show(value)}")
        return value


class Words(Kind):
    """One of a closed list of bare words; the value is a `str`."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        names = [f"`{choice}`" for choice in choices]
        self.description = (
            names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        )

    def convert(self, value: Any) -> Any:
        """The word as a `str`."""
        if isinstance(value, Word) and value.id in self.choices:
            return value.id
        if isinstance(value, str) and value in self.choices:
            raise Refusal(
                f"expected {self.description}, found {show(value)}", help="drop the quotes"
            )
        raise Refusal(f"expected {self.description}, found {show(value)}")

    def words(self) -> tuple[str, ...]:
        """The choices."""
        return self.choices


class ListOf(Kind):
    """A list, or one element standing for a list of one."""

    def __init__(self, element: Kind, *, length: int | None = None, single: bool = False) -> None:
        self.element, self.length, self.single = element, length, single
        count = f"{length} " if length else ""
        self.description = f"a list of {count}({element.description})"

    def convert(self, value: Any) -> Any:
        """A tuple of converted elements."""
        if not isinstance(value, tuple):
            if not self.single:
                raise Refusal(f"expected {self.description}, found {show(value)}")
            value = (value,)
        if self.length is not None and len(value) != self.length:
            raise Refusal(f"expected {self.description}, found a list of {len(value)}")
        return tuple(self.element.convert(item) for item in value)

    def words(self) -> tuple[str, ...]:
        """The element's words."""
        return self.element.words()


class OneOf(Kind):
    """The first of several kinds that takes the value."""

    def __init__(self, *kinds: Kind) -> None:
        self.kinds = kinds
        self.description = " or ".join(kind.description for kind in kinds)

    def convert(self, value: Any) -> Any:
        """What the first kind that accepts makes of it."""
        for kind in self.kinds:
            try:
                return kind.convert(value)
            except Refusal:
                continue
        raise Refusal(f"expected {self.description}, found {show(value)}")

    def words(self) -> tuple[str, ...]:
        """The words of all kinds."""
        return tuple(word for kind in self.kinds for word in kind.words())


class Size(OneOf):
    """One number for every spatial axis, or a list with one for each. The value stays as written."""

    def __init__(self, min: int = 1) -> None:
        super().__init__(Int(min=min), ListOf(Int(min=min)))
        self.description = f"a whole number, at least {min}, or a list of one for each axis"


class Measured(Kind):
    """A number with a unit. The value is a `Measure`."""

    def __init__(self, *units: str) -> None:
        self.units = units
        self.description = "a number with a unit (" + ", ".join(units) + ")"

    def convert(self, value: Any) -> Any:
        """The measure, if its unit fits."""
        if isinstance(value, Measure) and value.unit in self.units:
            return value
        raise Refusal(f"expected {self.description}, found {show(value)}")


class Made(Kind):
    """A declared thing of a family: `normal(0.02)`, `rope(theta=10000)`, or its bare name."""

    def __init__(self, family: str, description: str = "") -> None:
        self.family = family
        self.description = (
            description or f"{_article(family)} ({', '.join(sorted(REGISTRY[family]))})"
        )

    def convert(self, value: Any) -> Any:
        """An instance of a declaration of the family."""
        if isinstance(value, Word) and value.id in REGISTRY[self.family]:
            return REGISTRY[self.family][value.id].make({})
        if isinstance(value, Declared) and value.family == self.family:
            return value
        raise Refusal(f"expected {self.description}, found {show(value)}")

    def words(self) -> tuple[str, ...]:
        """The names of the family."""
        return tuple(REGISTRY[self.family])


class WeightRef(Kind):
    """A weight of another layer: `embed.weight`. The value is a `SharedWeight`."""

    description = "a layer's weight, as in `embed.weight`"

    def convert(self, value: Any) -> Any:
        """The reference."""
        if isinstance(value, SharedWeight):
            return value
        raise Refusal(f"expected {self.description}, found {show(value)}")


class LayerRef(Kind):
    """A block, model or layer handed over as a setting (`scan(Cell(8))`). The elaborator makes it."""

    description = "a block, a model or a layer"

    def convert(self, value: Any) -> Any:
        """The reference as it is."""
        if isinstance(value, BlockRef):
            return value
        raise Refusal(f"expected {self.description}, found {show(value)}")


@record
class Measure:
    """A number with its unit: `2000 steps`, `25 ms`. `5%` has unit `%` and value 0.05."""

    value: int | float
    unit: str


@record(eq=False)
class SharedWeight:
    """A weight of another layer instance: `owner` is the `ir.Instance`, `shape` the weight's."""

    owner: Any
    name: str
    shape: Shape


@record(eq=False)
class BlockRef:
    """A block, model or layer chain with its settings, not applied yet (made by the elaborator)."""

    target: Any
    name: str


def show(value: Any) -> str:
    """A setting's value as a message quotes it."""
    if isinstance(value, Word):
        return f"`{value.id}`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, Measure):
        return f"`{value.value}{'' if value.unit == '%' else ' '}{value.unit}`"
    if isinstance(value, Declared):
        return f"`{value.name}(…)`"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, SharedWeight):
        return "a weight"
    if isinstance(value, BlockRef):
        return f"`{value.name}`"
    if isinstance(value, str):
        shortened = value if len(value) <= 40 else value[:37] + "…"
        return f"the text {shortened!a}"
    return f"`{value}`"


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    if low is not None:
        return f", at least {_number(low)}"
    if high is not None:
        return f", at most {_number(high)}"
    return ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _check_bounds(value: float, low: float | None, high: float | None, description: str) -> None:
    not_a_number = value != value
    if not_a_number or (low is not None and value < low) or (high is not None and value > high):
        raise Refusal(f"expected {description}, found {show(value)}")


def _article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word
