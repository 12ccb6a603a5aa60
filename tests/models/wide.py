"""Models of every declared layer, drawn at random: mixed settings, ranks, types, starts and names.

Unlike `generator`, which writes models that somebody might have written, this one looks for
combinations that nobody thought of: each layer that it draws comes again with other settings.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.models import steps
from tests.models.names import WORDS
from tests.models.steps import Step, Types

from bmc.ops.kinds import REGISTRY
from bmc.types.symbolic import Sym
from bmc.types.tensor import TensorType

SIZES = (1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 9, 13)
AXES = "ABCDE"
NEVER = {"training", "scan", *REGISTRY["layer"]}  # as the name of a layer: it would hide one
STARTS = ("ones", "zeros", "normal(0.5)", "uniform(-1, 1)", "constant(0.3)", "glorot_uniform")


def typed(x: TensorType) -> str:
    return f"{x.dtype}[{', '.join(map(str, x.shape))}]"


class Model:
    """One model: its values with their types, and the lines that make them."""

    def __init__(self, chance: random.Random, name: str, blocks: list[str]) -> None:
        self.chance, self.title, self.blocks = chance, name, blocks
        self.lines: list[str] = []
        self.values: dict[str, TensorType] = {}
        self.used: set[str] = set()
        self.taken: set[str] = set()
        self.kinds: list[str] = []  # of layers, to draw them again
        self.ids: set[str] = set()  # values that every table has a row for
        self.hostile = chance.random() < 0.5

    # --- names and values ---------------------------------------------------------------------

    def name(self, prefix: str = "v") -> str:
        """A new name; in some models one that means something elsewhere."""
        if self.hostile and self.chance.random() < 0.5:
            word = self.chance.choice(WORDS)
            if word not in self.taken | NEVER:
                self.taken.add(word)
                return word
        self.taken.add(f"{prefix}{len(self.taken)}")
        return f"{prefix}{len(self.taken) - 1}"

    def pick(self, floats: bool = False) -> str:
        """A value, rather a late one."""
        names = [n for n, x in self.values.items() if not floats or x.dtype == "float"]
        chosen = self.chance.choice(names[-5:] if self.chance.random() < 0.7 else names)
        self.used.add(chosen)
        return chosen

    def put(self, text: str, outputs: Types, ids: bool = False) -> None:
        """A line that makes one value or more, perhaps ids."""
        names = [self.name() for _ in outputs]
        self.ids |= set(names) if ids else set()
        self.lines.append(f"{', '.join(names)} = {text}")
        self.values |= zip(names, outputs)

    def step(self, *types: TensorType, ids: bool = False) -> Step | None:
        """A layer: often a kind that the model has, with other settings."""
        again = self.kinds if self.kinds and self.chance.random() < 0.4 else None
        made = steps.layer(self.chance, types, again, ids) or steps.layer(
            self.chance, types, None, ids
        )
        if made is not None:
            self.kinds.append(made.op.name)
        return made

    def run(self, source: str, count: int) -> tuple[list[Step], TensorType]:
        """So many layers of one input and output in a row, or fewer."""
        made: list[Step] = []
        x, ids = self.values[source], source in self.ids
        for _ in range(count):
            step = self.step(x, ids=ids)
            ids = ids and step is not None and step.op.name in steps.MOVING
            if step is None or len(step.outputs) != 1:
                break
            made.append(step)
            x = step.outputs[0]
        return made, x

    # --- constructs ---------------------------------------------------------------------------

    def chain(self) -> None:
        source = self.pick()
        made, x = self.run(source, self.chance.randint(1, 4))
        self.put(" -> ".join([source, *(step.text for step in made)]), (x,))

    def single(self) -> None:
        """A layer that may give several values."""
        source = self.pick()
        step = self.step(self.values[source], ids=source in self.ids)
        if step is not None:
            ids = source in self.ids and step.op.name in steps.MOVING
            self.put(f"{source} -> {step.text}", step.outputs, ids)

    def several(self) -> None:
        """A layer of several inputs."""
        sources = [self.pick() for _ in range(self.chance.randint(2, 3))]
        if self.chance.random() < 0.4:
            sources = [sources[0]] * len(sources)
        types = tuple(self.values[name] for name in sources)
        step = steps.layer(self.chance, types, ids=sources[-1] in self.ids)
        if step is not None:
            self.put(f"({', '.join(sources)}) -> {step.text}", step.outputs)

    def operator(self) -> None:
        """Sums, products, comparisons of values that match or stretch."""
        for _ in range(6):
            one, other = self.pick(), self.pick()
            pair = (self.values[one], self.values[other])
            step = steps.operation(self.chance, one, other, pair)
            if step is not None:
                return self.put(step.text, step.outputs)
        return None

    def part(self) -> None:
        source = self.pick()
        step = steps.part(self.chance, source, self.values[source])
        if step is not None:
            self.put(step.text, step.outputs)

    def reduced(self) -> None:
        """A value beside what a layer makes of it, where the shapes match or stretch."""
        source = self.pick(floats=True)
        x = self.values[source]
        step = self.step(x)
        if step is None or len(step.outputs) != 1:
            return
        both = steps.operation(
            self.chance, source, f"({source} -> {step.text})", (x, *step.outputs)
        )
        if both is not None and "->" in both.text:
            self.put(both.text, both.outputs)

    def repeat(self) -> None:
        """A few layers again and again, as long as they take what they give."""
        source = self.pick()
        x = self.values[source]
        made, _ = self.run(source, self.chance.randint(1, 2))
        times = 0
        while made and times < 3 and (end := replayed(made, x)) is not None:
            times, x = times + 1, end
        if not times:
            return
        body = " -> ".join(step.text for step in made)
        self.put(f"{source} -> ({body}) * {times}", (x,))

    def shared(self) -> None:
        """One layer with its weights on several values."""
        source = self.pick()
        step = self.step(self.values[source], ids=source in self.ids)
        if step is None:
            return
        name = self.name("layer")
        self.lines.append(f"layer {name} = {step.text}")
        self.put(f"{source} -> {name}", step.outputs)
        weights = shapes(step, self.values[source])
        for other in self.chance.sample(list(self.values), min(len(self.values), 4)):
            outputs = step.again(self.values[other])
            known = other in self.ids or step.op.name not in steps.TABLES
            if outputs is not None and shapes(step, self.values[other]) == weights and known:
                self.used.add(other)
                self.put(f"{other} -> {name}", outputs)

    def family(self) -> None:
        """Layers of one name, each with settings of its own."""
        source, name = self.pick(), self.name("f")
        for number in self.chance.sample(range(5), self.chance.randint(2, 3)):
            step = self.step(self.values[source], ids=source in self.ids)
            if step is not None and len(step.outputs) == 1:
                self.lines.append(f"layer {name}[{number}] = {step.text}")
                self.put(f"{source} -> {name}[{number}]", step.outputs)

    def parameter(self) -> None:
        source = self.pick(floats=True)
        x = self.values[source]
        if any(isinstance(size, Sym) for size in x.shape):
            return
        cut = self.chance.randint(0, x.rank)
        shape = tuple(self.chance.choice([1, size, size]) for size in x.shape[cut:])
        p = TensorType("float", shape, batched=False)
        name = self.name("p")
        step = steps.operation(self.chance, source, name, (x, p))
        if step is not None and name in step.text.split():
            self.lines.append(f"param {name}: {typed(p)} = {self.chance.choice(STARTS)}")
            self.put(step.text, step.outputs)

    def block(self) -> None:
        """A block of named sizes, on every value that it takes; perhaps repeated."""
        source = self.pick()
        x = self.values[source]
        made, end = self.run(source, self.chance.randint(1, 4))
        if not made:
            return
        name = f"Block{len(self.blocks)}"
        inner = " -> ".join(["x", *(step.text for step in made)])
        entry = f"input x: {x.dtype}[{', '.join(AXES[: x.rank])}]"
        self.blocks.append(f"block {name} {{\n{entry}\noutput y = {inner}\n}}\n")
        self.put(f"{source} -> {name}", (end,))
        for other in self.chance.sample(list(self.values), min(len(self.values), 4)):
            kind = self.values[other]
            alike = kind.rank == x.rank and kind.dtype == x.dtype
            alike &= other in self.ids or all(step.op.name not in steps.TABLES for step in made)
            again = replayed(made, kind) if alike else None
            if again is not None:
                self.used.add(other)
                like = (again.rank, again.dtype) == (x.rank, x.dtype)
                twice = replayed(made, again) if like else None
                self.put(f"{other} -> {name}{' * 2' if twice else ''}", (twice or again,))

    # --- the whole ----------------------------------------------------------------------------

    def write(self) -> str:
        """The model's text; its outputs are the values that nothing takes."""
        chance = self.chance
        for number in range(chance.randint(1, 3)):
            self.entry("int" if number and chance.random() < 0.3 else "float")
        constructs: list[Callable[[], None]] = [
            self.chain, self.chain, self.single, self.several, self.several, self.operator,
            self.operator, self.part, self.reduced, self.repeat, self.shared, self.family,
            self.parameter, self.block,
        ]  # fmt: skip
        for _ in range(chance.randint(4, 10)):
            chance.choice(constructs)()
        ends = [name for name in self.values if name not in self.used] or list(self.values)[-1:]
        lines = [
            *self.lines,
            *(f"output out{n} = {name} -> identity" for n, name in enumerate(ends)),
        ]
        return f"model {self.title} {{\n" + "\n".join(lines) + "\n}\n"

    def entry(self, dtype: str) -> None:
        """An input: any rank, odd sizes, now and then ids or a free axis."""
        chance = self.chance
        shape: list[int | Sym] = [chance.choice(SIZES) for _ in range(chance.randint(1, 4))]
        if chance.random() < 0.1:
            shape = [chance.choice((1, 2, 3)) for _ in range(5)]
        free = chance.random() < 0.2
        if free:
            shape[chance.randrange(len(shape))] = Sym.named("T")
        x = TensorType(dtype, tuple(shape))  # type: ignore[arg-type]
        if not steps.small(x):
            return self.entry(dtype)
        name = self.name("in")
        self.lines.append(f"input {name}: {typed(x)}")
        self.values[name] = x
        self.ids |= {name} if dtype == "int" else set()
        return None


def shapes(step: Step, x: TensorType) -> list[object]:
    return [weight.shape for weight in step.op.weights(x).values()]


def replayed(made: list[Step], x: TensorType) -> TensorType | None:
    """What these layers give in a row."""
    for step in made:
        outputs = step.again(x)
        if outputs is None or len(outputs) != 1:
            return None
        x = outputs[0]
    return x


def draw(seed: int) -> str:
    """The spec of a seed: one model, or two that share blocks."""
    chance = random.Random(seed)
    blocks: list[str] = []
    count = 2 if chance.random() < 0.2 else 1
    models = [Model(chance, f"Drawn{n}", blocks).write() for n in range(count)]
    return "\n".join([*blocks, *models])
