"""Numbers that remember how they were computed, and dimensions that are not known yet.

`Num` and `Real` are ordinary `int` and `float` values that also carry an `Expression` over the
settings and input dimensions of the block they live in. Shape rules use plain arithmetic; the
result knows that it was `4 * width`, so that a backend can print the author's words.

`Sym` is a dimension with no value while compiling (`T`): an integer polynomial in normal form
over named symbols, with floor division and remainder kept as opaque atoms. Two are equal when
their normal forms are.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from bmc.records import record

MOST_LEAVES = 32
PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 4}
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


ASKED: Mapping[str, Callable[..., Any]] = {
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "abs": abs,
    "sqrt": math.sqrt,
    "log": math.log,
    "exp": math.exp,
    "min": min,
    "max": max,
}


class Expression:
    """How a number was computed: `Const`, `Var`, `BinOp` or `Asked`."""

    __slots__ = ()

    @property
    def leaves(self) -> int:
        """The number of literals and names in it."""
        return 1

    def names(self) -> frozenset[str]:
        """The settings and dimensions that the expression uses."""
        raise NotImplementedError

    def substitute(self, environment: Mapping[str, Expression]) -> Expression:
        """The expression with names replaced."""
        raise NotImplementedError


@record
class Const(Expression):
    """A literal."""

    value: int | float

    def names(self) -> frozenset[str]:
        """No name."""
        return frozenset()

    def substitute(self, environment: Mapping[str, Expression]) -> Expression:
        """Itself."""
        return self

    def __str__(self) -> str:
        return repr(self.value)


@record
class Var(Expression):
    """A setting, a dimension or a loop variable of the enclosing block."""

    name: str

    def names(self) -> frozenset[str]:
        """Its own name."""
        return frozenset((self.name,))

    def substitute(self, environment: Mapping[str, Expression]) -> Expression:
        """What the environment has for the name, else itself."""
        return environment.get(self.name, self)

    def __str__(self) -> str:
        return self.name


@record
class BinOp(Expression):
    """An arithmetic operation on two expressions."""

    operator: str
    left: Expression
    right: Expression

    @property
    def leaves(self) -> int:
        """The number of literals and names in it, counted once."""
        found: int | None = self.__dict__.get("_leaves")
        if found is None:
            found = self.__dict__["_leaves"] = self.left.leaves + self.right.leaves
        return found

    def names(self) -> frozenset[str]:
        """The names of both sides."""
        return self.left.names() | self.right.names()

    def substitute(self, environment: Mapping[str, Expression]) -> Expression:
        """The operation on both sides' substitutes, folded where both are literals."""
        left = self.left.substitute(environment)
        right = self.right.substitute(environment)
        return combine(self.operator, left, right)

    def __str__(self) -> str:
        level = PRECEDENCE[self.operator]
        left, right = str(self.left), str(self.right)
        if isinstance(self.left, BinOp) and PRECEDENCE[self.left.operator] < level:
            left = f"({left})"
        if isinstance(self.right, BinOp) and PRECEDENCE[self.right.operator] <= level:
            right = f"({right})"
        return f"{left} {self.operator} {right}"


@record
class Asked(Expression):
    """A function of numbers."""

    function: str
    arguments: tuple[Expression, ...]

    @property
    def leaves(self) -> int:
        """The number of literals and names in it."""
        return sum(argument.leaves for argument in self.arguments)

    def names(self) -> frozenset[str]:
        """The names of all arguments."""
        return frozenset().union(*(argument.names() for argument in self.arguments))

    def substitute(self, environment: Mapping[str, Expression]) -> Expression:
        """The function of the arguments' substitutes, worked out where all are literals."""
        given = [argument.substitute(environment) for argument in self.arguments]
        if all(isinstance(one, Const) for one in given):
            return Const(ASKED[self.function](*(one.value for one in given)))  # type: ignore[attr-defined]
        return Asked(self.function, tuple(given))

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


