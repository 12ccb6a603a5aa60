"""Says what is wrong where the parser can't go on: which problem, at which words, with what help.

The parser knows only that a token does not fit; here the tokens around it tell what was meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from bmc.diagnostics.diagnostic import Problem
from bmc.diagnostics.problems.syntax import (
    ArrowHead,
    NoEquals,
    NotAStatement,
    Reserved,
    Unclosed,
    Unexpected,
)
from bmc.diagnostics.suggest import did_you_mean
from bmc.source import Source, Span
from bmc.syntax.grammar import keywords
from bmc.syntax.lexer import Token

PARTNER = {"(": ")", "[": "]", "{": "}"}
OPENERS = frozenset(PARTNER)
CLOSERS = frozenset(PARTNER.values())
TOP = frozenset("import let block model data train predict".split())
STATEMENTS = frozenset(
    ["NAME", "input", "state", "param", "layer", "output", "for", "update", "assert"]
)
OPERATORS = frozenset(
    [
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "..",
        "and",
        "or",
        "not",
    ]
)
VALUES = frozenset({"NAME", "NUMBER", "MEASURE", "STRING", "true", "false"})
# Words of other languages, and what they are here.
FOREIGN = {"class": "model", "network": "model", "def": "block", "function": "block"}
NAMED = {"NAME": "a name", "STRING": "a string", "$END": "the end of the file"}
MOST_EXPECTED = 4


def explain(
    source: Source,
    token: Token,
    before: Token | None,
    opened: Sequence[Token],
    expected: frozenset[str],
    tokens: Sequence[Token],
    at: int,
) -> Problem:
    """The problem at `tokens[at]`, which is `token`; `opened` are the brackets still open."""
    span = Span(source, token.start, token.end)
    return (
        _bracket(source, token, before, opened)
        or _arrow(span, token, tokens, at)
        or _reserved(source, token, before, expected)
        or _statement(span, token, before, opened, expected)
        or _no_equals(source, tokens, at, expected)
        or _unexpected(source, token, before, expected, tokens[max(at - 3, 0) : at])
    )


def found(token: Token) -> str:
    """A token as messages name it."""
    if token.kind == "$END":
        return "the end of the file"
    if token.kind == "STRING":
        return "a string"
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return f"`{text}`"


def _bracket(
    source: Source, token: Token, before: Token | None, opened: Sequence[Token]
) -> Problem | None:
    """A bracket that is not closed where it should be, or closes nothing."""
    span = Span(source, token.start, token.end)
    if token.kind in CLOSERS and token.kind not in [PARTNER[one.kind] for one in opened]:
        return Unclosed(span, token.kind)  # type: ignore[arg-type]
    if not opened or before is None:
        return None
    last = opened[-1]
    wrong_partner = token.kind in CLOSERS and token.kind != PARTNER[last.kind]
    inside = last.kind != "{"
    next_statement = inside and token.first and token.kind in (STATEMENTS | TOP) - {"NAME"}
    next_item = not inside and token.first and token.kind in TOP
    if not (wrong_partner or next_statement or next_item or token.kind == "$END"):
        return None
    place = Span(source, before.end, before.end) if token.first else span
    opening = Span(source, last.start, last.end)
    return Unclosed(place, last.kind, found(token), opening)  # type: ignore[arg-type]


def _arrow(span: Span, token: Token, tokens: Sequence[Token], at: int) -> Problem | None:
    """Arithmetic on either side of an arrow without parentheses."""
    if token.kind != "->" and token.kind not in OPERATORS:
        return None
    wanted = OPERATORS if token.kind == "->" else {"->"}
    operator = _earlier(tokens, at, wanted)
    if operator is None:
        return None
    text = operator.text if token.kind == "->" else token.text
    return ArrowHead(span, text, token.kind == "->")


def _earlier(tokens: Sequence[Token], at: int, wanted: frozenset[str] | set[str]) -> Token | None:
    """The nearest wanted token before `at` on the same level of the same statement."""
    depth = 0
    for index in range(at - 1, max(at - 200, -1), -1):
        kind = tokens[index].kind
        if kind in CLOSERS:
            depth += 1
        elif kind in OPENERS:
            depth -= 1
        if depth < 0 or (depth == 0 and kind in ("=", ",", "then", "else", "if")):
            return None
        if depth == 0 and kind in wanted:
            return tokens[index]
    return None


def _reserved(
    source: Source, token: Token, before: Token | None, expected: frozenset[str]
) -> Problem | None:
    """A word of the language used as a name."""
    begins = token.first and token.kind in STATEMENTS | TOP | {"if"}
    if token.kind in keywords() and "NAME" in expected and not begins:
        return Reserved(Span(source, token.start, token.end), token.text)
    if token.kind in ("=", ":") and before is not None and before.kind in keywords():
        return Reserved(Span(source, before.start, before.end), before.text)
    return None


def _statement(
    span: Span,
    token: Token,
    before: Token | None,
    opened: Sequence[Token],
    expected: frozenset[str],
) -> Problem | None:
    """Something that begins no declaration, or no statement."""
    top = not opened and "let" in expected
    inside = bool(opened) and opened[-1].kind == "{" and "output" in expected
    begins = token.first or before is None or before.kind in ("{", "}")
    if not begins or not (top or inside):
        return None
    if token.kind == "NAME":
        right = FOREIGN.get(token.text.lower())
        hint = f"write `{right}`" if right else did_you_mean(token.text, sorted(TOP))
    elif token.kind == "if":
        hint = "an `if` chooses a value or a layer: `x = if deep then x -> relu else x`"
    elif token.kind in STATEMENTS:
        hint = f"`{token.text}` stands inside a block or model"
    elif token.kind in TOP:
        hint = "close the block above with `}` first"
    else:
        hint = None
    return NotAStatement(span, found(token), top, hint)


def _no_equals(
    source: Source, tokens: Sequence[Token], at: int, expected: frozenset[str]
) -> Problem | None:
    """`epochs: 5` and `epochs 5`."""
    token = tokens[at]
    if token.kind not in VALUES or at < 1:
        return None
    before = tokens[at - 1]
    if before.kind == ":" and at > 1 and tokens[at - 2].kind == "NAME":
        if at > 2 and tokens[at - 3].kind in keywords():  # `input x: 5` lacks a type
            return None
        key = tokens[at - 2]
    elif before.kind == "NAME" and before.first and not token.first and "=" in expected:
        key = before
    else:
        return None
    return NoEquals(Span(source, key.end, token.start), key.text, token.text[:40])


def _unexpected(
    source: Source,
    token: Token,
    before: Token | None,
    expected: frozenset[str],
    last: Sequence[Token],
) -> Problem:
    """Whatever has no better explanation; `last` are the three tokens before."""
    after = before is not None and (token.first or token.kind == "$END")
    if after and before is not None:
        span = Span(source, max(before.end - 1, before.start), before.end)
    else:
        span = Span(source, token.start, token.end)
    hint = _hint(token, before)
    kinds = [one.kind for one in (*last, token)]
    if kinds[1:] == ["NAME", "(", ")"] and kinds[0] in ("block", "model"):
        hint = f"without settings there are no parentheses: `{kinds[0]} {last[1].text} {{`"
    return Unexpected(span, found(token), _wanted(expected, before), after, hint)


def _wanted(expected: frozenset[str], before: Token | None) -> tuple[str, ...]:
    """What may stand here, in few words; nothing when that would be a long list."""
    rest = set(expected)
    words: list[str] = []
    if before is not None and before.kind == "->":
        return ("a layer",)
    if {"NAME", "NUMBER", "("} <= rest:
        words.append("a value")
        rest -= VALUES | OPENERS | OPERATORS | {"if", "data"}
    if len(rest & OPERATORS) > 1:
        rest -= OPERATORS
    if len(rest & (STATEMENTS | TOP)) > 2:
        rest -= STATEMENTS | TOP
    words += sorted(NAMED.get(kind, f"`{kind}`") for kind in rest)
    return tuple(words) if len(words) <= MOST_EXPECTED else ()


def _hint(token: Token, before: Token | None) -> str | None:
    if token.kind == "," and before is not None and before.kind in (",", "("):
        return "remove this comma"
    if token.kind == "=":
        return "`=` gives a setting or begins a statement; to compare, write `==`"
    if token.kind == "else":
        return "a condition is written `if c then a else b`"
    return None
