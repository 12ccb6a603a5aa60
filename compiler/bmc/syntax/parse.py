"""From text to tree: an LALR(1) parser over the tables of bm.lark, and what it says when it stops.

After a fault the parser goes on at the next statement or declaration, so that one run reports
every fault of a file.
"""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.syntax import TooLong, TooManyErrors
from bmc.source import Source, Span
from bmc.syntax import ast
from bmc.syntax.build import Builder
from bmc.syntax.docs import Docs
from bmc.syntax.faults import CLOSERS, OPENERS, STATEMENTS, TOP, explain
from bmc.syntax.lexer import Token, comment_text, lex
from bmc.syntax.tables import END, RULES, START, STATES

DEEPEST = 200  # levels of one expression; passes that walk the tree call themselves that often
MOST_OPEN = 64  # brackets
MOST_FAULTS = 50
ORIGINS = frozenset(origin for origin, *_ in RULES)  # rules, not words, in a row of the tables
SILENT = frozenset(", ( ) [ ] { } = : ->".split())
STATEMENT_LIST = "__body_star_2"
ITEM_LIST = "__start_star_0"
# Rules that make a node of their own count as a level; lists and single steps do not.
FLAT = frozenset(
    ["body", "params", "names", "positional", "named", "word", "target", "section", "start"]
)


def parse(source: Source, problems: Problems) -> ast.File | None:
    """The tree of a file, or None when it has a fault of writing, which is then in `problems`."""
    own = Problems()
    lexed = lex(source, own)
    docs = Docs(source, lexed.comments)
    parser = Parser(source, lexed.tokens, Builder(source, docs), own)
    items = parser.run()
    for problem in own.items:
        problems.add(problem)
    if own.failed:
        return None
    whole = Span(source, 0, len(source.text))
    comments = tuple(ast.Comment(span, text) for span, text in comment_text(source, lexed.comments))
    return ast.File(whole, source, tuple(items), docs.file, comments)


def parse_expression(source: Source, problems: Problems) -> ast.Expr | None:
    """The tree of a source that holds one expression, such as the value of `--set`."""
    own = Problems()
    lexed = lex(source, own)
    # The tables begin with a file. `let _ = …` is the shortest file around an expression.
    head = [Token("let", "let", 0, 0, True), Token("NAME", "x", 0, 0, False)]
    head.append(Token("=", "=", 0, 0, False))
    parser = Parser(source, head + lexed.tokens, Builder(source, Docs(source, [])), own)
    items = parser.run()
    for problem in own.items:
        problems.add(problem)
    if own.failed or len(items) != 1 or not isinstance(items[0], ast.Let):
        return None
    return items[0].value