def combine(symbol: str, left: Expression, right: Expression, whole: bool = True) -> Expression:
    """`left symbol right`, with literals folded and neutral elements dropped.

    Whole numbers are simplified; others would be rounded elsewhere.
    """
    if isinstance(left, Const) and isinstance(right, Const):
        if symbol == "/":  # the author's `1 / 255` says more than its value
            return BinOp(symbol, left, right)
        return Const(OPERATORS[symbol](left.value, right.value))
    zero, one = Const(0), Const(1)
    if symbol == "+" and left == zero:
        return right
    if symbol in "+-" and right == zero:
        return left
    if symbol == "*" and left in (zero, one):
        return right if left == one else zero
    if symbol in ("*", "//", "**") and right == one:
        return left
    if symbol == "//" and whole:
        return _divided(left, right)
    if symbol in ("+", "-"):
        together = _collected(symbol, left, right) if whole else None
        return together or _summed(symbol, left, right)
    return BinOp(symbol, left, right)


def _divided(left: Expression, right: Expression) -> Expression:
    """`(4 * a) // 2` is `2 * a`, and `(a * b) // b` is `a`."""
    if isinstance(right, Const) and right.value:
        factor, rest = _term(left)
        if rest is not None and factor % right.value == 0:
            return combine("*", Const(factor // right.value), rest)
    if isinstance(left, BinOp) and left.operator == "*" and right in (left.left, left.right):
        return left.left if left.right == right else left.right
    return BinOp("//", left, right)


def _summed(symbol: str, left: Expression, right: Expression) -> Expression:
    """A sum or difference; what is negative is taken away."""
    negated = isinstance(right, BinOp) and right.operator == "-" and right.left == Const(0)
    if symbol == "+" and negated:
        return BinOp("-", left, right.right)  # type: ignore[attr-defined]
    if symbol == "+" and isinstance(right, Const) and right.value < 0:
        return BinOp("-", left, Const(-right.value))
    return BinOp(symbol, left, right)


def _term(value: Expression) -> tuple[int, Expression | None]:
    """A whole number and what it multiplies; None for a number alone."""
    if isinstance(value, Const) and isinstance(value.value, int):
        return value.value, None
    if isinstance(value, BinOp) and value.operator == "*":
        for number, rest in ((value.left, value.right), (value.right, value.left)):
            if isinstance(number, Const) and isinstance(number.value, int):
                return number.value, rest
    return 1, value


def _terms(value: Expression, sign: int = 1) -> list[tuple[int, Expression | None]]:
    """What a sum adds up."""
    if isinstance(value, BinOp) and value.operator in ("+", "-"):
        other = sign if value.operator == "+" else -sign
        return _terms(value.left, sign) + _terms(value.right, other)
    factor, rest = _term(value)
    return [(sign * factor, rest)]


def _collected(symbol: str, left: Expression, right: Expression) -> Expression | None:
    """A sum whose sides have terms in common, each once: `64 + a + a` is `64 + 2 * a`."""
    if left.leaves + right.leaves > MOST_LEAVES:  # nobody prints that
        return None
    mine, theirs = _terms(left), _terms(right, 1 if symbol == "+" else -1)
    if not {rest for _, rest in mine} & {rest for _, rest in theirs}:
        return None
    found: dict[Expression | None, int] = {}
    for factor, rest in (*mine, *theirs):
        found[rest] = found.get(rest, 0) + factor
    terms = sorted(((f, r) for r, f in found.items() if f), key=lambda term: term[0] < 0)
    made: Expression | None = None
    for factor, rest in terms:
        size = Const(abs(factor))
        one = size if rest is None else rest if abs(factor) == 1 else BinOp("*", size, rest)
        if made is None:
            made = one if factor > 0 else BinOp("-", Const(0), one)
        else:
            made = BinOp("+" if factor > 0 else "-", made, one)
    return made or Const(0)


def expression_of(value: object) -> Expression:
    """How a number was computed; a plain number is a literal."""
    if isinstance(value, Num | Real):
        return value.expression
    if isinstance(value, Sym):
        return value.expression()
    assert isinstance(value, int | float)
    return Const(value)


def expression_names(value: object) -> frozenset[str]:
    """The settings and dimensions that a number, or the numbers of a list, came from."""
    if isinstance(value, tuple):
        return frozenset().union(*map(expression_names, value))
    return value.expression.names() if isinstance(value, Num | Real) else frozenset()


def _traced(symbol: str, swap: bool) -> Callable[[Any, Any], Any]:
    function = OPERATORS[symbol]

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float) or isinstance(other, bool):
            return NotImplemented
        plain = float if isinstance(self, float) else int
        mine: int | float = plain(self)
        theirs: int | float = float(other) if isinstance(other, float) else int(other)
        a, b = (theirs, mine) if swap else (mine, theirs)
        left, right = expression_of(self), expression_of(other)
        if swap:
            left, right = right, left
        made = function(a, b)
        return traced(made, combine(symbol, left, right, not isinstance(made, float)))

    return method


class _Traced:
    """Arithmetic that computes expressions along with numbers."""

    def __neg__(self) -> Any:
        return 0 - self

    def __round__(self, digits: int | None = None) -> Any:
        return asked("round", self) if digits is None else round(plain(self), digits)  # type: ignore[arg-type]

    def __floor__(self) -> Any:
        return asked("floor", self)

    def __ceil__(self) -> Any:
        return asked("ceil", self)

    def __abs__(self) -> Any:
        return asked("abs", self)

    __add__, __radd__ = _traced("+", False), _traced("+", True)
    __sub__, __rsub__ = _traced("-", False), _traced("-", True)
    __mul__, __rmul__ = _traced("*", False), _traced("*", True)
    __truediv__, __rtruediv__ = _traced("/", False), _traced("/", True)
    __floordiv__, __rfloordiv__ = _traced("//", False), _traced("//", True)
    __mod__, __rmod__ = _traced("%", False), _traced("%", True)
    __pow__ = _traced("**", False)
    __rpow__ = _traced("**", True)


class Num(_Traced, int):  # type: ignore[misc]
    """An `int` that knows its expression."""

    expression: Expression

    def __new__(cls, value: int, expression: Expression | None = None) -> Num:
        """A number with the given expression, or a literal."""
        number = super().__new__(cls, value)
        number.expression = _remembered(expression, int(value))
        return number


class Real(_Traced, float):  # type: ignore[misc]
    """A `float` that knows its expression."""

    expression: Expression

    def __new__(cls, value: float, expression: Expression | None = None) -> Real:
        """A number with the given expression, or a literal."""
        number = super().__new__(cls, value)
        number.expression = _remembered(expression, float(value))
        return number


def _remembered(expression: Expression | None, value: int | float) -> Expression:
    """How a number came about; its literal where nobody knows, or where it is too long to print."""
    if isinstance(expression, Const | None) or expression.leaves > MOST_LEAVES:
        return Const(value)
    return expression


def traced(value: int | float, expression: Expression) -> Num | Real:
    """A `Num` or `Real`, by the value's type."""
    if isinstance(value, float):
        return Real(value, expression)
    return Num(value, expression)


def asked(function: str, *numbers: Any) -> Num | Real:
    """A function of numbers that remembers what it was asked of."""
    made = ASKED[function](*map(plain, numbers))
    if isinstance(numbers[0], int) and len(numbers) == 1 and function in ("round", "floor", "ceil"):
        return traced(made, expression_of(numbers[0]))
    given = tuple(map(expression_of, numbers))
    return traced(
        made, Asked(function, given) if any(one.names() for one in given) else Const(made)
    )


def plain(value: int | float) -> int | float:
    """The number without its history."""
    return float(value) if isinstance(value, float) else int(value)


# --- dimensions not known while compiling -------------------------------------------------

Atom = tuple[str, ...] | tuple[str, "Sym", int]  # ("T",) or ("//", Sym, 2) or ("%", Sym, 2)
Monomial = tuple[Atom, ...]
MOST_TERMS = 100
MOST_FACTORS = 16
DEEPEST = 8  # divisions inside divisions that do not become one
LARGEST = 2**62


class Sym:
    """An integer polynomial over free dimensions, in normal form."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms: dict[Monomial, int] = {m: c for m, c in sorted(terms.items(), key=repr) if c}
        if len(self.terms) > MOST_TERMS or any(len(m) > MOST_FACTORS for m in self.terms):
            raise ArithmeticError(f"the size has over {MOST_TERMS} terms or {MOST_FACTORS} factors")

    @staticmethod
    def named(name: str) -> Sym:
        """The free dimension `name`."""
        return Sym({((name,),): 1})

    @staticmethod
    def lift(value: Dim) -> Sym:
        """A dimension as a polynomial."""
        return value if isinstance(value, Sym) else Sym({(): int(value)})

    def simplify(self) -> Dim:
        """An int when there is no symbol left."""
        if not self.terms:
            return 0
        if set(self.terms) == {()}:
            return self.terms[()]
        return self

    @property
    def name(self) -> str | None:
        """The symbol's name when the polynomial is just that symbol."""
        if len(self.terms) == 1:
            ((monomial, factor),) = self.terms.items()
            if factor == 1 and len(monomial) == 1 and len(monomial[0]) == 1:
                return str(monomial[0][0])
        return None

    def symbols(self) -> frozenset[str]:
        """The free dimensions that occur."""
        found: set[str] = set()
        for monomial in self.terms:
            for atom in monomial:
                if len(atom) == 1:
                    found.add(str(atom[0]))
                else:
                    assert isinstance(atom[1], Sym)
                    found |= atom[1].symbols()
        return frozenset(found)

    def __add__(self, other: Dim) -> Dim:
        total = dict(self.terms)
        for monomial, factor in Sym.lift(other).terms.items():
            total[monomial] = total.get(monomial, 0) + factor
        return Sym(total).simplify()

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return Sym({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Dim) -> Dim:
        return self + (-other)

    def __rsub__(self, other: Dim) -> Dim:
        return -self + other

    def __mul__(self, other: Dim) -> Dim:
        total: dict[Monomial, int] = {}
        for mine, a in self.terms.items():
            for theirs, b in Sym.lift(other).terms.items():
                key = tuple(sorted(mine + theirs, key=repr))
                total[key] = total.get(key, 0) + a * b
        return Sym(total).simplify()

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        if isinstance(other, Sym):
            quotient = self._exact(other)
            if quotient is None:
                raise ArithmeticError("a free dimension can be divided only by a known number")
            return quotient
        divisor = int(other)
        if divisor == 1:
            return self
        whole = Sym({m: c // divisor for m, c in self.terms.items() if c % divisor == 0})
        rest = Sym({m: c for m, c in self.terms.items() if c % divisor})
        simple = rest.simplify()
        if isinstance(simple, int):
            return whole.simplify() + simple // divisor
        constant = simple.terms.get((), 0)
        nested = simple._nested()
        if nested is not None:  # (n // 2 + 3) // 4 is (n + 6) // 8
            dividend, before = nested
            return whole.simplify() + (dividend + constant * before) // (before * divisor)
        inner = Sym({**{m: c for m, c in simple.terms.items() if m}, (): constant % divisor})
        carry = constant // divisor
        return whole.simplify() + Sym({(_atom("//", inner, divisor),): 1}) + carry

    def _nested(self) -> tuple[Sym, int] | None:
        """`n` and `d` of a polynomial `n // d + c`."""
        terms = [(m, c) for m, c in self.terms.items() if m]
        if len(terms) != 1 or terms[0][1] != 1 or len(terms[0][0]) != 1:
            return None
        atom = terms[0][0][0]
        if len(atom) != 3 or atom[0] != "//":
            return None
        _, inner, divisor = atom
        assert isinstance(inner, Sym) and isinstance(divisor, int)
        return inner, divisor

    def __mod__(self, other: Dim) -> Dim:
        divisor = int(other)  # type: ignore[arg-type]
        rest = Sym({m: c % divisor for m, c in self.terms.items()}).simplify()
        if isinstance(rest, int):
            return rest % divisor
        return Sym({(_atom("%", rest, divisor),): 1})

    def _exact(self, other: Sym) -> Dim | None:
        """The quotient by one monomial when it divides every term."""
        if len(other.terms) != 1:
            return 1 if self == other else None
        ((divisor, factor),) = other.terms.items()
        total: dict[Monomial, int] = {}
        for monomial, c in self.terms.items():
            left = list(monomial)
            for atom in divisor:
                if atom not in left:
                    return None
                left.remove(atom)
            if c % factor:
                return None
            total[tuple(left)] = c // factor
        return Sym(total).simplify()

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The number for given free dimensions."""
        total = 0
        for monomial, factor in self.terms.items():
            product = factor
            for atom in monomial:
                if len(atom) == 1:
                    product *= values[str(atom[0])]
                else:
                    kind, inner, divisor = atom
                    assert isinstance(inner, Sym) and isinstance(divisor, int)
                    value = inner.evaluate(values)
                    product *= value // divisor if kind == "//" else value % divisor
            total += product
        return total

    def expression(self) -> Expression:
        """The polynomial as an expression over its symbols."""
        total: Expression = Const(0)
        constant_last = sorted(self.terms.items(), key=lambda item: item[0] == ())
        for monomial, factor in constant_last:
            term: Expression = Const(abs(factor))
            for atom in monomial:
                part: Expression
                if len(atom) == 1:
                    part = Var(str(atom[0]))
                else:
                    kind, inner, divisor = atom
                    assert isinstance(inner, Sym) and isinstance(divisor, int)
                    part = BinOp(str(kind), inner.expression(), Const(divisor))
                term = combine("*", term, part)
            total = combine("+" if factor > 0 else "-", total, term)
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sym) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(tuple(self.terms.items()))

    def __repr__(self) -> str:
        return str(self.expression())


def _atom(symbol: str, inner: Sym, divisor: int) -> Atom:
    """A division that stays one, checked to be within bounds."""
    if divisor > LARGEST or _depth(inner) >= DEEPEST:
        raise ArithmeticError("a free dimension is divided too often to be kept track of")
    return (symbol, inner, divisor)


def _depth(value: Sym) -> int:
    """Levels of divisions inside divisions."""
    inner = [part for monomial in value.terms for atom in monomial for part in atom]
    return 1 + max((_depth(part) for part in inner if isinstance(part, Sym)), default=0)


Dim = int | Sym


def known(dim: Dim) -> bool:
    """Whether a dimension has a value while compiling."""
    return isinstance(dim, int)


def plainer(a: Dim, b: Dim) -> Dim:
    """Of two equal sizes the one that takes fewer words to say."""
    return b if expression_of(b).leaves < expression_of(a).leaves else a


def alike(a: Dim, b: Dim) -> bool:
    """Whether two sizes are equal and were computed in the same way."""
    return a == b and expression_of(a) == expression_of(b)


def product(dims: tuple[Dim, ...] | list[Dim]) -> Dim:
    """The product of dimensions; 1 for none."""
    total: Dim | None = None
    for dim in dims:
        total = dim if total is None else total * dim
    return 1 if total is None else total


def literal(value: Any) -> Any:
    """A value with the history of its numbers dropped."""
    if isinstance(value, tuple):
        return tuple(literal(item) for item in value)
    if isinstance(value, Num):
        return Num(int(value), Const(int(value)))
    if isinstance(value, Real):
        return Real(float(value), Const(float(value)))
    return value
