"""Splits the text of a `.bm` file into tokens, with one regular expression and in linear time.

Knows the shapes of words, numbers and strings (see bm.lark), nothing of their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.syntax import BadCharacter, BadNumber, BadString, TooLong
from bmc.records import record
from bmc.source import Source, Span

MOST_IN_LINE = 100_000
MOST_IN_STRING = 64_000
MOST_IN_NAME = 64
MOST_DIGITS = 19
FEWEST_EXPONENT, MOST_EXPONENT = -300, 300

KEYWORDS = frozenset(
    [
        "import",
        "let",
        "block",
        "model",
        "data",
        "train",
        "predict",
        "input",
        "output",
        "param",
        "state",
        "layer",
        "for",
        "in",
        "update",
        "if",
        "then",
        "else",
        "and",
        "or",
        "not",
        "true",
        "false",
        "assert",
    ]
)
UNITS = ("ms", "s", "kHz", "Hz", "steps", "epochs", "%")
SCALES = {"K": 10**3, "M": 10**6, "B": 10**9}

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_TOKEN = re.compile(
    rf"""
    (?P<space>[ \t\r\n]+)
  | (?P<comment>\#[^\n]*)
  | (?P<name>[A-Za-z][A-Za-z0-9_]*)
  | (?P<measure>{_NUMBER}(?:%|[ \t]?(?:ms|s|kHz|Hz|steps|epochs)\b(?![ \t]*=[^=])))
  | (?P<number>(?:{_NUMBER}|\.[0-9])(?P<tail>[A-Za-z0-9_]|\.(?!\.))?)
  | (?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?)
  | (?P<mark>->|\*\*|//|<=|>=|==|!=|\.\.|[-+*/%<>=.,:(){{}}\[\]])
  | (?P<other>.)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
# Marks that reorder or hide text: what a reader sees would not be what is compiled.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


class Token(NamedTuple):
    """A word of the file. `kind` is the grammar's symbol: `NAME`, `(`, `model`, `$END`, …"""

    kind: str
    text: str
    start: int
    end: int
    first: bool  # on its line
    value: object = None


@record(frozen=False)
class Lexed:
    """The tokens of a file, ended by `$END`, and its comments as (start, end) ranges."""

    tokens: list[Token]
    comments: list[tuple[int, int]]


def lex(source: Source, problems: Problems) -> Lexed:
    """The tokens of a source. A wrong one is reported and then stands for what it resembles."""
    return _Lexer(source, problems).run()


class _Lexer:
    def __init__(self, source: Source, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.tokens: list[Token] = []
        self.comments: list[tuple[int, int]] = []

    def run(self) -> Lexed:
        text = self.source.text
        self._check_lines(text)
        first = True
        skip_until = 0
        for match in _TOKEN.finditer(text):
            start, end = match.span()
            if start < skip_until:
                continue
            kind = match.lastgroup or ""
            if kind == "space":
                first = first or "\n" in match.group()
                continue
            if kind == "comment":
                self._hidden(start, end)
                self.comments.append((start, end))
                continue
            if kind in ("number", "tail"):
                end = skip_until = self._number(start, end, match.group("tail"), first)
            elif kind == "other":
                skip_until = self._other(start, first)
            else:
                self._plain(kind, start, end, first)
            first = False
        size = len(text)
        self.tokens.append(Token("$END", "", size, size, first))
        return Lexed(self.tokens, self.comments)

    def _plain(self, kind: str, start: int, end: int, first: bool) -> None:
        text = self.source.text[start:end]
        if kind == "mark":
            self.tokens.append(Token(text, text, start, end, first))
        elif kind == "name":
            if len(text) > MOST_IN_NAME:
                self._add(
                    TooLong(
                        self._span(start, end), "a name", f"{len(text)} letters", f"{MOST_IN_NAME}"
                    )
                )
            symbol = text if text in KEYWORDS else "NAME"
            self.tokens.append(Token(symbol, text, start, end, first))
        elif kind == "measure":
            self._measure(text, start, end, first)
        else:
            self._string(text, start, end, first)

    # --- numbers ----------------------------------------------------------------------------

    def _number(self, start: int, end: int, tail: str | None, first: bool) -> int:
        """Adds a number that starts here; returns where it ends."""
        text = self.source.text
        if tail is None and not text.startswith(".", start):
            self._add_number(text[start:end], start, end, first)
            return end
        if tail in SCALES and not _goes_on(text, end) and text[start] != ".":
            self._add_number(text[start:end], start, end, first)
            return end
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        self._add(BadNumber(self._span(start, end), text[start:end][:40], _advice(text[start:end])))
        self.tokens.append(Token("NUMBER", "1", start, end, first, 1))
        return end

    def _add_number(self, text: str, start: int, end: int, first: bool) -> None:
        value = self._value(text, start, end)
        self.tokens.append(Token("NUMBER", text, start, end, first, value))

    def _value(self, text: str, start: int, end: int) -> int | float:
        scale = SCALES.get(text[-1], 1)
        digits = text[:-1] if scale > 1 else text
        mantissa, _, exponent = digits.lower().partition("e")
        if len(mantissa.replace(".", "")) > MOST_DIGITS:
            span = self._span(start, end)
            self._add(TooLong(span, "a number", f"{len(mantissa)} digits", f"{MOST_DIGITS}"))
            return 1
        if exponent and (
            len(exponent) > 5 or not FEWEST_EXPONENT <= int(exponent) <= MOST_EXPONENT
        ):
            self._add(BadNumber(self._span(start, end), text, "exponents go from -300 to 300"))
            return 1.0
        if digits.isdigit():
            return int(digits) * scale
        value = float(digits) * scale
        return int(value) if scale > 1 and value.is_integer() else value

    def _measure(self, text: str, start: int, end: int, first: bool) -> None:
        unit = next(unit for unit in UNITS if text.endswith(unit) and _is_unit(text, unit))
        value = self._value(text[: -len(unit)].rstrip(), start, end)
        if unit == "%":
            value = value / 100
        self.tokens.append(Token("MEASURE", text, start, end, first, (value, unit)))

    # --- strings ----------------------------------------------------------------------------

    def _string(self, text: str, start: int, end: int, first: bool) -> None:
        span = self._span(start, end)
        if len(text) < 2 or not text.endswith('"') or not _closed(text):
            reason = "the string is not closed on its line"
            self._add(BadString(self._span(start, start + len(text.rstrip())), reason))
            text += '"'
        elif len(text) > MOST_IN_STRING:
            self._add(TooLong(span, "a string", f"{len(text)} characters", f"{MOST_IN_STRING:,}"))
        self._hidden(start, end)
        self.tokens.append(
            Token("STRING", text, start, end, first, self._decoded(text[1:-1], start))
        )

    def _decoded(self, text: str, start: int) -> str:
        if "\\" not in text:
            return text

        def plain(match: re.Match[str]) -> str:
            escape = match.group(1)
            if escape in _ESCAPES:
                return _ESCAPES[escape]
            code = int(escape[1:], 16) if len(escape) == 5 else 0
            if code >= 32 and not 0xD800 <= code <= 0xDFFF:
                return chr(code)
            at = start + 1 + match.start()
            reason = f"`\\{escape}` is no escape of a string"
            self._add(BadString(self._span(at, at + len(match.group())), reason))
            return ""

        return _ESCAPE.sub(plain, text)

    # --- what is no token -------------------------------------------------------------------

    def _other(self, start: int, first: bool) -> int:
        """Reports a character that begins nothing; returns where to go on."""
        text = self.source.text
        end = start + 1
        character = text[start]
        if character == "'":
            line = text.find("\n", end)
            close = text.find("'", end, line if line >= 0 else None)
            end = close + 1 if close > 0 else end
            self.tokens.append(Token("STRING", '""', start, end, first, ""))
        elif character == "_" or (character.isalpha() and not character.isascii()):
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            self.tokens.append(Token("NAME", "x", start, end, first))
        self._add(BadCharacter(self._span(start, end), text[start:end][:40]))
        return end

    def _hidden(self, start: int, end: int) -> None:
        match = _HIDDEN.search(self.source.text, start, end)
        if match:
            self._add(BadCharacter(self._span(*match.span()), match.group()))

    def _check_lines(self, text: str) -> None:
        at = 0
        for line in text.split("\n"):
            if len(line) > MOST_IN_LINE:
                span = self._span(at + MOST_IN_LINE, at + MOST_IN_LINE + 1)
                limit = f"{MOST_IN_LINE:,}"
                self._add(TooLong(span, "a line", f"{len(line):,} characters", limit))
            at += len(line) + 1

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def _add(self, problem: Problem) -> None:
        self.problems.add(problem)


def _goes_on(text: str, at: int) -> bool:
    return at < len(text) and (text[at].isalnum() or text[at] == "_")


def _is_unit(text: str, unit: str) -> bool:
    before = text[: -len(unit)].rstrip()
    return before[-1:].isdigit()


def _closed(text: str) -> bool:
    """Whether the last quote of a string is one that closes it, not an escaped one."""
    body = text[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 0


def _advice(text: str) -> str:
    lowered = text.lower()
    if text.startswith("."):
        return f"write `0{text}`"
    if lowered.startswith(("0x", "0b", "0o")):
        return "numbers are decimal"
    if "_" in text:
        return f"write `{text.replace('_', '')}`"
    if text.endswith("."):
        return f"write `{text}0`"
    if text[-1:].lower() in ("k", "m", "b", "g") and text[:-1].replace(".", "").isdigit():
        return "the suffixes are `K`, `M` and `B`"
    return f"the units are {', '.join(f'`{unit}`' for unit in UNITS)}"


def comment_text(source: Source, comments: list[tuple[int, int]]) -> Iterator[tuple[Span, str]]:
    """The comments with their text."""
    for start, end in comments:
        yield Span(source, start, end), source.text[start:end].rstrip()
