"""Settings that are missing, unknown or out of range, and arithmetic that can't be done. BM2xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problem
from bmc.diagnostics.suggest import did_you_mean, listing
from bmc.records import record
from bmc.source import Span

# What other frameworks call a setting.
ELSEWHERE = {
    "axis": ("axes", "dim"),
    "bias": ("use_bias",),
    "count": ("input_dim", "num_embeddings", "vocab", "vocab_size"),
    "dilation": ("atrous", "dilation_rate"),
    "dim": ("embed_dim", "embedding_dim", "output_dim"),
    "epsilon": ("eps",),
    "factor": ("scale", "scale_factor", "size"),
    "filters": ("channels", "num_filters", "out", "out_channels"),
    "heads": ("n_heads", "nhead", "num_heads"),
    "init": ("initializer", "kernel_initializer"),
    "kernel": ("filter_size", "kernel_size", "pool_size", "window"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "layers": ("n_layers", "num_layers"),
    "lr": ("learning_rate",),
    "padding": ("border_mode", "pad", "padding_type"),
    "rate": ("p", "prob"),
    "slope": ("alpha", "negative_slope"),
    "stride": ("strides", "subsample"),
    "units": ("features", "hidden", "hidden_size", "out_features", "size"),
    "weight_decay": ("decay", "l2", "wd"),
}


def meant_setting(name: str, candidates: tuple[str, ...]) -> str | None:
    """A help line: what is called otherwise here, else the nearest candidate."""
    wanted = name.lower()
    if wanted in ("act", "activation", "actv_func", "nonlinearity"):
        return "an activation is a layer of its own: write `-> relu` after it"
    for right, words in ELSEWHERE.items():
        if wanted in words and right in candidates:
            return f"did you mean `{right}`?"
    return did_you_mean(name, candidates)


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
            help=meant_setting(self.name, self.candidates),
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
