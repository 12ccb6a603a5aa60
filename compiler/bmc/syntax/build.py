"""Builds the tree: one method for each rule of bm.lark, called when the parser has read one.

A method gets the rule's parts without brackets and punctuation: nodes and name tokens.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.syntax import TooLong
from bmc.source import Source, Span
from bmc.syntax import ast
from bmc.syntax.docs import Docs
from bmc.syntax.lexer import Token

Extent = tuple[int, int]
DEEPEST = 200  # levels of one expression; passes that walk the tree call themselves that often
SILENT = frozenset(", ( ) [ ] { } = : ->".split())
# Rules that make a node of their own count as a level; lists and single steps do not.
FLAT = frozenset(
    ["body", "params", "names", "positional", "named", "word", "target", "section", "start"]
)


class Group(tuple[Any, ...]):
    """Several nodes or words, and where they stand with what is around them."""

    start: int
    end: int

    @classmethod
    def of(cls, extent: Extent, parts: tuple[Any, ...]) -> Group:
        """Parts that stand there."""
        made = cls(parts)
        made.start, made.end = extent
        return made


class Builder:
    """Makes nodes of one source."""

    def __init__(self, source: Source, docs: Docs) -> None:
        self.source = source
        self.docs = docs

    def _span(self, extent: Extent) -> Span:
        return Span(self.source, *extent)

    def _of(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    # --- the file -----------------------------------------------------------------------------

    def import_(self, extent: Extent, word: Token, names: Any, _from: Token, path: Token) -> Any:
        imported = tuple(ast.Name(self._of(name), name.text) for name in names)
        return ast.Import(self._span(extent), imported, ast.String(self._of(path), str(path.value)))

    def let_(self, extent: Extent, word: Token, name: Token, value: ast.Expr) -> ast.Let:
        return ast.Let(self._span(extent), name.text, value, self.docs.of(word))

    def block_(self, extent: Extent, word: Token, name: Token, *rest: Any) -> ast.Block:
        settings = rest[0] if len(rest) == 2 else ()
        span, doc = self._span(extent), self.docs.of(word)
        return ast.Block(span, word.text, name.text, self._of(name), settings, rest[-1], doc)

    def start(self, extent: Extent, *items: ast.Item) -> tuple[ast.Item, ...]:
        return items

    def params(self, extent: Extent, *settings: ast.Setting) -> Group:
        return Group.of(extent, settings)

    def setting(self, extent: Extent, name: Token, default: ast.Expr | None = None) -> ast.Setting:
        return ast.Setting(self._span(extent), name.text, default)

    def section(self, extent: Extent, word: Token, body: tuple[ast.Statement, ...]) -> ast.Section:
        return ast.Section(self._span(extent), word.text, body, self.docs.of(word))

    def body(self, extent: Extent, *statements: ast.Statement) -> Group:
        return Group.of(extent, statements)

    # --- statements ---------------------------------------------------------------------------

    def input_(self, extent: Extent, word: Token, name: Token, type_: ast.Type) -> ast.Input:
        return ast.Input(self._span(extent), name.text, type_, self.docs.of(word))

    def state_(
        self, extent: Extent, word: Token, name: Token, type_: ast.Type, value: ast.Expr
    ) -> ast.State:
        return ast.State(self._span(extent), name.text, type_, value, self.docs.of(word))

    def param_(
        self, extent: Extent, word: Token, name: Token, type_: ast.Type, value: ast.Expr
    ) -> ast.ParamTensor:
        return ast.ParamTensor(self._span(extent), name.text, type_, value, self.docs.of(word))

    def layer_(self, extent: Extent, word: Token, place: ast.Place, value: ast.Expr) -> ast.Layer:
        return ast.Layer(self._span(extent), place, value, self.docs.of(word))

    def output_(self, extent: Extent, word: Token, names: Any, value: ast.Expr) -> ast.Output:
        first, *others = (name.text for name in names)
        doc = self.docs.of(word)
        return ast.Output(self._span(extent), first, value, doc, tuple(others))

    def for_(
        self, extent: Extent, word: Token, names: Any, _in: Token, iterable: ast.Expr, body: Any
    ) -> ast.For:
        return ast.For(self._span(extent), tuple(name.text for name in names), iterable, body)

    def update_(self, extent: Extent, word: Token, name: Token, body: Any) -> ast.Update:
        return ast.Update(self._span(extent), name.text, body)

    def assert_type(self, extent: Extent, word: Token, name: Token, type_: ast.Type) -> Any:
        return ast.AssertType(self._span(extent), name.text, type_)

    def assert_(self, extent: Extent, word: Token, condition: ast.Expr) -> ast.Assert:
        return ast.Assert(self._span(extent), condition)

    def assign(self, extent: Extent, *parts: Any) -> ast.Assign:
        *targets, value = parts
        doc = self.docs.at(extent[0])
        return ast.Assign(self._span(extent), tuple(targets), None, value, doc)

    def typed_assign(self, extent: Extent, *parts: Any) -> ast.Assign:
        *targets, type_, value = parts
        doc = self.docs.at(extent[0])
        return ast.Assign(self._span(extent), tuple(targets), type_, value, doc)

    def keyed(self, extent: Extent, key: Token, subject: ast.Expr, value: ast.Expr) -> ast.Keyed:
        return ast.Keyed(self._span(extent), key.text, subject, value)

    def place(self, extent: Extent, name: Token, index: ast.Expr | None = None) -> ast.Place:
        return ast.Place(self._span(extent), name.text, index)

    def names(self, extent: Extent, *names: Token) -> Group:
        return Group.of(extent, names)

    # --- types --------------------------------------------------------------------------------

    def type(self, extent: Extent, kind: Token, *dims: Any) -> ast.Type:
        return ast.Type(self._span(extent), kind.text, dims)

    def dim(self, extent: Extent, size: ast.Expr, *limit: Any) -> ast.Dim:
        return ast.Dim(self._span(extent), size, limit[-1] if limit else None)

    def any_leading(self, extent: Extent, _dots: Token) -> ast.AnyLeading:
        return ast.AnyLeading(self._span(extent))

    def dim_setting(self, extent: Extent, name: Token, value: ast.Expr) -> ast.DimSetting:
        return ast.DimSetting(self._span(extent), name.text, value)

    # --- expressions --------------------------------------------------------------------------

    def if_(self, extent: Extent, *parts: Any) -> ast.If:
        _if, condition, _then, then, _else, otherwise = parts
        return ast.If(self._span(extent), condition, then, otherwise)

    def flow(self, extent: Extent, head: ast.Expr, *targets: ast.Target) -> ast.Flow:
        return ast.Flow(self._span(extent), head, targets)

    def target(self, extent: Extent, layer: ast.Expr, *count: Any) -> ast.Target:
        return ast.Target(self._span(extent), layer, count[-1] if count else None)

    def binary(self, extent: Extent, left: ast.Expr, sign: Token, right: ast.Expr) -> ast.Binary:
        return ast.Binary(self._span(extent), sign.text, left, right, self._of(sign))

    def unary(self, extent: Extent, sign: Token, operand: ast.Expr) -> ast.Unary:
        return ast.Unary(self._span(extent), sign.text, operand)

    def attribute(self, extent: Extent, base: ast.Expr, _dot: Token, name: Token) -> ast.Attribute:
        return ast.Attribute(self._span(extent), base, name.text, self._of(name))

    def index_(self, extent: Extent, base: ast.Expr, *items: ast.Expr) -> ast.Index:
        return ast.Index(self._span(extent), base, items)

    def call(self, extent: Extent, function: ast.Expr, *arguments: ast.Argument) -> ast.Call:
        return ast.Call(self._span(extent), function, arguments)

    def positional(self, extent: Extent, value: ast.Expr) -> ast.Argument:
        return ast.Argument(self._span(extent), None, value)

    def named(self, extent: Extent, name: Token, value: ast.Expr) -> ast.Argument:
        return ast.Argument(self._span(extent), name.text, value)

    def word(self, extent: Extent, word: Token) -> Token:
        return word

    def slice_open(self, extent: Extent, _dots: Token) -> ast.Slice:
        return ast.Slice(self._span(extent), None, None)

    def slice_from(self, extent: Extent, lower: ast.Expr, _dots: Token) -> ast.Slice:
        return ast.Slice(self._span(extent), lower, None)

    def slice_to(self, extent: Extent, _dots: Token, upper: ast.Expr) -> ast.Slice:
        return ast.Slice(self._span(extent), None, upper)

    def slice_both(self, extent: Extent, lower: ast.Expr, _dots: Token, upper: ast.Expr) -> Any:
        return ast.Slice(self._span(extent), lower, upper)

    def name(self, extent: Extent, token: Token) -> ast.Name:
        return ast.Name(self._span(extent), token.text)

    def number(self, extent: Extent, token: Token) -> ast.Number:
        value: Any = token.value
        return ast.Number(self._span(extent), value, token.text)

    def measure(self, extent: Extent, token: Token) -> ast.Measure:
        pair: Any = token.value
        return ast.Measure(self._span(extent), pair[0], pair[1], token.text)

    def string(self, extent: Extent, token: Token) -> ast.String:
        return ast.String(self._span(extent), str(token.value))

    def true(self, extent: Extent, token: Token) -> ast.Bool:
        return ast.Bool(self._span(extent), True)

    def false(self, extent: Extent, token: Token) -> ast.Bool:
        return ast.Bool(self._span(extent), False)

    def paren(self, extent: Extent, inner: ast.Expr) -> ast.Paren:
        return ast.Paren(self._span(extent), inner)

    def tuple_(self, extent: Extent, *items: ast.Expr) -> ast.TupleExpr:
        return ast.TupleExpr(self._span(extent), items)

    def list_(self, extent: Extent, *items: ast.Expr) -> ast.ListExpr:
        return ast.ListExpr(self._span(extent), items)


class Nodes:
    """What Lark calls when it has read a rule; makes the node of the source that is being read."""

    def __init__(self) -> None:
        self.builder: Builder | None = None
        self.problems = Problems()
        self.depths: dict[int, int] = {}

    def begin(self, builder: Builder, problems: Problems) -> None:
        """Another source."""
        self.builder, self.problems, self.depths = builder, problems, {}

    def __getattr__(self, rule: str) -> Any:
        if rule.startswith("_") or not hasattr(Builder, rule):
            raise AttributeError(rule)
        return partial(self._make, rule)

    def _make(self, rule: str, children: list[Any]) -> Any:
        """The node of a rule; its extent is that of all its words."""
        extent = (_start(children[0]), _end(children[-1])) if children else (0, 0)
        parts = [one for one in children if not (isinstance(one, Token) and one.kind in SILENT)]
        made = getattr(self.builder, rule)(extent, *parts)
        depth = max((self.depths.pop(id(one), 0) for one in children), default=0)
        if rule not in FLAT:
            depth += 1
            if depth == DEEPEST + 1 and self.builder is not None:
                span = Span(self.builder.source, *extent)
                found = f"over {DEEPEST} levels"
                self.problems.add(TooLong(span, "this expression", found, f"{DEEPEST}"))
        self.depths[id(made)] = depth
        return made


def _start(child: Any) -> int:
    return child.start if isinstance(child, Token | Group) else child.span.start


def _end(child: Any) -> int:
    return child.end if isinstance(child, Token | Group) else child.span.end


NODES = Nodes()
