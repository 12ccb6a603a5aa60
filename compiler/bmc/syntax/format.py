"""The standard layout of `.bm` files: indentation, spaces and blank lines; line breaks stay.

Works on tokens, so that the tree and the comments are the same by construction. Where an author
aligned the `=` or the types of neighbouring lines, they stay aligned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bmc.diagnostics.diagnostic import Problems
from bmc.source import Source
from bmc.syntax import ast
from bmc.syntax.grammar import keywords
from bmc.syntax.lexer import Token
from bmc.syntax.parse import read

STEP = 2
OPENERS, CLOSERS = "([{", ")]}"
LONG = ("block", "model", "data", "train", "predict")
BINARY = frozenset("-> + - * / // % ** == != < <= > >= and or in".split())
TIGHT = frozenset([".."])  # written without spaces
AFTER_OPERAND = frozenset(
    ["NAME", "NUMBER", "MEASURE", "STRING", "true", "false", ")", "]", "data"]
)


class _Line(NamedTuple):
    """A line in the making: its tokens, the comment at its end, what stood before it."""

    tokens: list[Token]
    comment: str
    blank: bool  # an empty line above
    begins: bool  # a statement or an item begins here


def format_source(source: Source, problems: Problems) -> str | None:
    """The text in the standard layout; None when it has faults, which are then in `problems`."""
    file, tokens = read(source, problems)
    if file is None:
        return None
    tokens = tokens[:-1]  # without the end
    starts = {node.span.start for node in _statements(file.items)}
    return _Layout(source, tokens, list(file.comments), starts).text()


def _statements(nodes: tuple[ast.Node, ...]) -> Iterator[ast.Node]:
    for node in nodes:
        yield node
        yield from _statements(getattr(node, "body", ()))


class _Layout:
    def __init__(
        self, source: Source, tokens: list[Token], comments: list[ast.Comment], starts: set[int]
    ) -> None:
        self.source, self.starts = source, starts
        self.lines = self._split(tokens, comments)
        self.tops = self._tops()
        self.stack: list[str] = []  # open brackets; `p` is the list of a block's settings
        self.heading = False  # between `block` and its brace

    def _split(self, tokens: list[Token], comments: list[ast.Comment]) -> list[_Line]:
        """The lines as the author broke them."""
        by_line: dict[int, list[Token]] = {}
        for token in tokens:
            by_line.setdefault(self.source.position(token.start)[0], []).append(token)
        notes = {self.source.position(c.span.start)[0]: c.text for c in comments}
        lines: list[_Line] = []
        last = 0
        for number in sorted(by_line.keys() | notes.keys()):
            own = by_line.get(number, [])
            begins = bool(own) and own[0].start in self.starts
            lines.append(_Line(own, notes.get(number, ""), number > last + 1 > 1, begins))
            last = number
        return lines

    def text(self) -> str:
        """The whole file."""
        found: list[str] = []
        codes = [self._code(line) for line in self.lines]
        codes = self._aligned(codes)
        for index, (line, (indent, code)) in enumerate(zip(self.lines, codes)):
            if found and self._blank_above(index):
                found.append("")
            comment = f"  {line.comment}" if code and line.comment else line.comment
            found.append((" " * indent + code + comment).rstrip())
        return "\n".join(found) + "\n" if found else ""

    # --- blank lines --------------------------------------------------------------------------

    def _blank_above(self, index: int) -> bool:
        """One empty line where the author had some, and around what is long at the top."""
        line, before = self.lines[index], self.lines[index - 1]
        if line.tokens and line.tokens[0].kind in CLOSERS:
            return False
        if before.tokens and before.tokens[-1].kind in OPENERS:
            return False
        return line.blank or (self.tops[index] and bool(before.tokens))

    def _tops(self) -> list[bool]:
        """For each line, whether an item of the file begins here, or the comment to it."""
        tops: list[bool] = []
        below: _Line | None = None
        for line in reversed(self.lines):
            if line.tokens:
                tops.append(line.begins and line.tokens[0].kind in LONG)
            else:
                tops.append(below is not None and not below.blank and tops[-1])
            below = line
        return tops[::-1]

    # --- one line -------------------------------------------------------------------------------

    def _code(self, line: _Line) -> tuple[int, str]:
        """The indentation and the text of a line without its comment."""
        closing = 0
        for token in line.tokens:
            if token.kind not in CLOSERS:
                break
            closing += 1
        open_ = self.stack[: len(self.stack) - closing]
        braces = open_.count("{")
        inside = len(open_) - max((i + 1 for i, k in enumerate(open_) if k == "{"), default=0)
        goes_on = bool(line.tokens) and not line.begins and not closing and not inside
        if not line.tokens:
            goes_on = False
        indent = STEP * (braces + inside + (1 if goes_on else 0))
        parts: list[str] = []
        previous: Token | None = None
        unary = False
        for token in line.tokens:
            space = previous is not None and self._spaced(previous, token, unary)
            unary = token.kind == "-" and not _is_operand(previous)
            parts.append((" " if space else "") + token.text)
            self._note(token, previous)
            previous = token
        return indent, "".join(parts)

    def _note(self, token: Token, previous: Token | None) -> None:
        if token.kind in ("block", "model") and not self.stack:
            self.heading = True
        if token.kind in OPENERS:
            self.stack.append("p" if self.heading and token.kind == "(" else token.kind)
            self.heading = self.heading and token.kind != "{"
        elif token.kind in CLOSERS and self.stack:
            self.stack.pop()

    def _spaced(self, left: Token, right: Token, unary: bool) -> bool:
        """Whether a space goes between two tokens of a line."""
        a, b = left.kind, right.kind
        if unary or a in "([" or b in ")]" or b == "," or a == "." or b == ".":
            return False
        if a in ("{", "}") or b in ("{", "}"):
            return True
        if a == "," or a == ":":
            return True
        if b == ":" or a in TIGHT or b in TIGHT:
            return False
        if a == "=" or b == "=":
            return not self.stack or self.stack[-1] in "{p"
        if b == "(" or b == "[":
            return not (a == "NAME" or a in ")]" or (a in keywords() and a in _CALLABLE))
        return True

    # --- alignment --------------------------------------------------------------------------------

    def _aligned(self, codes: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Pads neighbouring lines whose `=` or type stood in one column."""
        for find, equals in ((self._equals, True), (self._type, False)):
            columns: dict[tuple[int, int], list[int]] = {}
            for at, line in enumerate(self.lines):
                if line.blank or any(token.kind in "{}" for token in line.tokens):
                    _pad_all(codes, columns, equals)
                mark = find(line)
                if mark is not None:
                    place = (self.source.position(mark.start)[1], codes[at][0])
                    columns.setdefault(place, []).append(at)
            _pad_all(codes, columns, equals)
        return codes

    def _equals(self, line: _Line) -> Token | None:
        """The `=` of a statement that begins this line."""
        if not line.begins or line.tokens[0].kind in ("for", "block", "model"):
            return None
        depth = 0
        for token in line.tokens:
            depth += (token.kind in OPENERS) - (token.kind in CLOSERS)
            if token.kind == "=" and depth == 0:
                return token
        return None

    def _type(self, line: _Line) -> Token | None:
        """The type of an input that begins this line."""
        kinds = [token.kind for token in line.tokens[:4]]
        if line.begins and kinds[:1] == ["input"] and ":" in kinds[:3] and len(kinds) > 3:
            return line.tokens[3]
        return None


def _pad_all(
    codes: list[tuple[int, str]], columns: dict[tuple[int, int], list[int]], equals: bool
) -> None:
    """Moves the marks that shared a column to that of the widest line; forgets them then."""
    for group in columns.values():
        cut = {at: _split_at(codes[at][1], equals) for at in group}
        width = max(len(head) for head, _ in cut.values())
        for at, (head, tail) in cut.items():
            codes[at] = (codes[at][0], head.ljust(width) + tail)
    columns.clear()


_CALLABLE = frozenset(["data", "train", "predict", "input", "output", "state", "layer", "model"])


def _is_operand(token: Token | None) -> bool:
    return token is not None and token.kind in AFTER_OPERAND


def _split_at(code: str, equals: bool) -> tuple[str, str]:
    """The text before the mark, and the rest from one space before it."""
    if not equals:
        head, _, tail = code.partition(": ")
        return f"{head}:", f" {tail}"
    depth = 0
    for at, letter in enumerate(code):
        depth += (letter in OPENERS) - (letter in CLOSERS)
        if code[at : at + 3] == " = " and depth == 0:
            return code[:at], code[at:]
    return code, ""
