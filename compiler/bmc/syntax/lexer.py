"""The words of a `.bm` file, as Lark's lexer finds them: their values, and what is wrong with them.

A wrong word is reported and then stands for what it resembles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import lark

from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.syntax import BadCharacter, BadNumber, BadString, TooLong
from bmc.source import Source, Span

MOST_IN_LINE = 100_000
MOST_IN_STRING = 64_000
MOST_IN_NAME = 64
MOST_DIGITS = 19
FEWEST_EXPONENT, MOST_EXPONENT = -300, 300

UNITS = ("ms", "s", "kHz", "Hz", "steps", "epochs", "%")
SCALES = {"K": 10**3, "M": 10**6, "B": 10**9}

_GOOD = re.compile(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?[KMB]?")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
# Marks that reorder or hide text: what a reader sees would not be what is compiled.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


class Token(lark.Token):
    """A word of the file. `kind` is the grammar's symbol: `NAME`, `(`, `model`, `$END`, …

    `value` is what it means, `first` whether it is the first on its line.
    """

    __slots__ = ("first", "kind")
    kind: str
    first: bool
    start_pos: int
    end_pos: int

    @property
    def text(self) -> str:
        """The word as written."""
        return str(self)

    @property
    def start(self) -> int:
        """Where it begins in the file's text."""
        return self.start_pos

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.end_pos


class Words:
    """What Lark's lexer gives, one word after the other, ended by `$END`; comments apart."""

    def __init__(self, source: Source, kinds: dict[str, str], problems: Problems) -> None:
        self.source = source
        self.kinds = kinds
        self.problems = problems
        self.comments: list[tuple[int, int]] = []
        self.last = 0  # where the word before ended
        self._check_lines(source.text)

    def of(self, found: Iterable[lark.Token]) -> Iterator[Token]:
        """The words that a parser takes."""
        for token in found:
            start = token.start_pos or 0
            end = start + len(token)
            if token.type == "COMMENT":
                self._hidden(start, end)
                self.comments.append((start, end))
                continue
            first = self._first(start)
            self.last = end
            made = self._word(token.type, str(token), start, end, first)
            if made is not None:
                yield made
        size = len(self.source.text)
        yield self._token("$END", "", size, size, self._first(size))

    def _first(self, start: int) -> bool:
        return self.last == 0 or "\n" in self.source.text[self.last : start]

    def _token(
        self, type_: str, text: str, start: int, end: int, first: bool, value: object = None
    ) -> Token:
        made = Token(type_, text, start, end_pos=end)
        made.kind, made.first = self.kinds.get(type_, type_), first
        made.value = text if value is None else value
        return made

    def _word(self, type_: str, text: str, start: int, end: int, first: bool) -> Token | None:
        """A word with its meaning; None for a character that begins nothing."""
        if type_ in ("QUOTED", "FOREIGN", "OTHER"):
            self._add(BadCharacter(self._span(start, end), text[:40]))
            if type_ == "OTHER":
                return None
            resembled = ("STRING", '""') if type_ == "QUOTED" else ("NAME", "x")
            return self._token(*resembled, start, end, first, "")
        value: object = None
        if type_ == "NUMBER":
            value = self._number(text, start, end)
        elif type_ == "MEASURE":
            value = self._measure(text, start, end)
        elif type_ == "STRING":
            value = self._string(text, start, end)
        elif type_ == "NAME" and len(text) > MOST_IN_NAME:
            found, limit = f"{len(text)} letters", f"{MOST_IN_NAME}"
            self._add(TooLong(self._span(start, end), "a name", found, limit))
        return self._token(type_, text, start, end, first, value)

    # --- numbers ----------------------------------------------------------------------------

    def _number(self, text: str, start: int, end: int) -> int | float:
        if _GOOD.fullmatch(text):
            return self._value(text, start, end)
        self._add(BadNumber(self._span(start, end), text[:40], _advice(text)))
        return 1

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

    def _measure(self, text: str, start: int, end: int) -> tuple[int | float, str]:
        unit = next(unit for unit in UNITS if text.endswith(unit) and _is_unit(text, unit))
        value = self._value(text[: -len(unit)].rstrip(), start, end)
        return (value / 100 if unit == "%" else value), unit

    # --- strings ----------------------------------------------------------------------------

    def _string(self, text: str, start: int, end: int) -> str:
        span = self._span(start, end)
        if len(text) < 2 or not text.endswith('"') or not _closed(text):
            reason = "the string is not closed on its line"
            self._add(BadString(self._span(start, start + len(text.rstrip())), reason))
            text += '"'
        elif len(text) > MOST_IN_STRING:
            self._add(TooLong(span, "a string", f"{len(text)} characters", f"{MOST_IN_STRING:,}"))
        self._hidden(start, end)
        return self._decoded(text[1:-1], start)

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

    # --- the text as a whole ----------------------------------------------------------------

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
