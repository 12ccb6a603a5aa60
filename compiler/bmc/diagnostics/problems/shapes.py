"""Shapes that do not fit, and limits on sizes. BM3xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problem
from bmc.records import record


@record
class LayerShape(Problem, code="BM301"):
    """A layer that can't take the shape that flows into it.

    Every layer says which inputs it takes; `bmc explain` and `docs/layers.md` have the rules.
    The message shows the shape that came, and the labels where it was made.

    Example:
        model Net {
          input x: float[8]
          output y = x -> conv(4, kernel=3)
        }

    Fix:
        Bring the tensor into a shape that the layer takes, or choose another layer.
    """

    layer: str
    message: str
    help: str | None = None
    sources: tuple[Label, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(f"`{self.layer}` {self.message}", also=self.sources, help=self.help)


@record
class ShapesDiffer(Problem, code="BM302"):
    """Tensors that are combined and do not have matching shapes.

    Axes are matched from the last one backwards; an axis of size 1 stretches.

    Example:
        model Net {
          input x: float[8]
          output y = x + (x -> dense(4))
        }

    Fix:
        Bring one of them to the shape of the other, for instance with `dense` or a 1 by 1 `conv`.
    """

    operation: str
    left_shape: str
    right_shape: str
    also: tuple[Label, ...] = ()
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.operation}` needs matching shapes, "
            f"and got {self.left_shape} and {self.right_shape}",
            f"{self.left_shape} and {self.right_shape} do not match",
            also=self.also,
            help=self.help,
        )


@record
class InputMismatch(Problem, code="BM303"):
    """A block or model that is given a tensor which its `input` line does not allow.

    Example:
        block Head { input x: float[16]  output y = x -> dense(4) }
        model Net { input x: float[8]  output y = x -> Head }

    Fix:
        Change the input line, make a size free (`float[D]`), or change what flows in.
    """

    block: str
    input: str
    expected: str
    found: str
    also: tuple[Label, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.block}` takes {self.expected} as `{self.input}`, and got {self.found}",
            f"this is {self.found}",
            also=self.also,
        )


@record
class WrongInputCount(Problem, code="BM304"):
    """A layer, block or model that is given too few or too many tensors.

    Example:
        block Add { input a: float[8]  input b: float[8]  output y = a + b }
        model Net { input x: float[8]  output y = x -> Add }

    Fix:
        Send a tuple with one tensor for each input: `(x, y) -> Add`.
    """

    layer: str
    expected: int | str
    found: int

    def diagnostic(self) -> Diagnostic:
        tensors = "1 tensor" if self.expected in (1, "1") else f"{self.expected} tensors"
        return self.build(
            f"`{self.layer}` takes {tensors}, and got {self.found}",
            help="send several tensors as a tuple: `(a, b) -> …`",
        )


@record
class BudgetExceeded(Problem, code="BM305"):
    """An `assert` on the size of the model that does not hold.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4)
          assert parameters <= 10
        }

    Fix:
        Make the model smaller, or raise the budget.
    """

    budget: str
    found: str
    limit: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"the budget on {self.budget} is {self.limit}, and the model has {self.found}",
            f"{self.budget}: {self.found}",
        )


@record
class AssertedType(Problem, code="BM306"):
    """An `assert` on the type of a tensor that does not hold.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4)
          assert y: float[10]
        }

    Fix:
        Change the layers that make the tensor, or the assertion.
    """

    name: str
    expected: str
    found: str
    also: tuple[Label, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.name}` is asserted to be {self.expected}, and is {self.found}",
            f"`{self.name}` is {self.found}",
            also=self.also,
        )


@record
class TooManyLayers(Problem, code="BM307"):
    """A model with more layers than bmc builds.

    The limit keeps a file such as `(dense(8) * 1000) * 1000` from using up the machine. Copies are
    counted before any is made.

    Example:
        model Net {
          input x: float[8]
          output y = x -> (dense(8) * 1000) * 1000
        }

    Fix:
        Repeat fewer times.
    """

    limit: int
    count: int
    chain: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        way = " -> ".join(f"`{name}`" for name in self.chain)
        return self.build(
            f"the model has {self.count:,} layers, and the limit is {self.limit:,}",
            notes=(f"repeated in {way}",) if way else (),
            help="repeat fewer times",
        )


@record
class TensorTooLarge(Problem, code="BM308"):
    """A tensor with more elements than any machine holds.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(2000000000) -> dense(2000000000)
        }

    Fix:
        Check the sizes; the message names the layer that makes it.
    """

    layer: str
    count: int
    limit: int

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.layer}` makes a tensor of {self.count:,} elements, "
            f"and the limit is {self.limit:,}",
        )


@record
class RepeatTooLarge(Problem, code="BM309"):
    """A repeat or loop with more turns than bmc unrolls, or with a negative number of turns.

    Example:
        model Net {
          input x: float[8]
          for i in 0..1000000000 { x = x -> dense(8) }
          output y = x
        }

    Fix:
        Use a smaller number.
    """

    count: int
    limit: int

    def diagnostic(self) -> Diagnostic:
        if self.count < 0:
            return self.build(f"{self.count} is not a number of turns", help="use 0 or more")
        return self.build(
            f"{self.count:,} turns are over the limit of {self.limit:,}",
            help="use a smaller number",
        )


@record
class SharedLayerShape(Problem, code="BM310"):
    """A named layer that is used twice with inputs that need different weights.

    `layer name = …` makes one layer with one set of weights; the first use fixes their shapes.

    Example:
        model Net {
          input x: float[8]
          layer head = dense(4)
          output y = x -> head -> head
        }

    Fix:
        Make a second layer, or bring both inputs to the same shape.
    """

    name: str
    first: str
    second: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.name}` is shared, and its uses need weights of different shapes",
            f"{self.second} here, {self.first} in its first use",
            help="declare a second `layer`, or bring both inputs to the same shape",
        )


@record
class UnpackCount(Problem, code="BM311"):
    """An assignment with more or fewer names than there are values.

    Example:
        model Net {
          input x: float[8]
          a, b = x -> dense(4)
          output y = a + b
        }

    Fix:
        Write one name for each value.
    """

    names: int
    found: int

    def diagnostic(self) -> Diagnostic:
        values = "1 value" if self.found == 1 else f"{self.found} values"
        return self.build(
            f"{self.names} names stand for {values}",
            f"this is {values}",
            help="write one name for each value",
        )


@record
class TooManyConnections(Problem, code="BM312"):
    """A model in which more tensors flow into layers than bmc follows.

    Example:
        model Net {
          input x: float[8]
          for i in 0..500 { f[i] = x -> relu }
          for i in 0..500 { g[i] = f -> concat }
          output y = g -> concat
        }

    Fix:
        Join a family once, and use what comes out.
    """

    limit: int

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"more than {self.limit:,} tensors flow into the layers of this file",
            "the last one that was followed",
            help="join a family once, and use what comes out",
        )


@record
class TooMuchWork(Problem, code="BM314"):
    """A file whose loops and blocks take more work to read than bmc gives to one file.

    Example:
        model Net {
          input x: float[8]
          for i in 0..1000 { for j in 0..1000 { } }
          output y = x -> relu
        }

    Fix:
        Let loops go over what makes layers, and give a block used often the same settings.
    """

    limit: int

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"more than {self.limit:,} steps are needed to read this file",
            "the last one that was taken",
            help="let loops go over what makes layers",
        )


@record
class PaddingLost(Problem, code="BM313"):
    """A use of a padded value that loses track of where its padding is.

    Example:
        model Net {
          input words: int[T, pad=0]
          x = words -> embedding(9, 8) -> rearrange("t d -> d t")
          output y = x -> conv(8, kernel=3, padding=1) * 2 -> global_avg_pool
        }

    Fix:
        Write the copies as a loop, `for i in 0..2 { … }`, or the layer as a block.
    """

    what: str
    why: str
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(f"{self.what} can't keep padding apart", self.why, help=self.help)
