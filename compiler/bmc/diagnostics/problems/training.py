"""Data, losses and training that do not hang together. BM4xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problem
from bmc.diagnostics.suggest import did_you_mean, listing
from bmc.records import record
from bmc.source import Span


@record
class UnknownKey(Problem, code="BM401"):
    """A key that the section does not know.

    The keys of `data`, `train` and `predict` are a closed list, so that a misspelt one is an error
    and not a setting that is silently ignored.

    Example:
        train { epoch = 3 }

    Fix:
        Use one of the keys that the section knows: `epochs = 3`.
    """

    key: str
    section: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        notes = (f"the keys of `{self.section}` are {listing(self.candidates, 40)}",)
        return self.build(
            f"`{self.section}` has no key `{self.key}`",
            "not known here",
            notes=notes if self.candidates else (),
            help=did_you_mean(self.key, self.candidates),
        )


@record
class MissingKey(Problem, code="BM402"):
    """A section that lacks a key which it can't do without.

    Example:
        train { epochs = 3 }

    Fix:
        Add the key.
    """

    section: str
    key: str
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.section}` needs the key `{self.key}`",
            f"`{self.key}` is missing",
            help=self.help or f"add `{self.key} = …`",
        )


@record
class DuplicateKey(Problem, code="BM403"):
    """A key that is given twice for the same thing.

    Example:
        train {
          epochs = 3
          epochs = 5
        }

    Fix:
        Keep one of them, or say whose each one is: `loss first = …`, `loss second = …`.
    """

    key: str
    section: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.key}` is given twice in `{self.section}`",
            "given again here",
            also=(Label(self.first, "first given here"),),
            help="keep one of them",
        )


@record
class LossAfterSoftmax(Problem, code="BM404"):
    """A loss on logits that is given probabilities.

    `cross_entropy` and its kin apply the softmax themselves, which is exact where two steps would
    overflow. Given probabilities, they would apply it twice and learn badly without any error.

    Example:
        model Net { input x: float[8]  output p = x -> dense(3) -> softmax }
        data { source = csv("rows.csv")  x = "x"  label: int[] = "y" }
        train { loss = (p, label) -> cross_entropy  optimizer = adam(lr=1e-3)  epochs = 1 }

    Fix:
        Give the loss the tensor before the softmax. Keep the softmax for `predict`.
    """

    loss: str
    help: str | None = None
    also: tuple[Label, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.loss}` takes logits, and got values that went through a softmax or sigmoid",
            "already probabilities",
            also=self.also,
            help=self.help or "give the loss the tensor before the softmax",
        )


@record
class LossShape(Problem, code="BM405"):
    """A loss or metric whose inputs do not fit it or each other.

    Example:
        model Net { input x: float[8]  output y = x -> dense(3) }
        data { source = csv("rows.csv")  x = "x"  target: float[5] = "y" }
        train { loss = (y, target) -> mse  optimizer = adam(lr=1e-3)  epochs = 1 }

    Fix:
        Bring the output and the target to the shapes that the message names.
    """

    loss: str
    message: str
    help: str | None = None
    also: tuple[Label, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(f"`{self.loss}` {self.message}", also=self.also, help=self.help)


@record
class UnknownEntry(Problem, code="BM406"):
    """A name that is neither an output of the model nor an entry of the data section.

    Example:
        model Net { input x: float[8]  output y = x -> dense(3) }
        data { source = csv("rows.csv")  x = "x"  label: int[] = "y" }
        train { loss = (y, lable) -> cross_entropy  optimizer = adam(lr=1e-3)  epochs = 1 }

    Fix:
        Use an output of the model or an entry of `data`.
    """

    name: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        notes = (f"known here: {listing(self.candidates)}",) if self.candidates else ()
        return self.build(
            f"there is no output or data entry `{self.name}`",
            "not known here",
            notes=notes,
            help=did_you_mean(self.name, self.candidates),
        )


@record
class MissingData(Problem, code="BM407"):
    """An input of the model that the data section does not fill.

    Example:
        model Net { input image: float[8]  output y = image -> dense(3) }
        data { source = csv("rows.csv")  label: int[] = "y" }
        train { loss = (y, label) -> cross_entropy  optimizer = adam(lr=1e-3)  epochs = 1 }

    Fix:
        Add an entry with the input's name to `data`.
    """

    input: str
    model: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"no data for the input `{self.input}` of `{self.model}`",
            "this section has no entry of that name",
            help=f"add `{self.input} = …` to `data`",
        )


@record
class DataType(Problem, code="BM408"):
    """A data entry whose type is not the one that the model's input has.

    Example:
        model Net { input image: float[1, 28, 28]  output y = image -> flatten -> dense(3) }
        data { source = csv("rows.csv")  image: float[3] = "x" }

    Fix:
        Add steps that bring the entry to the input's shape, or change the input.
    """

    entry: str
    expected: str
    found: str
    also: tuple[Label, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"the entry `{self.entry}` is {self.found}, and {self.expected} is needed",
            f"this is {self.found}",
            also=self.also,
        )


@record
class BadSubject(Problem, code="BM409"):
    """A key that is given a subject which it can't have.

    `key subject = value` says whose value it is: `loss reconstruction = …`, `optimizer head = …`.

    Example:
        train { epochs head = 3 }

    Fix:
        Leave the subject out, or name a part of the model where the key takes one.
    """

    key: str
    subject: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        notes = (f"`{self.key}` goes with {listing(self.candidates)}",) if self.candidates else ()
        return self.build(
            f"`{self.key}` can't be given for `{self.subject}`",
            notes=notes,
            help=did_you_mean(self.subject, self.candidates),
        )


@record
class SectionMissing(Problem, code="BM410"):
    """A section that another one needs and the file does not have.

    Example:
        model Net { input x: float[8]  output y = x -> dense(3) }
        train { loss = y -> mean  optimizer = adam(lr=1e-3)  epochs = 1 }

    Fix:
        Add the section.
    """

    section: str
    why: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"there is no `{self.section}` section, and {self.why}",
            help=f"add `{self.section} {{ … }}`",
        )


@record
class KeyNeeds(Problem, code="BM411"):
    """A key that has no meaning without another one.

    Example:
        train {
          loss = (y, label) -> cross_entropy
          optimizer = adam(lr=1e-3)
          epochs = 9
          batch = 4
          stop = patience(3, on=validation.loss)
        }

    Fix:
        Add the key that is needed, or remove this one.
    """

    key: str
    needs: str

    def diagnostic(self) -> Diagnostic:
        return self.build(f"`{self.key}` needs {self.needs}")


@record
class NotYet(Problem, code="BM412"):
    """A word of the language that this version of bmc does not carry out yet.

    bmc refuses what it can't do and never leaves it out silently.

    Example:
        train { strategy = pipeline(4) }

    Fix:
        Leave the word out, or do without it as the message says.
    """

    word: str
    why: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.word}` is not supported yet", notes=(self.why,) if self.why else ()
        )
