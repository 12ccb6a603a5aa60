"""What a program means: models made of blocks, blocks made of layer instances and their uses.

The hierarchy of the source is kept: a block stays a block, a repeat a repeat, a loop a loop.
Every block is elaborated for the shapes that it sees (a `BlockSpec`); inside one, settings and
input dimensions are numbers that remember their names, so that a backend can turn several specs
of one block into one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from bmc.ops.base import Initializer, Layer, Weight
from bmc.records import field, record
from bmc.source import Span
from bmc.types.symbolic import Dim
from bmc.types.tensor import TensorType

Guard = tuple[int, ...]  # where an `if` stands in the file, and in which turn of loops


@record(frozen=False, eq=False)
class Value:
    """A tensor in a block: its type, the name that the author gave it, where it was made."""

    type: TensorType
    name: str
    span: Span
    named: bool = False  # the author's own name, not one derived from the statement's
    family: tuple[str, int] | None = None  # the one that it is a member of, and its number there


@record(frozen=False, eq=False)
class ParamTensor:
    """`param name: type = initialiser`: a learned tensor of a block."""

    name: str
    value: Value
    init: Initializer
    doc: str | None = None


@record(frozen=False, eq=False)
class State:
    """`state name: type = start`: a value that a scanned block carries from step to step."""

    name: str
    value: Value
    init: Initializer
    next: Value | None = None  # what it is at the next step
    doc: str | None = None

    @property
    def start(self) -> float:
        """The number of which it is full before the first step."""
        numbers = {"zeros": 0.0, "ones": 1.0}
        return numbers.get(self.init.name, getattr(self.init, "value", 0.0))


@record(frozen=False, eq=False)
class Instance:
    """One layer, block or repeat with weights of its own. Used once, or several times (shared).

    `arguments` are the settings and dimensions that a block was given, in the terms of the
    block that holds the instance.
    """

    target: Layer | BlockSpec | Repeat | Scan
    base: str  # what its name is made from
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    span: Span
    name: str = ""
    given: bool = False  # `layer name = …`: the name is the author's
    place: int | None = None  # its index in a family of layers, `layer b[2] = …`
    loops: tuple[int, ...] = ()  # its place in each loop around it, outermost first
    weights: dict[str, Weight] = field(default_factory=dict)
    shared: dict[str, tuple[Instance, str]] = field(default_factory=dict)
    lends: bool = False  # whether another layer computes with a weight of this one
    masks: tuple[int, ...] = ()  # the inputs whose masks or lengths come last among `inputs`
    arguments: dict[str, Any] = field(default_factory=dict)
    dims: dict[str, Dim] = field(default_factory=dict)
    doc: str | None = None

    @property
    def given_types(self) -> tuple[TensorType, ...]:
        """The types of a layer's inputs, without masks."""
        return self.inputs[: len(self.inputs) - len(self.masks)]

    def inside(self) -> list[tuple[int, Instance]]:
        """What stands directly inside, with how many there are alike; of a layer nothing."""
        match self.target:
            case BlockSpec(instances=instances):
                return [(1, instance) for instance in instances]
            case Repeat(runs=runs):
                return runs
            case Scan(step=step):
                return [(1, step)]
        return []


@record(frozen=False, eq=False)
class Repeat:
    """`Block(…) * n`: copies in a row, each with its own weights.

    `runs` holds (how many, instance) for copies alike; `carried` is the number of inputs that
    a copy replaces by its outputs.
    """

    count: int
    runs: list[tuple[int, Instance]]
    carried: int

    def copies(self) -> Iterator[Instance]:
        """The instance that stands for each copy, in order."""
        for number, instance in self.runs:
            for _ in range(number):
                yield instance


@record(frozen=False, eq=False)
class Scan:
    """`xs -> scan(Block(…))`: one block with one set of weights, run along the first axis.

    `split` says of each input whether a step sees one element of it, or all.
    """

    step: Instance
    split: tuple[bool, ...]


@record
class Test:
    """A condition: `and`, `or`, `not`, a comparison, or what `is` true, of numbers and settings."""

    operator: str
    left: Any
    right: Any = None


