"""Names that mean nothing, mean two things, or stand where they can't. BM1xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problem
from bmc.diagnostics.suggest import article, did_you_mean, listing
from bmc.ops.base import alias_of
from bmc.ops.kinds import REGISTRY
from bmc.records import record
from bmc.source import Span


def meant(family: str, name: str, candidates: Iterable[str]) -> str | None:
    """A help line: the right name of a known wrong guess, else the nearest candidate."""
    right = alias_of(family, name) if family in REGISTRY else None
    return f"did you mean `{right}`?" if right else did_you_mean(name, candidates)


@record
class UnknownLayer(Problem, code="BM101"):
    """A layer, block or model that does not exist.

    After an arrow stands a layer of the language, a block or model of the file, an imported one,
    or a `layer` that was named before. `docs/layers.md` lists the layers.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dens(4)
        }

    Fix:
        Correct the name (`dense`), declare the block, or import it.
    """

    name: str
    candidates: tuple[str, ...] = ()
    what: str = "layer, block or model"
    sign: str = ""

    def diagnostic(self) -> Diagnostic:
        instead = f"write it with its sign: `{self.sign}`" if self.sign else ""
        return self.build(
            f"there is no {self.what} `{self.name}`",
            "not known here",
            help=instead or meant("layer", self.name, self.candidates),
        )


@record
class UnknownName(Problem, code="BM102"):
    """A name that nothing in reach defines.

    A value is an input, an earlier assignment, a setting of the block, a loop variable or a `let`.
    Names are defined before they are used.

    Example:
        model Net {
          input image: float[8]
          output y = imag -> dense(4)
        }

    Fix:
        Correct the name, or define it on an earlier line.
    """

    name: str
    what: str = "value"
    candidates: tuple[str, ...] = ()
    several: bool = False  # whether the name could mean any of the candidates

    def diagnostic(self) -> Diagnostic:
        help = meant(self.what, self.name, self.candidates)
        if self.several:
            shown = [f"`{one}`" for one in self.candidates[:6]]
            more = ", …" if len(self.candidates) > 6 else ""
            help = f"say which one: {', '.join(shown)}{more}"
        return self.build(f"there is no {self.what} `{self.name}`", "not known here", help=help)


@record
class UnknownModel(Problem, code="BM103"):
    """A model or block that the file does not have, named where one is needed.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4)
        }
        train {
          update Nett { loss = y -> mean }
        }

    Fix:
        Use the name of a model of this file, or import it.
    """

    name: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        known = f"the models here are {listing(self.candidates)}" if self.candidates else None
        return self.build(
            f"there is no model `{self.name}`",
            "not known here",
            notes=(known,) if known else (),
            help=did_you_mean(self.name, self.candidates),
        )


@record
class DuplicateName(Problem, code="BM104"):
    """One name for two things in the same place.

    Two blocks, two inputs, two outputs or two settings of one block can't share a name: nothing
    could tell them apart.

    Example:
        model Net {
          input x: float[8]
          input x: float[4]
          output y = x -> dense(4)
        }

    Fix:
        Rename one of them.
    """

    name: str
    what: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"the {self.what} `{self.name}` is declared twice",
            "declared again here",
            also=(Label(self.first, "first declared here"),),
            help="rename one of them",
        )


@record
class ReservedName(Problem, code="BM105"):
    """A name that the language keeps for itself.

    Example:
        let parameters = 3

    Fix:
        Choose another name.
    """

    name: str
    why: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"the name `{self.name}` is reserved",
            self.why,
            help=f"choose another name, such as `{self.name}_value`",
        )


@record
class SettingRebound(Problem, code="BM106"):
    """A setting, a loop variable or a layer that is given a second value.

    Tensors may be given a new value, because a chain of steps reads best under one name. Settings
    and layers keep theirs: what is written in parentheses must not depend on where it is read.

    Example:
        model Net(width = 8) {
          input x: float[8]
          width = x -> dense(4)
          output y = width
        }

    Fix:
        Use another name for the new value.
    """

    name: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.name}` is a setting or a layer and can't be given a new value",
            "given a new value here",
            also=(Label(self.first, f"`{self.name}` is made here"),),
            help="use another name for the new value",
        )


@record
class NotALayer(Problem, code="BM107"):
    """A value where a layer is needed.

    An arrow carries data into a layer, a block or a model. A tensor or a number can't take data in.

    Example:
        model Net {
          input x: float[8]
          output y = x -> x
        }

    Fix:
        Put a layer after the arrow, or combine the two with `(a, b) -> concat` or `a + b`.
    """

    name: str
    what: str = "value"

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.name}` is {article(self.what)}, and an arrow leads to a layer",
            "not a layer",
            help="join two values with `(a, b) -> concat(axis=…)` or `a + b`",
        )


@record
class NotAValue(Problem, code="BM108"):
    """A layer where a value is needed.

    A layer is worth something once data flows into it.

    Example:
        model Net {
          input x: float[8]
          layer head = dense(4)
          output y = x + head
        }

    Fix:
        Send data through it: `x + (x -> head)`.
    """

    name: str
    what: str = "layer"

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.name}` is {article(self.what)}, and a value is needed here",
            "not a value",
            help=f"send data through it: `x -> {self.name}`",
        )


@record
class WrongCase(Problem, code="BM109"):
    """A name that starts with the wrong kind of letter.

    Blocks, models and free dimensions start with a capital letter; settings, tensors and layers
    with a small one. So a misspelt setting is an error and not a new free dimension.

    Example:
        block residual { input x: float[8]  output y = x }

    Fix:
        Write `Residual`.
    """

    name: str
    expected: Literal["capital", "small"]
    what: str

    def diagnostic(self) -> Diagnostic:
        change = str.upper if self.expected == "capital" else str.lower
        return self.build(
            f"the name of a {self.what} starts with a {self.expected} letter",
            f"starts with a {'small' if self.expected == 'capital' else 'capital'} letter",
            help=f"write `{change(self.name[:1])}{self.name[1:]}`",
        )


@record
class ImportNotFound(Problem, code="BM110"):
    """An import of a file that is not there.

    Example:
        import { Encoder } from "no/such/file.bm"

    Fix:
        Give the path relative to the importing file, with `/` between folders.
    """

    path: str
    looked: str = ""

    def diagnostic(self) -> Diagnostic:
        notes = (f"looked for `{self.looked}`",) if self.looked else ()
        return self.build(f"there is no file `{self.path}`", "imported here", notes=notes)


@record
class ImportMissing(Problem, code="BM111"):
    """An import of a name that the other file does not declare.

    Example:
        import { Encodr } from "blocks/transformer.bm"

    Fix:
        Use a block, model or `let` that the file declares.
    """

    name: str
    path: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        notes = (f"it declares {listing(self.candidates)}",) if self.candidates else ()
        return self.build(
            f"`{self.path}` declares no `{self.name}`",
            "not declared there",
            notes=notes,
            help=did_you_mean(self.name, self.candidates),
        )


@record
class ImportCycle(Problem, code="BM112"):
    """Files that import each other in a circle.

    Example:
        import { B } from "b.bm"    # and b.bm imports from this file

    Fix:
        Move what both files need into a third one.
    """

    chain: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        way = " -> ".join(f"`{name}`" for name in self.chain)
        return self.build(
            "files import each other in a circle",
            "this import closes the circle",
            notes=(f"the circle is {way}",),
            help="move what both files need into a third one",
        )


@record
class MissingOutput(Problem, code="BM113"):
    """A block or model without an output.

    Example:
        model Net {
          input x: float[8]
          y = x -> dense(4)
        }

    Fix:
        Write `output y = …` for each value that leaves it.
    """

    block: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.block}` has no output",
            "nothing leaves it",
            help="name what leaves it: `output y = …`",
        )


@record
class FamilyIndex(Problem, code="BM114"):
    """A member of a family that was never made.

    `skip[i] = …` makes a family; only the members that were given a value exist.

    Example:
        model Net {
          input x: float[8]
          for i in 0..2 { skip[i] = x -> dense(4) }
          output y = skip[5]
        }

    Fix:
        Use a position below the number of members.
    """

    name: str
    index: int
    size: int

    def diagnostic(self) -> Diagnostic:
        count = "1 member" if self.size == 1 else f"{self.size} members"
        return self.build(
            f"the family `{self.name}` has no member {self.index}",
            f"`{self.name}` has {count}, counted from 0",
        )


@record
class Recursion(Problem, code="BM115"):
    """A block that contains itself.

    Example:
        block Tree { input x: float[8]  output y = x -> Tree }
        model Net { input x: float[8]  output y = x -> Tree }

    Fix:
        Repeat a block a fixed number of times with `Block(…) * n` or `for`.
    """

    chain: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        way = " -> ".join(f"`{name}`" for name in self.chain)
        return self.build(
            f"`{self.chain[-1]}` contains itself",
            "used inside itself",
            notes=(f"the circle is {way}",),
            help="repeat a block with `Block(…) * n` or `for i in 0..n { … }`",
        )


@record
class Unused(Problem, code="BM116", severity="warning"):
    """A value or a learned tensor that reaches no output.

    It is left out of the programs, with all layers that only it needs.

    Example:
        model Net {
          input x: float[8]
          spare = x -> dense(4)
          output y = x -> dense(3)
        }

    Fix:
        Drop the line, or let an output depend on it.
    """

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.build(f"`{self.name}` reaches no output", "left out of the programs")
