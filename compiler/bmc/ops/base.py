"""The one form in which layers, losses, metrics, optimisers, schedules and data steps are declared.

A declaration is a class: its annotated `param(...)` fields are its settings, its docstring is its
page, its methods are its rules. Declaring a class registers it; checks, docs, completion and the
contract tests read the registry. This module knows no single declaration and no backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

from bmc.ir.symbolic import Dim, Num, Real, Sym
from bmc.ir.types import Shape, TensorType
from bmc.records import field, record


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
        if isinstance(value, Declaration) and value.family == self.family:
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
    if isinstance(value, Declaration):
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


# --- settings -------------------------------------------------------------------------------

REQUIRED: Any = object()


@record
class Setting:
    """One setting of a declaration."""

    name: str
    kind: Kind
    doc: str
    default: Any = REQUIRED

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED


@record
class _Param:
    kind: Kind
    doc: str
    default: Any


def param(kind: Kind, doc: str, default: Any = REQUIRED) -> Any:
    """Declares a setting: its kind, one line of documentation, its default if it has one."""
    return _Param(kind, doc, default)


# --- declarations -----------------------------------------------------------------------------

REGISTRY: dict[str, dict[str, type[Declaration]]] = {
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


@dataclass_transform(field_specifiers=(param,), kw_only_default=True, frozen_default=True)
class Declaration:
    """Base of everything declared. Subclass with `name=` to register; family bases give `family=`."""

    family: ClassVar[str] = ""
    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()  # wrong guesses that get a "did you mean"
    settings: ClassVar[dict[str, Setting]] = {}
    samples: ClassVar[tuple[Sample, ...]] = ()
    rest: ClassVar[Kind | None] = None  # kind of free named arguments (`rearrange(…, h=8)`), if any
    extra: Mapping[str, Any] = {}  # the free named arguments of an instance

    def __init_subclass__(
        cls, name: str | None = None, family: str | None = None, aliases: tuple[str, ...] = ()
    ) -> None:
        super().__init_subclass__()
        if family is not None:
            cls.family = family
        if name is None:
            return
        cls.name, cls.aliases = name, aliases
        own = {
            key: Setting(key, value.kind, value.doc, value.default)
            for key, value in list(vars(cls).items())
            if isinstance(value, _Param)
        }
        for key in own:
            delattr(cls, key)
        cls.settings = {**cls.settings, **own}
        if name in REGISTRY[cls.family]:
            raise TypeError(f"{cls.family} {name} is declared twice")
        REGISTRY[cls.family][name] = cls

    def __init__(self, **values: Any) -> None:
        """Takes every setting by name, already converted; `make` is the checked way."""
        for key, setting in self.settings.items():
            object.__setattr__(self, key, values.pop(key, setting.default))
        if values:
            raise TypeError(f"{self.name} has no setting {', '.join(values)}")

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError("declarations are frozen")

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Any:
        """An instance from raw values: converted, defaults filled, `check` run. Raises `Refusal`."""
        converted: dict[str, Any] = {}
        for key, setting in cls.settings.items():
            if key in values:
                try:
                    converted[key] = setting.kind.convert(values[key])
                except Refusal as refusal:
                    refusal.setting = refusal.setting or key
                    raise
            elif setting.required:
                raise Refusal(
                    f"`{cls.name}` needs the setting `{key}`: {setting.doc}", setting=None
                )
        instance = cls(**converted)
        if cls.rest is not None:
            free = {k: cls.rest.convert(v) for k, v in values.items() if k not in cls.settings}
            object.__setattr__(instance, "extra", free)
        instance.check()
        return instance

    def check(self) -> None:
        """Refuses settings that do not go together."""

    def values(self) -> dict[str, Any]:
        """Settings and their values, in declared order."""
        return {key: getattr(self, key) for key in self.settings}

    def key(self) -> tuple[Any, ...]:
        """What makes two instances mean the same: the class and the plain values."""
        free = tuple(sorted(self.extra.items()))
        return (type(self), *(_key(value) for value in self.values().values()), free)

    def __repr__(self) -> str:
        inner = ", ".join(f"{key}={value!r}" for key, value in self.values().items())
        return f"{self.name}({inner})"


def _key(value: Any) -> Any:
    if isinstance(value, Declaration):
        return value.key()
    if isinstance(value, tuple):
        return tuple(_key(item) for item in value)
    if isinstance(value, bool):
        return ("bool", value)
    return value


@record
class Sample:
    """One case for the contract tests and the docs: settings, and input types.

    `inputs` are shapes without the batch; a leading "int:N" string in a shape marks ids below N.
    `positive` asks for numbers above zero.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[tuple[Any, ...], ...] = ((8,),)
    positive: bool = False