@record
class Choice:
    """An `if` of a block, and which side of it this use took; no test where it has no words."""

    test: Test | None
    taken: bool


@record(frozen=False, eq=False)
class Apply:
    """One use of an instance; `guards` are the choices of the block that it depends on."""

    instance: Instance
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    span: Span
    statement: int = 0  # the source statement it belongs to
    guards: tuple[Guard, ...] = ()


@record(frozen=False, eq=False)
class Loop:
    """`for … { … }`: every turn elaborated, in order."""

    names: tuple[str, ...]
    turns: list[Turn]
    span: Span
    doc: str | None = None
    count: Any = None  # how many turns, where a range of settings says it


@record(frozen=False, eq=False)
class Turn:
    """One turn of a loop: the loop variables' values and what was done."""

    values: dict[str, Any]
    body: list[Step]


Step = Apply | Loop


@record(frozen=False, eq=False)
class Input:
    """An input of a block: its value, and the upper limits of its free dimensions."""

    value: Value
    limits: dict[str, int] = field(default_factory=dict)
    pad: int | float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    doc: str | None = None
    lengths_of: Value | None = None  # the padded value whose lengths these are


@record(frozen=False, eq=False)
class Output:
    """A named output of a block."""

    name: str
    value: Value
    doc: str | None = None


@record(frozen=False, eq=False)
class BlockSpec:
    """A block or model for given settings and input types."""

    name: str
    kind: Literal["block", "model", "chain"]
    span: Span
    settings: dict[str, Any]
    inputs: list[Input] = field(default_factory=list)
    dims: dict[str, Dim] = field(default_factory=dict)
    params: list[ParamTensor] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    body: list[Step] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    unused: list[Any] = field(default_factory=list)  # warnings on what was left out
    choices: dict[Guard, Choice] = field(default_factory=dict)
    decided: list[Any] = field(default_factory=list)  # by numbers: conditions, and how many turns
    doc: str | None = None

    def loops(self) -> Iterator[Loop]:
        """Every loop in written order, those inside others once for each turn around them."""
        waiting = list(self.body)
        while waiting:
            step = waiting.pop(0)
            if isinstance(step, Loop):
                yield step
                waiting = [inner for turn in step.turns for inner in turn.body] + waiting

    def applies(self) -> Iterator[Apply]:
        """Every use of a layer in written order, loops unrolled."""
        yield from _applies(self.body)


def _applies(body: list[Step]) -> Iterator[Apply]:
    for step in body:
        if isinstance(step, Apply):
            yield step
        else:
            for turn in step.turns:
                yield from _applies(turn.body)


@record(frozen=False, eq=False)
class Program:
    """A whole file: its models, what they learn from, how they are trained and used."""

    file: str
    doc: str | None
    models: dict[str, BlockSpec]
    data: Any = None
    train: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    stem: str = "model"  # what the file with the model is called

    @property
    def main(self) -> BlockSpec:
        """The model, when there is one; the last one otherwise."""
        return list(self.models.values())[-1]


def walk(instance: Instance, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Instance]]:
    """An instance and all that stands inside it, with their dotted paths, each copy by itself."""
    here = (*path, *_steps(instance))
    yield ".".join(here), instance
    if isinstance(instance.target, Repeat):
        for index, copy in enumerate(instance.target.copies()):
            yield from walk(copy, (*here, str(index)))
        return
    for _, inner in instance.inside():
        yield from walk(inner, here)


def _steps(instance: Instance) -> tuple[str, ...]:
    """`("conv",)`, or `("conv", "2")` in the third turn of a loop; a copy has no name of its own."""
    if not instance.name:
        return ()
    return (instance.name, *map(str, instance.loops))


def weights(spec: BlockSpec) -> Iterator[tuple[str, Weight]]:
    """Every weight of a model by its canonical name, in order of creation."""
    for parameter in spec.params:
        yield parameter.name, Weight(parameter.value.type.shape, parameter.init)
    for instance in spec.instances:
        for path, inner in walk(instance):
            if isinstance(inner.target, BlockSpec):
                for one in inner.target.params:
                    yield f"{path}.{one.name}", Weight(one.value.type.shape, one.init)
            for name, weight in inner.weights.items():
                yield f"{path}.{name}", weight
