"""Well-typed models drawn at random, as the text of a spec.

Every construct of the language has a method here that writes it: chains, sums, branches,
families, repeats, loops, choices, shared layers, parameters, blocks in blocks.
"""

from __future__ import annotations

import random
import re

from tests.models import layers, sequences
from tests.models.layers import Shape

DIMS = {1: ("D",), 2: ("T", "D"), 3: ("C", "H", "W")}


def typed(shape: Shape) -> str:
    return f"float[{', '.join(map(str, shape))}]"


class Writer:
    """One model: its values with their shapes, and the lines that make them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.lines: list[str] = []
        self.blocks: list[str] = []
        self.values: list[tuple[str, Shape]] = []
        self.count = 0

    def name(self, prefix: str = "v") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def pick(self, ranks: tuple[int, ...] = (1, 2, 3)) -> tuple[str, Shape] | None:
        """A value, rather a late one."""
        fitting = [value for value in self.values if len(value[1]) in ranks]
        return self.chance.choice(fitting[-4:]) if fitting else None

    def put(self, text: str, shape: Shape, name: str | None = None) -> None:
        """A line that makes a value."""
        name = name or self.name()
        self.lines.append(f"{name} = {text}")
        self.values.append((name, shape))

    # --- constructs -------------------------------------------------------------------------

    def chain(self) -> None:
        source, shape = self.pick() or self.values[0]
        text = source
        for _ in range(self.chance.randint(1, 4)):
            step, shape = layers.fit(self.chance, shape)
            text += f" -> {step}"
        self.put(text, shape)

    def residual(self) -> None:
        source, shape = self.pick() or self.values[0]
        step, inside = layers.inner(self.chance, shape)
        body = f"{step} -> {layers.keep(self.chance, inside)} -> {layers.restore(shape)}"
        self.put(f"{source} + ({source} -> {body})", shape)

    def branches(self) -> None:
        source, shape = self.pick() or self.values[0]
        made = [layers.inner(self.chance, shape) for _ in range(self.chance.randint(2, 3))]
        parts = ", ".join(f"{source} -> {step}" for step, _ in made)
        axis = 0 if len(shape) == 3 else len(shape) - 1
        size = sum(result[axis] for _, result in made)
        joined = (*shape[:axis], size, *shape[axis + 1 :])
        self.put(f"({parts}) -> concat(axis={axis}) -> {layers.keep(self.chance, joined)}", joined)

    def fan(self) -> None:
        source, shape = self.pick() or self.values[0]
        (one, first), (two, second) = (layers.fit(self.chance, shape) for _ in range(2))
        left, right = self.name(), self.name()
        self.lines.append(f"{left}, {right} = {source} -> [{one}, {two}]")
        self.values += [(left, first), (right, second)]

    def repeat(self) -> None:
        source, shape = self.pick() or self.values[0]
        step, inside = layers.inner(self.chance, shape)
        body = f"{step} -> {layers.keep(self.chance, inside)} -> {layers.restore(shape)}"
        self.put(f"{source} -> ({body}) * {self.chance.randint(0, 3)}", shape)

    def loop(self) -> None:
        source, shape = self.pick() or self.values[0]
        name = self.name()
        wide = shape[0] if len(shape) == 3 else shape[-1]
        step = f"conv({wide} + i, kernel=1)" if len(shape) == 3 else f"dense({wide} + i)"
        turns = self.chance.randint(1, 3)
        body = f"{name} = {name} -> {step} -> {self.chance.choice(layers.SMOOTH)}"
        self.lines += [f"{name} = {source}", f"for i in 0..{turns} {{ {body} }}"]
        new = wide + turns - 1
        self.values.append((name, (new, *shape[1:]) if len(shape) == 3 else (*shape[:-1], new)))

    def family(self) -> None:
        source, shape = self.pick((1, 2)) or ("", ())
        if not source:
            return self.chain()
        name, turns = self.name("f"), self.chance.randint(2, 3)
        self.lines.append(f"for i in 0..{turns} {{ {name}[i] = {source} -> dense(2 + i) -> tanh }}")
        size = sum(2 + i for i in range(turns))
        self.put(f"{name} -> concat", (*shape[:-1], size))
        return None

    def choice(self) -> None:
        source, shape = self.pick() or self.values[0]
        truth = self.chance.random() < 0.5
        (one, first), (two, second) = (layers.fit(self.chance, shape) for _ in range(2))
        test = self.chance.choice(["deep", "width == 4 and deep", "not (width > 4) and deep"])
        name = "" if truth else "not "
        text = f"if {name}({test}) then {source} -> {one} else {source} -> {two}"
        self.put(text, first if truth else second)

    def shared(self) -> None:
        source, shape = self.pick((1, 2)) or ("", ())
        if not source:
            return self.chain()
        name = self.name("layer")
        self.lines.append(f"layer {name} = dense({shape[-1]})")
        self.put(f"{source} -> {name} -> tanh -> {name}", shape)
        return None

    def parameter(self) -> None:
        source, shape = self.pick() or self.values[0]
        name = self.name("p")
        start = self.chance.choice(["ones", "normal(0.02)", "uniform(-0.1, 0.1)", "zeros"])
        self.lines.append(f"param {name}: {typed(shape)} = {start}")
        self.put(f"{source} {self.chance.choice('+-*')} {name}", shape)

    def arithmetic(self) -> None:
        source, shape = self.pick() or self.values[0]
        alike = [name for name, other in self.values if other == shape]
        other = self.chance.choice(alike)
        forms = [f"0.5 * {source} - {other}", f"-{source} + {other} / 2", f"{source} * {other} + 1"]
        self.put(self.chance.choice(forms), shape)

    def index(self) -> None:
        source, shape = self.pick((2, 3)) or ("", ())
        if not source:
            return self.chain()
        if self.chance.random() < 0.5:
            self.put(f"{source}[{self.chance.randrange(shape[0])}]", shape[1:])
        else:
            end = self.chance.randint(1, shape[-1])
            self.put(f"{source}[.., 0..{end}]", (*shape[:-1], end))
        return None

    def cross(self) -> None:
        """Attention from one sequence to another."""
        source, shape = self.pick((2,)) or ("", ())
        memory, _ = self.pick((2,)) or ("", ())
        if not source:
            return self.chain()
        self.put(f"({source}, {memory}) -> attention(heads=1)", shape)
        return None

    def block(self) -> None:
        """A block with a setting, inferred dimensions and perhaps another block, used twice."""
        source, shape = self.pick() or self.values[0]
        rank = len(shape)
        name = self.name("Block")
        dims = DIMS[rank]
        wide = "C" if rank == 3 else "D"
        step = "conv({}, kernel=3, padding=same)" if rank == 3 else "dense({})"
        keep = layers.keep(self.chance, (1,) * rank)
        lines = [
            f"input x: float[{', '.join(dims)}]",
            f"h = x -> {step.format('width')} -> {keep} -> {step.format(f'2 * {wide}')}",
            "h = if biased then h -> tanh else h",
            f"output y = x + (h -> {step.format(wide)})",
        ]
        if self.chance.random() < 0.4:
            lines.insert(3, f"x = x -> {self._inner(dims, step, wide)}(2)")
        settings = "width, biased = true"
        self.blocks.append(f"block {name}({settings}) {{ {chr(10).join(lines)} }}")
        biased = self.chance.choice(["", ", biased=false", ", biased=deep"])
        times = self.chance.choice(["", " * 2", " * 3", " * layers"])
        again = self.chance.choice(["", f" -> {name}(width)", f" -> {name}(width=5)"])
        self.put(f"{source} -> {name}(3{biased}){times}{again}", shape)

    def _inner(self, dims: tuple[str, ...], step: str, wide: str) -> str:
        name = self.name("Inner")
        body = f"output y = x -> {step.format(f'{wide} * n')} -> sigmoid -> {step.format(wide)}"
        inside = f"input x: float[{', '.join(dims)}]\n{body}"
        self.blocks.append(f"block {name}(n) {{ {inside} }}")
        return name

    def scanned(self) -> None:
        """A recurrence written out: a block with a state, run along the first axis."""
        source, shape = self.pick((2,)) or ("", ())
        if not source:
            return self.chain()
        name, size = self.name("Cell"), self.chance.randint(1, 6)
        start = self.chance.choice(["zeros", "ones", "constant(0.5)"])
        lines = [
            "input x: float[E]",
            f"state h: float[hidden] = {start}",
            f"h = (x, h) -> concat -> dense(hidden) -> {self.chance.choice(layers.SMOOTH)}",
            f"output y = {self.chance.choice(['h', 'h -> dense(hidden)', 'h * 2 + 1'])}",
        ]
        self.blocks.append(f"block {name}(hidden) {{ {chr(10).join(lines)} }}")
        times = self.chance.choice(["", "", " * 2"])
        self.put(f"{source} -> scan({name}({size})){times}", (shape[0], size))
        return None

    def padded(self) -> None:
        """A vector made of a sequence of its own length for each sample."""
        chance, source, size = self.chance, self.name("seq"), self.chance.choice([2, 4, 6])
        if chance.random() < 0.6:
            self.lines.append(f"input {source}: int[T{self.count} <= 9, pad=0]")
            text = f"{source} -> embedding(12, {size})"
        else:
            self.lines.append(f"input {source}: float[T{self.count}, {size}, pad=0]")
            text = source
        if chance.random() < 0.3:
            start = self.name("p")
            self.lines.append(f"param {start}: float[2, {size}] = normal(0.5)")
            text = f"({start}, {text}) -> concat(axis=0)"
        for _ in range(chance.randint(0, 3)):
            more, size = sequences.step(chance, size)
            text += f" -> {more}"
            if chance.random() < 0.2:
                name = self.name("Keep")
                self.blocks.append(sequences.block(name, chance))
                text += f" -> {name}{chance.choice(['', ' * 2'])}"
        if chance.random() < 0.3:
            whole = self.name("h")
            self.lines.append(f"{whole} = {text}")
            text = chance.choice([f"({whole}, {whole}) -> attention(heads=1)", f"{whole}[1..]"])
        self.put(f"{text} -> {sequences.ending(chance, size)}", (size,))

    # --- the whole --------------------------------------------------------------------------

    def write(self) -> str:
        """The spec."""
        chance = self.chance
        shapes: list[Shape] = [(chance.randint(2, 12),)]
        shapes += [(chance.randint(2, 6), chance.randint(2, 8))] if chance.random() < 0.6 else []
        shapes += [(chance.randint(1, 3), 8, 6)] if chance.random() < 0.6 else []
        chance.shuffle(shapes)
        for number, shape in enumerate(shapes):
            self.lines.append(f"input in{number}: {typed(shape)}")
            self.values.append((f"in{number}", shape))
        constructs = [
            self.chain, self.chain, self.residual, self.branches, self.fan, self.repeat, self.loop,
            self.family, self.choice, self.shared, self.parameter, self.arithmetic, self.index,
            self.cross, self.block, self.block, self.padded, self.padded, self.scanned,
        ]  # fmt: skip
        for _ in range(chance.randint(2, 9)):
            chance.choice(constructs)()
        said = "\n".join(self.lines)
        ends = [v for v in self.values if len(re.findall(rf"\b{v[0]}\b", said)) == 1]
        ends = ends or self.values[-1:]
        asserts = []
        for number, (name, shape) in enumerate(ends):
            self.lines.append(f"output out{number} = {name} -> {layers.keep(chance, shape)}")
            asserts.append(f"assert out{number}: {typed(shape)}")
        inside = "\n  ".join([*self.lines, *asserts])
        model = f"model Drawn(width = 4, deep = true) {{\n  {inside}\n}}\n"
        return "\n\n".join(["let layers = 2", *self.blocks, model])


def draw(seed: int) -> str:
    """The spec of a seed."""
    return Writer(seed).write()
