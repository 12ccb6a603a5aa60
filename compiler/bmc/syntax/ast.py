"""The tree as written: one frozen dataclass for each form of the grammar.

Nothing is resolved here. Every node carries the span it was written at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bmc.source import Source, Span


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all forms."""

    span: Span = field(compare=False, repr=False)


# --- expressions ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name(Node):
    """`width`"""

    id: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`64`, `1e-3`, `1_000` is not one. An int stays an int; `80%` is the float 0.8."""

    value: int | float
    text: str


@dataclass(frozen=True, slots=True)
class Measure(Node):
    """`25 ms`, `2000 steps`, `5%`: a number with its unit (`ms s Hz kHz steps epochs %`)."""

    value: int | float
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class String(Node):
    """`"data/digits.npz"`, with its escapes decoded."""

    value: str


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class TupleExpr(Node):
    """`(a, b)`"""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ListExpr(Node):
    """`[a, b]`"""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Paren(Node):
    """`(a -> f)`: one expression in parentheses."""

    inner: Expr


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """`embed.weight`"""

    base: Expr
    name: str
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """`a..b` inside an index; either end may be missing. `..` alone stands for any leading axes."""

    lower: Expr | None
    upper: Expr | None


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`x[0]`, `x[.., a..b]`"""

    base: Expr
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`64` or `kernel=3` inside a call."""

    name: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`conv(64, kernel=3)`"""

    function: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic, comparison, `and`, `or`, and the range `a..b` (operator `..`)."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if c then a else b`"""

    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Target(Node):
    """One stop of an arrow: a layer, a list that fans out, a chain in parentheses; `* n` repeats it."""

    layer: Expr
    count: Expr | None


@dataclass(frozen=True, slots=True)
class Flow(Node):
    """`x -> f -> g`. A chain of layers with no data (`layer f = dense(4) -> relu`) is a Flow too."""

    head: Expr
    targets: tuple[Target, ...]


Expr = (
    Name | Number | Measure | String | Bool | TupleExpr | ListExpr | Paren | Attribute
    | Slice | Index | Call | Unary | Binary | If | Flow
)  # fmt: skip


# --- types ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnyLeading(Node):
    """`..` in a type: any leading axes."""


@dataclass(frozen=True, slots=True)
class Dim(Node):
    """`C`, `28`, or `T <= 1024` (then `limit` is the 1024)."""

    size: Expr
    limit: Expr | None


@dataclass(frozen=True, slots=True)
class DimSetting(Node):
    """`pad=0` in a type."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Type(Node):
    """`float[C, H, W]`"""

    kind: str
    dims: tuple[AnyLeading | Dim | DimSetting, ...]


# --- statements -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place(Node):
    """The left side of an assignment: `x` or the family member `skip[i]`."""

    name: str
    index: Expr | None


@dataclass(frozen=True, slots=True)
class Input(Node):
    """`input image: float[3, 224, 224]`"""

    name: str
    type: Type
    doc: str | None


@dataclass(frozen=True, slots=True)
class State(Node):
    """`state h: float[hidden] = zeros`"""

    name: str
    type: Type
    value: Expr
    doc: str | None


@dataclass(frozen=True, slots=True)
class ParamTensor(Node):
    """`param class_token: float[1, dim] = normal(0.02)`"""

    name: str
    type: Type
    value: Expr
    doc: str | None


@dataclass(frozen=True, slots=True)
class Layer(Node):
    """`layer embed = embedding(vocab, dim)`"""

    place: Place
    value: Expr
    doc: str | None


@dataclass(frozen=True, slots=True)
class Output(Node):
    """`output logits = x -> dense(10)`"""

    name: str
    value: Expr
    doc: str | None


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for width, depth in [[16, 1], [24, 2]] { … }`"""

    names: tuple[str, ...]
    iterable: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Update(Node):
    """`update Discriminator { … }`"""

    model: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Assert(Node):
    """`assert parameters <= 100M`"""

    condition: Expr


@dataclass(frozen=True, slots=True)
class AssertType(Node):
    """`assert logits: float[10]`"""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`x, skip[i] = …`, `digit: int[] = "y"`, `epochs = 10`."""

    targets: tuple[Place, ...]
    type: Type | None
    value: Expr
    doc: str | None


@dataclass(frozen=True, slots=True)
class Keyed(Node):
    """`optimizer head = adamw(lr=1e-3)`: a key, its subject (a dotted, maybe indexed name), a value."""

    key: str
    subject: Expr
    value: Expr


Statement = (
    Input | State | ParamTensor | Layer | Output | For | Update | Assert | AssertType
    | Assign | Keyed
)  # fmt: skip


# --- the file ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Import(Node):
    """`import { Encoder } from "blocks/transformer.bm"`"""

    names: tuple[Name, ...]
    path: String


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let width = 64`"""

    name: str
    value: Expr
    doc: str | None


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """One setting of a block or model, with its default if it has one."""

    name: str
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Block(Node):
    """`block Name(settings) { … }` or, with kind `model`, `model Name(settings) { … }`."""

    kind: str
    name: str
    name_span: Span = field(compare=False, repr=False)
    settings: tuple[Setting, ...]
    body: tuple[Statement, ...]
    doc: str | None


@dataclass(frozen=True, slots=True)
class Section(Node):
    """`data { … }`, `train { … }`, `predict { … }`"""

    kind: str
    body: tuple[Statement, ...]
    doc: str | None


Item = Import | Let | Block | Section


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """`# …` or `## …`, with its marks, kept for the formatter."""

    text: str


@dataclass(frozen=True, slots=True)
class File(Node):
    """One parsed `.bm` file."""

    source: Source = field(compare=False, repr=False)
    items: tuple[Item, ...]
    doc: str | None
    comments: tuple[Comment, ...] = field(default=(), compare=False)