@record
class Weight:
    """A weight of a layer: its shape in the language's own layout, its initialiser, its nature.

    `trainable=False` is a buffer (running statistics). `decay` says whether weight decay applies
    (biases and norms: no). `axes` names fan-in and fan-out for initialisers.
    """

    shape: Shape
    init: Any = None
    trainable: bool = True
    decay: bool = True
    fan_in: Dim | None = None
    fan_out: Dim | None = None


@record
class Padding:
    """What a layer does about the padding at the end of a padded input.

    `fill` stands in it while the layer computes ("zero", "lowest", "highest"), and zeros in that
    of the result where `clear` says so. `reads` is what the layer computes with beside its
    inputs ("mask", "length"), of each padded input among `of`. The result's mask is that of the
    first padded input without its first `skips` places, every `step`-th of it, `before` real
    places in front; or that of input number `follows`.
    """

    fill: str = ""
    clear: bool = False
    reads: str = ""
    of: tuple[int, ...] = (0,)
    skips: int = 0
    step: int = 1
    before: int = 0
    follows: int | None = None

    @property
    def moves(self) -> bool:
        """Whether the data of the result ends elsewhere."""
        return bool(self.before or self.skips) or self.step != 1


class Layer(Declaration, family="layer"):
    """Base of all layers. `infer` sees the input types and returns the output type or types."""

    inputs: ClassVar[tuple[int, int | None]] = (1, 1)  # least and most tensors it takes
    sign: ClassVar[str] = ""  # how a file writes it, where it does not by name
    attribute: ClassVar[str] = ""  # the short word that nameless instances are called by
    random: ClassVar[bool] = False  # draws random numbers in training
    draws: ClassVar[bool] = False  # and when it predicts: noise times its last input
    says_shape: ClassVar[bool] = False  # whose result's shape is worth a comment though it may stay

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """The type of what comes out. Raises `Refusal` on inputs that do not fit."""
        raise NotImplementedError

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """The weights, by canonical name."""
        return {}

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """What happens to padding, if an input is padded. Most layers need do nothing."""
        return Padding()

    def ids(self) -> int | None:
        """How many ids its input may hold, counted from 0; None where it takes no ids."""
        return None

    def least_rows(self, *inputs: TensorType) -> int:
        """How many rows a batch must have that the layer trains on."""
        return 1

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Multiply and add operations for one sample (a multiply-add counts two)."""
        return 0


def layer_named(name: str) -> type[Layer] | None:
    """The layer that a file calls so; what is written with a sign goes by no name."""
    declared = REGISTRY["layer"].get(name)
    return declared if declared is not None and not declared.sign else None  # type: ignore


class Initializer(Declaration, family="initializer"):
    """Base of initialisers."""

    def check_shape(self, shape: Shape) -> None:
        """Refuses a weight of a shape that can't start so."""


class Positions(Declaration, family="positions"):
    """Base of position schemes that attention takes."""


def alias_of(family: str, name: str) -> str | None:
    """The right name for a known wrong guess (`Conv2D`, `linear`, `fc`)."""
    wanted = name.lower()
    for right, declaration in REGISTRY[family].items():
        if wanted == right or wanted in declaration.aliases:
            return right
    return None


def require_rank(x: TensorType, ranks: tuple[int, ...], example: str) -> None:
    """Refuses an input whose number of axes is not among `ranks`."""
    if x.rank not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise Refusal(f"takes an input with {wanted} axes, like {example}, and got {x}")


def require_float(x: TensorType) -> None:
    """Refuses ids where numbers are needed."""
    if x.dtype != "float":
        raise Refusal(
            f"takes numbers, and got {x}",
            help="turn ids into vectors with `embedding`, or use `cast(float)`",
        )


def require_batch(x: TensorType) -> None:
    """Refuses what is the same for every sample, where a layer goes through samples."""
    if not x.batched:
        raise Refusal(
            f"takes a value of each sample, and this {x} is the same for all of them",
            help="join it to the samples first: `x + p`, or `(p, x) -> concat`",
        )


def per_axis(value: Any, axes: int, setting: str) -> tuple[Any, ...]:
    """A `Size` setting spread over the spatial axes."""
    if isinstance(value, tuple):
        if len(value) != axes:
            raise Refusal(f"has {len(value)} values for {axes} axes", setting=setting)
        return value
    return (value,) * axes