class Parser:
    """One run over the tokens of a file. Four stacks grow and shrink together."""

    def __init__(
        self, source: Source, tokens: list[Token], builder: Builder, problems: Problems
    ) -> None:
        self.source = source
        self.tokens = tokens
        self.builder = builder
        self.problems = problems
        self.at = 0
        self.fault = -1  # where the last fault was
        self.states: list[int] = [START]
        self.values: list[Any] = []
        self.extents: list[tuple[int, int]] = []
        self.depths: list[int] = []
        self.open: list[tuple[Token, int]] = []  # brackets, with the height of the stacks

    def run(self) -> list[Any]:
        """Reads all tokens; returns the file's items. Faults are in `problems`."""
        while True:
            token = self.tokens[self.at]
            row = STATES[self.states[-1]]
            action = row.get(token.kind)
            if action is None and token.text == "from" and token.kind == "NAME":
                action = row.get("from")
            if action is None and token.kind == "$END" and self.states[-1] == END:
                return self._items()
            if action is None:
                if not self._recover(token, row):
                    return self._items()
            elif action > 0:
                if token.kind == "$END":
                    return self._items()
                self._shift(token, action - 1)
            else:
                self._reduce(-action - 1)
            if self.states[-1] == END and self.tokens[self.at].kind == "$END":
                return self._items()

    def _items(self) -> list[Any]:
        items: list[Any] = []
        for value in self.values:
            if isinstance(value, list):
                items += value
            elif isinstance(value, ast.Item):
                items.append(value)
            elif isinstance(value, tuple) and value and isinstance(value[0], ast.Item):
                items += value
        return items

    def _shift(self, token: Token, state: int) -> None:
        kind = token.kind
        if kind in OPENERS:
            self.open.append((token, len(self.values)))
            if len(self.open) == MOST_OPEN + 1:
                self._too_deep(token, f"{MOST_OPEN + 1} open brackets", f"{MOST_OPEN}")
        elif kind in CLOSERS and self.open:
            self.open.pop()
        self.states.append(state)
        self.values.append(token)
        self.extents.append((token.start, token.end))
        self.depths.append(0)
        self.at += 1

    def _too_deep(self, token: Token, found: str, limit: str) -> None:
        span = Span(self.source, token.start, token.end)
        self.problems.add(TooLong(span, "this nesting", found, limit))

    def _reduce(self, number: int) -> None:
        origin, name, length, expand = RULES[number]
        if length == 0:
            at = self.tokens[self.at].start
            value: Any = () if name == "start" else []
            self._push(origin, value, (at, at), 0)
            return
        values = self.values[-length:]
        extent = (self.extents[-length][0], self.extents[-1][1])
        depth = max(self.depths[-length:])
        del self.states[-length:], self.values[-length:]
        del self.extents[-length:], self.depths[-length:]
        if expand and length == 1:
            value = values[0]
        elif origin.startswith("__"):
            value = _joined(values)
        elif name == "start":
            value = tuple(_parts(values))
        else:
            value = getattr(self.builder, name)(extent, *_parts(values))
            if name not in FLAT:
                depth += 1
                if depth == DEEPEST + 1:
                    span = Span(self.source, *extent)
                    limit = f"{DEEPEST}"
                    self.problems.add(
                        TooLong(span, "this expression", f"over {limit} levels", limit)
                    )
        self._push(origin, value, extent, depth)

    def _push(self, origin: str, value: Any, extent: tuple[int, int], depth: int) -> None:
        self.states.append(STATES[self.states[-1]][origin] - 1)
        self.values.append(value)
        self.extents.append(extent)
        self.depths.append(depth)

    # --- after a fault ------------------------------------------------------------------------

    def _recover(self, token: Token, row: dict[str, int]) -> bool:
        """Reports the fault and moves on to where reading makes sense again; False at the end."""
        before = self.tokens[self.at - 1] if self.at else None
        opened = [bracket for bracket, _ in self.open]
        self.problems.add(
            explain(self.source, token, before, opened, self._expected(row), self.tokens, self.at)
        )
        if len(self.problems) >= MOST_FAULTS:
            span = Span(self.source, token.start, token.end)
            self.problems.add(TooManyErrors(span, MOST_FAULTS))
            return False
        if token.kind == "$END":
            return False
        if self.at == self.fault:  # going on from here led back to here
            self.at += 1
            return True
        self.fault = self.at
        while self.open and self.open[-1][0].kind != "{":
            self.open.pop()
        return self._skip(token)

    def _expected(self, row: dict[str, int]) -> frozenset[str]:
        """What may really come next: what reduces first must also end in a shift."""
        return frozenset(kind for kind in row if kind not in ORIGINS and self._accepts(kind))

    def _accepts(self, kind: str) -> bool:
        states = list(self.states[-64:])
        for _ in range(200):
            action = STATES[states[-1]].get(kind)
            if action is None:
                return False
            if action > 0:
                return True
            origin, _name, length, _expand = RULES[-action - 1]
            if length >= len(states):
                return True
            if length:
                del states[-length:]
            target = STATES[states[-1]].get(origin)
            if target is None:
                return False
            states.append(target - 1)
        return True

    def _skip(self, faulty: Token) -> bool:
        depth = 0
        if faulty.kind in OPENERS and not faulty.first:
            depth, self.at = 1, self.at + 1
        elif not faulty.first or (faulty.kind not in STATEMENTS and faulty.kind != "}"):
            self.at += faulty.kind != "$END"
        while (token := self.tokens[self.at]).kind != "$END":
            if token.kind in TOP and token.first and self._column(token) == 1:
                self._cut(0)
                return True
            if depth == 0 and self.open and (token.kind == "}" or self._begins(token)):
                self._cut(self.open[-1][1] + 1)
                return True
            if token.kind in OPENERS:
                depth += 1
            elif token.kind in CLOSERS:
                depth = max(0, depth - 1)
            self.at += 1
        return False

    def _begins(self, token: Token) -> bool:
        return token.first and token.kind in STATEMENTS

    def _column(self, token: Token) -> int:
        return self.source.position(token.start)[1]

    def _cut(self, height: int) -> None:
        """Drops what stands above a `{`, or above the file's items, but keeps what is whole."""
        kept = ITEM_LIST if height == 0 else STATEMENT_LIST
        if height < len(self.values):
            row = STATES[self.states[height]]
            if (
                isinstance(self.values[height], list)
                and row.get(kept) == self.states[height + 1] + 1
            ):
                height += 1
        del self.values[height:], self.extents[height:], self.depths[height:]
        del self.states[height + 1 :]
        self.open = [entry for entry in self.open if entry[1] < height]


def _joined(values: list[Any]) -> list[Any]:
    """A list that grows in place, so that a long one takes linear time."""
    if isinstance(values[0], list):
        result, rest = values[0], values[1:]
    else:
        result, rest = [], values
    for value in rest:
        if not (isinstance(value, Token) and value.kind in SILENT):
            result.append(value)
    return result


def _parts(values: list[Any]) -> list[Any]:
    """The parts of a rule that mean something, lists opened."""
    parts: list[Any] = []
    for value in values:
        if isinstance(value, list):
            parts += value
        elif not (isinstance(value, Token) and value.kind in SILENT):
            parts.append(value)
    return parts
