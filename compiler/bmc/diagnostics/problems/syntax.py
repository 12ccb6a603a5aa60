"""Text that is no `.bm`: wrong characters, wrong order, too much of something. BM0xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

import unicodedata
from typing import Literal

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problem
from bmc.diagnostics.suggest import listing
from bmc.records import record
from bmc.source import Span


@record
class Unexpected(Problem, code="BM001"):
    """A word or mark that can't stand where it stands.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4,, bias=true)
        }

    Fix:
        Read the help: it says what may stand there. If the message points at the end of a line,
        something is missing there.
    """

    found: str
    expected: tuple[str, ...] = ()
    after: bool = False
    hint: str | None = None

    def diagnostic(self) -> Diagnostic:
        expected = _either(self.expected)
        if self.after:
            message = f"something is missing before {self.found}"
            return self.build(
                message, f"expected {expected} here" if expected else "", help=self.hint
            )
        return self.build(
            f"{self.found} can't stand here",
            f"expected {expected}" if expected else "not expected",
            help=self.hint,
        )


@record
class BadCharacter(Problem, code="BM002"):
    """A character that `.bm` files don't use, or one that hides or reorders text.

    Names are ASCII letters, digits and `_`, and begin with a letter. Strings stand in double
    quotes. Nothing ends a statement: neither `;` nor a comma. Comments and strings may hold any
    visible text.

    Example:
        model Net {
          input x: float[8];
          output y = x -> dense(4);
        }

    Fix:
        Remove the character, or write the name in ASCII.
    """

    character: str

    def diagnostic(self) -> Diagnostic:
        first = self.character[:1]
        help = {
            "'": "strings stand in double quotes",
            "`": "strings stand in double quotes",
            ";": "a statement ends where the next one begins: remove the `;`",
            "@": "there are no decorators",
            "&": "write `and`",
            "|": "write `or`",
            "!": "write `not`",
            "^": "a power is written `**`",
            "_": "names begin with a letter",
            "→": "write `->`",
            "×": "write `*`",
            "“": "strings stand in straight double quotes",
            "”": "strings stand in straight double quotes",
        }.get(first)
        if help is None and first.isalpha():
            help = "names are made of ASCII letters, digits and `_`"
        name = f"U+{ord(first):04X} {unicodedata.name(first, 'control character')}"
        shown = f"`{self.character}`" if self.character.isprintable() else name
        return self.build(f"{shown} is not part of the language", "remove this", help=help)


@record
class BadNumber(Problem, code="BM003"):
    """A number in a form that is not read.

    Numbers are decimal: `64`, `0.5`, `1e-3`, with a suffix `100K`, `7M`, `2B`, or with a unit:
    `80%`, `25 ms`, `3 s`, `8000 Hz`, `16 kHz`, `2000 steps`, `5 epochs`. `i % 2` with spaces is a
    remainder.

    Example:
        model Net {
          input x: float[1_000]
          output y = x -> dense(4)
        }

    Fix:
        Write the number in one of these forms.
    """

    text: str
    advice: str

    def diagnostic(self) -> Diagnostic:
        return self.build(f"`{self.text}` is no number", "not a number", help=self.advice)


@record
class BadString(Problem, code="BM004"):
    r"""A string that does not end on its line, or an escape that does not exist.

    The escapes are `\\n`, `\\t`, `\\"`, `\\\\` and `\\u` with four hexadecimal digits.

    Example:
        data {
          source = npz("digits.npz)
        }

    Fix:
        Close the string, or correct the escape.
    """

    reason: str

    def diagnostic(self) -> Diagnostic:
        escape = self.reason.startswith("`")
        help = 'the escapes are `\\n \\t \\" \\\\ \\u0041`' if escape else 'close it with `"`'
        return self.build(self.reason, "here" if escape else "starts here", help=help)


@record
class TooLong(Problem, code="BM005"):
    """A name, number, string, line or expression past its limit.

    A name has up to 64 letters, a number up to 19 digits, a string up to 64,000 characters, a line
    up to 100,000. Brackets and expressions nest at most 64 and 200 deep.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(12345678901234567890123)
        }

    Fix:
        Shorten it; give a long expression's parts names.
    """

    what: str
    found: str
    limit: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"{self.what} has {self.found}, and the limit is {self.limit}", "too long"
        )


@record
class Unclosed(Problem, code="BM006"):
    """A bracket without its partner.

    Example:
        model Net {
          input x: float[8]
          output y = x -> dense(4
        }

    Fix:
        Close it, or remove the one that is too many.
    """

    bracket: Literal["(", "[", "{", ")", "]", "}"]
    found: str = ""
    opening: Span | None = None

    def diagnostic(self) -> Diagnostic:
        if self.opening is None:
            return self.build(f"`{self.bracket}` closes nothing", "nothing is open here")
        partner = {"(": ")", "[": "]", "{": "}"}[self.bracket]
        return self.build(
            f"`{self.bracket}` is never closed",
            f"expected `{partner}` before {self.found}",
            also=(Label(self.opening, f"this `{self.bracket}`"),),
        )


@record
class ArrowHead(Problem, code="BM007"):
    """An arrow after or before arithmetic, without parentheses.

    The head of an arrow is a name, a call, an index or a parenthesis; its target is a layer. So
    that nobody has to guess whether `x + x -> f` means `(x + x) -> f` or `x + (x -> f)`, the
    parentheses are written.

    Example:
        model Net {
          input x: float[8]
          y = x + x -> dense(8)
          output z = y -> relu
        }

    Fix:
        Write `x + (x -> f)` or `(x + x) -> f`.
    """

    operator: str
    before: bool

    def diagnostic(self) -> Diagnostic:
        if self.before:
            return self.build(
                f"an arrow after `{self.operator}` needs parentheses",
                "what flows here?",
                help=f"write `x {self.operator} (y -> f)`, or `(x {self.operator} y) -> f`",
            )
        return self.build(
            f"`{self.operator}` after an arrow needs parentheses",
            "an arrow leads to a layer",
            help=f"write `(x -> f) {self.operator} y`",
        )


@record
class Reserved(Problem, code="BM008"):
    """A word of the language where a name of yours should stand.

    Reserved are `import let block model data train predict input output param state layer for in
    update if then else and or not true false assert`.

    Example:
        model Net {
          input state: float[8]
          output y = state -> dense(4)
        }

    Fix:
        Choose another name.
    """

    word: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.word}` is a word of the language and can't be a name",
            "reserved",
            help=f"choose another name, such as `{self.word}_`",
        )


@record
class NotAStatement(Problem, code="BM009"):
    """Something that begins neither a declaration of the file nor a statement of a block.

    A file holds `import`, `let`, `block`, `model`, `data`, `train` and `predict`; a statement
    begins with a name or with `input output layer param state for assert update`, never with a
    bracket or a sign, because a line break means nothing.

    Example:
        class Net {
          input x: float[8]
        }

    Fix:
        Begin with one of these words.
    """

    found: str
    top: bool
    hint: str | None = None

    def diagnostic(self) -> Diagnostic:
        where = "a declaration" if self.top else "a statement"
        words = (
            ("import", "let", "block", "model", "data", "train", "predict")
            if self.top
            else ("input", "output", "layer", "param", "state", "for", "assert")
        )
        tail = "" if self.top else " or a name"
        return self.build(
            f"{where} can't begin with {self.found}",
            "not expected here",
            notes=(f"{where} begins with one of {listing(words)}{tail}",),
            help=self.hint,
        )


@record
class NoEquals(Problem, code="BM010"):
    """A key and a value without the `=` between them.

    Example:
        train {
          epochs: 5
        }

    Fix:
        Write `key = value`. A colon gives a type: `digit: int[] = "y"`.
    """

    key: str
    value: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.key}` has no `=` before its value",
            "expected `=`",
            help=f"write `{self.key} = {self.value}`",
        )


@record
class TooManyErrors(Problem, code="BM011"):
    """A file with so many faults of writing that reading it further is of no use.

    Example:
        bmc check photo.jpg

    Fix:
        Correct the first faults, and run again.
    """

    count: int

    def diagnostic(self) -> Diagnostic:
        return self.build(f"stopped after {self.count} faults of writing", "read up to here")


def _either(words: tuple[str, ...]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
