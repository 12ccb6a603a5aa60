"""From text to tree: Lark parses, word by word, and what there is to say when a word does not fit.

After a fault the parser goes on at the next statement or declaration, so that one run reports
every fault of a file.
"""

from __future__ import annotations

from typing import Any

from lark import Tree, UnexpectedToken

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.syntax import TooLong, TooManyErrors
from bmc.source import Source, Span
from bmc.syntax import ast
from bmc.syntax.build import NODES, Builder
from bmc.syntax.docs import Docs
from bmc.syntax.faults import CLOSERS, OPENERS, STATEMENTS, TOP, explain
from bmc.syntax.grammar import grammar
from bmc.syntax.lexer import Token, Words, comment_text

MOST_OPEN = 64  # brackets
MOST_FAULTS = 50
# Lark's own rules for what may be repeated in a body, and in a file.
STATEMENT_LIST = "__body_star_2"
ITEM_LIST = "__start_star_0"


def parse(source: Source, problems: Problems) -> ast.File | None:
    """The tree of a file, or None when it has a fault of writing, which is then in `problems`."""
    return read(source, problems)[0]


def read(source: Source, problems: Problems) -> tuple[ast.File | None, list[Token]]:
    """The tree of a file, if it has no faults, and its words."""
    parser = Parser(source, "start")
    items = parser.run()
    for problem in parser.problems.items:
        problems.add(problem)
    if parser.problems.failed or items is None:
        return None, parser.tokens
    comments = tuple(
        ast.Comment(span, text) for span, text in comment_text(source, parser.words.comments)
    )
    whole = Span(source, 0, len(source.text))
    docs = parser.docs.file
    return ast.File(whole, source, tuple(items), docs, comments), parser.tokens


def parse_expression(source: Source, problems: Problems) -> ast.Expr | None:
    """The tree of a source that holds one expression, such as the value of `--set`."""
    parser = Parser(source, "chain")
    found = parser.run()
    for problem in parser.problems.items:
        problems.add(problem)
    return None if parser.problems.failed else found


class Parser:
    """One run over the words of a source."""

    def __init__(self, source: Source, start: str) -> None:
        self.source = source
        self.problems = Problems()
        self.kinds = grammar().kinds
        self.words = Words(source, self.kinds, self.problems)
        self.docs = Docs(source)
        NODES.begin(Builder(source, self.docs), self.problems)
        interactive: Any = grammar().lark.parse_interactive(source.text, start=start)
        self.lark, self.state = interactive, interactive.parser_state
        self.stream = self.words.of(self.lark.lexer_thread.lex(self.state))
        self.tokens: list[Token] = []
        self.at = 0
        self.fault = -1  # where the last fault was
        self.open: list[tuple[Token, int]] = []  # brackets, with the height of the stacks

    def run(self) -> Any:
        """Reads all words; returns what they make, or None. Faults are in `problems`."""
        while True:
            token = self._token()
            try:
                made = self.lark.feed_token(token)
            except UnexpectedToken:
                if not self._recover(token):
                    return None
                continue
            if token.kind == "$END":
                return made
            self._bracket(token)
            self.at += 1

    def _token(self) -> Token:
        """The word that comes next."""
        if self.at == len(self.tokens):
            self.tokens.append(next(self.stream))
        return self.tokens[self.at]

    def _bracket(self, token: Token) -> None:
        if token.kind in OPENERS:
            self.open.append((token, len(self.state.value_stack) - 1))
            if len(self.open) == MOST_OPEN + 1:
                span = Span(self.source, token.start, token.end)
                found = f"{MOST_OPEN + 1} open brackets"
                self.problems.add(TooLong(span, "this nesting", found, f"{MOST_OPEN}"))
        elif token.kind in CLOSERS and self.open:
            self.open.pop()

    # --- after a fault ------------------------------------------------------------------------

    def _recover(self, token: Token) -> bool:
        """Reports the fault and moves on to where reading makes sense again; False at the end."""
        before = self.tokens[self.at - 1] if self.at else None
        opened = [bracket for bracket, _ in self.open]
        expected = frozenset(self.kinds.get(name, name) for name in self.lark.accepts())
        self.problems.add(
            explain(self.source, token, before, opened, expected, self.tokens, self.at)
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

    def _skip(self, faulty: Token) -> bool:
        depth = 0
        if faulty.kind in OPENERS and not faulty.first:
            depth, self.at = 1, self.at + 1
        elif not faulty.first or (faulty.kind not in STATEMENTS and faulty.kind != "}"):
            self.at += faulty.kind != "$END"
        while (token := self._token()).kind != "$END":
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
        values, states = self.state.value_stack, self.state.state_stack
        kept = ITEM_LIST if height == 0 else STATEMENT_LIST
        if height < len(values) and isinstance(values[height], Tree):
            height += values[height].data == kept
        del values[height:], states[height + 1 :]
        self.open = [entry for entry in self.open if entry[1] < height]
