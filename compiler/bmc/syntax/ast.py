"""The tree as written: one frozen dataclass for each form of the grammar.

Nothing is resolved here. Every node carries the span it was written at.
"""

from __future__ import annotations

from bmc.records import field, record
from bmc.source import Source, Span


@record
class Node:
    """Base of all forms."""

    span: Span = field(compare=False, repr=False)


# --- expressions ------------------------------------------------------------------------


@record
class Name(Node):
    """`width`"""

    id: str


@record
class Number(Node):
    """`64`, `1e-3`, `1_000` is not one. An int stays an int; `80%` is the float 0.8."""

    value: int | float
    text: str


@record
class Measure(Node):
    """`25 ms`, `2000 steps`, `5%`: a number with its unit (`ms s Hz kHz steps epochs %`)."""

    value: int | float
    unit: str
    text: str


@record
class String(Node):
    """`"data/digits.npz"`, with its escapes decoded."""

    value: str


@record
class Bool(Node):
    """`true` or `false`."""

    value: bool


@record
class TupleExpr(Node):
    """`(a, b)`"""

    items: tuple[Expr, ...]


@record
class ListExpr(Node):
    """`[a, b]`"""

    items: tuple[Expr, ...]


@record
class Paren(Node):
    """`(a -> f)`: one expression in parentheses."""

    inner: Expr


@record
class Attribute(Node):
    """`embed.weight`"""

    base: Expr
    name: str
    name_span: Span = field(compare=False, repr=False)


@record
class Slice(Node):
    """`a..b` inside an index; either end may be missing. `..` alone stands for any leading axes."""

    lower: Expr | None
    upper: Expr | None


@record
class Index(Node):
    """`x[0]`, `x[.., a..b]`"""

    base: Expr
    items: tuple[Expr, ...]


@record
class Argument(Node):
    """`64` or `kernel=3` inside a call."""

    name: str | None
    value: Expr


@record
class Call(Node):
    """`conv(64, kernel=3)`"""

    function: Expr
    arguments: tuple[Argument, ...]


@record
class Unary(Node):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


@record
class Binary(Node):
    """Arithmetic, comparison, `and`, `or`, and the range `a..b` (operator `..`)."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span = field(compare=False, repr=False)


@record
class If(Node):
    """`if c then a else b`"""

    condition: Expr
    then: Expr
    otherwise: Expr


@record
class Target(Node):
    """One stop of an arrow: a layer, a list that fans out, a chain in parentheses; `* n` repeats it."""

    layer: Expr
    count: Expr | None


@record
class Flow(Node):
    """`x -> f -> g`. A chain of layers with no data (`layer f = dense(4) -> relu`) is a Flow too."""

    head: Expr
    targets: tuple[Target, ...]


Expr = (
    Name | Number | Measure | String | Bool | TupleExpr | ListExpr | Paren | Attribute
    | Slice | Index | Call | Unary | Binary | If | Flow
)  # fmt: skip


# --- types ------------------------------------------------------------------------------


@record
class AnyLeading(Node):
    """`..` in a type: any leading axes."""


@record
class Dim(Node):
    """`C`, `28`, or `T <= 1024` (then `limit` is the 1024)."""

    size: Expr
    limit: Expr | None


@record
class DimSetting(Node):
    """`pad=0` in a type."""

    name: str
    value: Expr


@record
class Type(Node):
    """`float[C, H, W]`"""

    kind: str
    dims: tuple[AnyLeading | Dim | DimSetting, ...]


# --- statements -------------------------------------------------------------------------


@record
class Place(Node):
    """The left side of an assignment: `x` or the family member `skip[i]`."""

    name: str
    index: Expr | None


@record
class Input(Node):
    """`input image: float[3, 224, 224]`"""

    name: str
    type: Type
    doc: str | None


@record
class State(Node):
    """`state h: float[hidden] = zeros`"""

    name: str
    type: Type
    value: Expr
    doc: str | None


@record
class ParamTensor(Node):
    """`param class_token: float[1, dim] = normal(0.02)`"""

    name: str
    type: Type
    value: Expr
    doc: str | None


@record
class Layer(Node):
    """`layer embed = embedding(vocab, dim)`"""

    place: Place
    value: Expr
    doc: str | None


@record
class Output(Node):
    """`output logits = x -> dense(10)`, `output y, weights = …`."""

    name: str
    value: Expr
    doc: str | None
    others: tuple[str, ...] = ()  # the names after the first

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return (self.name, *self.others)


@record
class For(Node):
    """`for width, depth in [[16, 1], [24, 2]] { … }`"""

    names: tuple[str, ...]
    iterable: Expr
    body: tuple[Statement, ...]


@record
class Update(Node):
    """`update Discriminator { … }`"""

    model: str
    body: tuple[Statement, ...]


@record
class Assert(Node):
    """`assert parameters <= 100M`"""

    condition: Expr


@record
class AssertType(Node):
    """`assert logits: float[10]`"""

    name: str
    type: Type


@record
class Assign(Node):
    """`x, skip[i] = …`, `digit: int[] = "y"`, `epochs = 10`."""

    targets: tuple[Place, ...]
    type: Type | None
    value: Expr
    doc: str | None


@record
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


@record
class Import(Node):
    """`import { Encoder } from "blocks/transformer.bm"`"""

    names: tuple[Name, ...]
    path: String


@record
class Let(Node):
    """`let width = 64`"""

    name: str
    value: Expr
    doc: str | None


@record
class Setting(Node):
    """One setting of a block or model, with its default if it has one."""

    name: str
    default: Expr | None


@record
class Block(Node):
    """`block Name(settings) { … }` or, with kind `model`, `model Name(settings) { … }`."""

    kind: str
    name: str
    name_span: Span = field(compare=False, repr=False)
    settings: tuple[Setting, ...]
    body: tuple[Statement, ...]
    doc: str | None


@record
class Section(Node):
    """`data { … }`, `train { … }`, `predict { … }`"""

    kind: str
    body: tuple[Statement, ...]
    doc: str | None


Item = Import | Let | Block | Section


@record
class Comment(Node):
    """`# …` or `## …`, with its marks, kept for the formatter."""

    text: str


@record
class File(Node):
    """One parsed `.bm` file."""

    source: Source = field(compare=False, repr=False)
    items: tuple[Item, ...]
    doc: str | None
    comments: tuple[Comment, ...] = field(default=(), compare=False)


def left_spine(expr: Expr) -> tuple[Expr, list[Binary]]:
    """The first operand of a chain of signs, and the operations from the left to the right.

    Long sums are left-deep; this walks them in a loop, where recursion would not reach the end.
    """
    steps: list[Binary] = []
    while isinstance(expr, Binary):
        steps.append(expr)
        expr = expr.left
    return expr, steps[::-1]
