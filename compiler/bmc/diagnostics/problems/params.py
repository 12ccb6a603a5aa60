"""Settings that are missing, unknown or out of range, and arithmetic that can't be done. BM2xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problem
from bmc.diagnostics.suggest import did_you_mean, listing
from bmc.records import record
from bmc.source import Span


@record
class UnknownSetting(Problem, code="BM201"):
    """A setting that the layer, block or model does not have.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4, biass=false)
        }

    Fix:
        Use one of the settings that the message lists.
    """

    layer: str
    name: str
    candidates: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        if self.allowed:
            note = f"the settings of `{self.layer}` are {listing(self.allowed)}"
        else:
            note = f"`{self.layer}` has no settings"
        return self.build(
            f"`{self.layer}` has no setting `{self.name}`",
            notes=(note,),
            help=did_you_mean(self.name, self.candidates),
        )


@record
class BadSetting(Problem, code="BM202"):
    """A setting with a value that it can't have.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(0)
        }

    Fix:
        Give a value of the kind that the message asks for.
    """

    layer: str
    setting: str
    message: str
    help: str | None = None
    doc: str = ""

    def diagnostic(self) -> Diagnostic:
        if not self.setting:
            return self.build(f"`{self.layer}` {self.message}", help=self.help)
        notes = (f"`{self.setting}` is {self.doc}",) if self.doc else ()
        return self.build(
            f"invalid `{self.setting}` of `{self.layer}`: {self.message}",
            notes=notes,
            help=self.help,
        )


@record
class MissingSetting(Problem, code="BM203"):
    """A setting without a default that was not given.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense
        }

    Fix:
        Give the setting: `dense(4)`.
    """

    layer: str
    setting: str
    doc: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.layer}` needs the setting `{self.setting}`",
            f"`{self.setting}` is missing",
            notes=(f"`{self.setting}` is {self.doc}",) if self.doc else (),
            help=f"write `{self.layer}({self.setting}=…)`",
        )


@record
class TooManyArguments(Problem, code="BM204"):
    """More values in parentheses than there are settings.

    Example:
        model Net {
          input x: float[8]
          output y = x -> relu(1, 2, 3)
        }

    Fix:
        Remove the values that name no setting. Tensors never go in parentheses.
    """

    layer: str
    given: int
    allowed: int

    def diagnostic(self) -> Diagnostic:
        settings = "no settings" if self.allowed == 0 else f"{self.allowed} settings"
        if self.allowed == 1:
            settings = "1 setting"
        return self.build(
            f"`{self.layer}` has {settings}, and {self.given} values are given",
            "one too many",
            help="carry tensors with `->`; parentheses hold settings only",
        )


@record
class PositionalAfterNamed(Problem, code="BM205"):
    """A value without a name after one with a name.

    Values without names belong to the settings in their declared order, so they come first.

    Example:
        model Net {
          input x: float[1, 8, 8]
          output y = x -> conv(kernel=3, 4)
        }

    Fix:
        Put it first, `conv(4, kernel=3)`, or name it.
    """

    def diagnostic(self) -> Diagnostic:
        return self.build(
            "a value without a name stands after one with a name",
            help="put it first, or name it",
        )


@record
class SettingTwice(Problem, code="BM206"):
    """A setting that is given twice in one pair of parentheses.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4, units=8)
        }

    Fix:
        Keep one of them.
    """

    layer: str
    name: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.layer}` is given `{self.name}` twice",
            "given again here",
            also=(Label(self.first, "first given here"),),
        )


@record
class BadExpression(Problem, code="BM207"):
    """An expression that can't be worked out while compiling.

    Settings are numbers, texts, words, lists and plain arithmetic on them.

    Example:
        let width = 8 / 0

    Fix:
        Follow the help line; the message says what does not go together.
    """

    message: str
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(self.message, help=self.help)


@record
class NotConstant(Problem, code="BM208"):
    """A value that is only known when the model runs, where one is needed while compiling.

    Bounds of loops, sizes and settings are known before any data is seen.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(x)
        }

    Fix:
        Use a number, a setting or a dimension of an input.
    """

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"{self.what} is not known while compiling",
            "known only when the model runs",
            help="use a number, a setting or a dimension",
        )


@record
class UnsupportedHere(Problem, code="BM209"):
    """Something that is fine elsewhere and has no meaning in this place.

    Example:
        block Cell { input x: float[8]  state h: float[8] = zeros  h = h + x  output y = h }
        model Net { input x: float[8]  output y = x -> Cell }

    Fix:
        Follow the help line.
    """

    what: str
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(self.what, "not here", help=self.help)
