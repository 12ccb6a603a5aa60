"""The one form in which layers, losses, metrics, optimisers, schedules and data steps are declared.

A declaration is a class: its annotated `param(...)` fields are its settings, its docstring is its
page, its methods are its rules. Declaring a class registers it; checks, docs, completion and the
contract tests read the registry. This module knows no single declaration and no backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

from bmc.ops.kinds import REGISTRY, Declared, Kind, Refusal
from bmc.records import field, record
from bmc.types.symbolic import Dim
from bmc.types.tensor import Shape, TensorType

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


@dataclass_transform(field_specifiers=(param,), kw_only_default=True, frozen_default=True)
class Declaration(Declared):
    """Base of everything declared. Subclass with `name=` to register; family bases give `family=`."""

    family: ClassVar[str] = ""
    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()  # wrong guesses that get a "did you mean"
    settings: ClassVar[dict[str, Setting]] = {}
    samples: ClassVar[tuple[Sample, ...]] = ()
    rest: ClassVar[Kind | None] = None  # kind of free named arguments (`rearrange(…, h=8)`), if any
    besides: ClassVar[Mapping[str, str]] = {}  # docs of named arguments that are no settings
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

    @classmethod
    def input_count(cls) -> int | str:
        """How many tensors it takes, in words where that varies."""
        least, most = cls.inputs
        if most is None:
            return f"{least} or more"
        return least if least == most else f"{least} {'or' if most == least + 1 else 'to'} {most}"

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
    return declared if declared is not None and not declared.sign else None


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
