"""Prints program trees the way `ruff format` would.

A call or a literal that does not fit on its line gets its contents on one indented line, and
where these do not fit either, one item a line with a trailing comma. Other expressions get
parentheses and break before their operators. The tests hold it against `ruff format` itself.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence

from bmc.emit import pyexpr as p
from bmc.emit.text import clean, docstring, string

BINARY = {
    "or": 1, "and": 2, "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9,
    "*": 10, "/": 10, "//": 10, "%": 10, "@": 10, "**": 12,
}  # fmt: skip
COMPARE, NOT, UNARY, POSTFIX, TERNARY = 4, 3, 11, 14, 0
STEP = 4


class Printer:
    """Prints for one environment and one width."""

    def __init__(self, env: Mapping[str, str], width: int) -> None:
        self.env = env
        self.width = width

    # --- expressions on one line ----------------------------------------------------------

    def flat(self, node: p.Expr) -> str:
        """An expression on one line."""
        return self._flat(node)[0]

    def _flat(self, node: p.Expr) -> tuple[str, int]:
        """The text and how tightly it binds."""
        return EXPRESSIONS[type(node)](self, node)

    def _wrap(self, node: p.Expr, level: int) -> str:
        text, binds = self._flat(node)
        return text if binds >= level else f"({text})"

    def _name(self, node: p.Name) -> tuple[str, int]:
        return node.id, POSTFIX

    def _var(self, node: p.Var) -> tuple[str, int]:
        return self.env.get(node.name, node.name), POSTFIX

    def _attr(self, node: p.Attr) -> tuple[str, int]:
        base = self._wrap(node.base, POSTFIX)
        if isinstance(node.base, p.Lit) and isinstance(node.base.value, int):
            base = f"({base})"
        return f"{base}.{node.name}", POSTFIX

    def _lit(self, node: p.Lit) -> tuple[str, int]:
        value = node.value
        if value is ...:
            return "...", POSTFIX
        if isinstance(value, str):
            return string(value), POSTFIX
        if isinstance(value, float) and not math.isfinite(value):
            text = 'float("nan")' if math.isnan(value) else 'float("inf")'
            return text if not value < 0 else 'float("-inf")', POSTFIX
        # 1e-05 and 1e+16 are written 1e-5 and 1e16
        text = (
            re.sub(r"e(-?)\+?0*", r"e\1", repr(value)) if isinstance(value, float) else repr(value)
        )
        return text, UNARY if isinstance(value, int | float) and value < 0 else POSTFIX

    def _bin(self, node: p.Bin) -> tuple[str, int]:
        level = BINARY[node.op]
        if node.op == "**":
            left, right = self._wrap(node.left, level + 1), self._wrap(node.right, UNARY)
            simple = all(_simple_power(side) for side in (node.left, node.right))
            return (f"{left}**{right}" if simple else f"{left} ** {right}"), level
        left, right = self._wrap(node.left, level), self._wrap(node.right, level + 1)
        return f"{left} {node.op} {right}", level

    def _un(self, node: p.Un) -> tuple[str, int]:
        if node.op == "not":
            return f"not {self._wrap(node.operand, NOT)}", NOT
        return f"{node.op}{self._wrap(node.operand, UNARY)}", UNARY

    def _compare(self, node: p.Compare) -> tuple[str, int]:
        sides = self._wrap(node.left, COMPARE + 1), self._wrap(node.right, COMPARE + 1)
        return f"{sides[0]} {node.op} {sides[1]}", COMPARE

    def _call(self, node: p.Call) -> tuple[str, int]:
        return f"{self._wrap(node.fn, POSTFIX)}({', '.join(self._arguments(node))})", POSTFIX

    def _arguments(self, node: p.Call) -> list[str]:
        return [
            *(self.flat(arg) for arg in node.args),
            *(f"{key}={self.flat(value)}" for key, value in node.kwargs),
        ]

    def _index(self, node: p.Index) -> tuple[str, int]:
        items = ", ".join(self.flat(item) for item in node.items)
        if len(node.items) == 1 and isinstance(node.items[0], p.TupleExpr):
            items = items[1:-1] if len(node.items[0].items) > 1 else items
        return f"{self._wrap(node.base, POSTFIX)}[{items}]", POSTFIX

    def _sliceexpr(self, node: p.SliceExpr) -> tuple[str, int]:
        ends = [node.lower, node.upper]
        parts = ["" if end is None else self.flat(end) for end in ends]
        complex_end = any(end is not None and not _simple_end(end) for end in ends)
        colon = " : " if complex_end else ":"
        text = f"{parts[0]}{colon}{parts[1]}".strip()
        if node.step is not None:
            text += f"{colon}{self.flat(node.step)}"
        return text, TERNARY

    def _tupleexpr(self, node: p.TupleExpr) -> tuple[str, int]:
        items = [self.flat(item) for item in node.items]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})", POSTFIX

    def _listexpr(self, node: p.ListExpr) -> tuple[str, int]:
        return f"[{', '.join(self.flat(item) for item in node.items)}]", POSTFIX

    def _dictexpr(self, node: p.DictExpr) -> tuple[str, int]:
        items = (f"{self.flat(key)}: {self.flat(value)}" for key, value in node.items)
        return "{" + ", ".join(items) + "}", POSTFIX

    def _ifexp(self, node: p.IfExp) -> tuple[str, int]:
        parts = (self._wrap(part, TERNARY + 1) for part in (node.a, node.test))
        return f"{' if '.join(parts)} else {self.flat(node.b)}", TERNARY

    def _listcomp(self, node: p.ListComp) -> tuple[str, int]:
        return f"[{self._comprehension(node)}]", POSTFIX

    def _generatorexp(self, node: p.GeneratorExp) -> tuple[str, int]:
        return self._comprehension(node), POSTFIX

    def _comprehension(self, node: p.ListComp | p.GeneratorExp) -> str:
        source = f"{self.target(node.target)} in {self.flat(node.iterable)}"
        tests = "".join(f" if {self.flat(test)}" for test in getattr(node, "conditions", ()))
        return f"{self.flat(node.element)} for {source}{tests}"

    def _starred(self, node: p.Starred) -> tuple[str, int]:
        text = self._wrap(node.value, UNARY)
        if isinstance(node.value, p.GeneratorExp):
            text = f"({text})"
        return f"*{text}", POSTFIX

    def _fstring(self, node: p.FString) -> tuple[str, int]:
        inner = (f"{{{part.id}}}" if isinstance(part, p.Name) else part for part in node.parts)
        return 'f"' + "".join(inner) + '"', POSTFIX

    def _lambda(self, node: p.Lambda) -> tuple[str, int]:
        head = f"lambda {', '.join(node.params)}" if node.params else "lambda"
        return f"{head}: {self.flat(node.body)}", TERNARY

    def target(self, node: p.Expr | tuple[p.Expr, ...]) -> str:
        """What is assigned to; a tuple goes without parentheses."""
        if isinstance(node, p.TupleExpr):
            node = node.items
        if isinstance(node, tuple):
            text = ", ".join(self.flat(item) for item in node)
            return text + "," if len(node) == 1 else text
        return self.flat(node)

    # --- expressions on several lines -------------------------------------------------------

    def value(
        self, node: p.Expr, prefix: str, suffix: str, indent: int, bare: bool = True
    ) -> list[str]:
        """An expression after `prefix` and before `suffix`, at an indentation.

        `bare` says that nothing around it has brackets yet, so breaking needs parentheses.
        """
        pad = " " * indent
        one = f"{pad}{prefix}{self.flat(node)}{suffix}"
        if len(one) <= self.width:
            return [one]
        links = self._links(node)
        if len(links) > 2:
            return self._fluent(node, links, prefix, suffix, indent, bare)
        bracketed = self._bracketed(node, prefix, suffix, indent)
        if bracketed is not None:
            return bracketed
        if not bare:
            return self._operands(node, prefix, suffix, indent)
        if isinstance(node, p.Attr | p.Name | p.Lit):
            return [one]
        inner = " " * (indent + STEP) + self.flat(node)
        if len(inner) <= self.width:
            return [f"{pad}{prefix}(", inner, f"{pad}){suffix}"]
        lines = self._operands(node, "", "", indent + STEP)
        return [f"{pad}{prefix}(", *lines, f"{pad}){suffix}"]

    def _links(self, node: p.Expr) -> list[str]:
        """Methods called on what methods give: `x.a()`, `.b()`, `.c()`."""
        found: list[str] = []
        current = node
        while isinstance(current, p.Call) and isinstance(current.fn, p.Attr):
            found.insert(0, f".{current.fn.name}({', '.join(self._arguments(current))})")
            current = current.fn.base
        if not found or not isinstance(current, p.Name):
            return []
        return [f"{self.flat(current)}{found[0]}", *found[1:]]

    def _fluent(
        self, node: p.Expr, links: list[str], prefix: str, suffix: str, indent: int, bare: bool
    ) -> list[str]:
        """A chain of methods, one a line."""
        pad, inner = " " * indent, " " * (indent + STEP)
        if not bare:
            return [f"{pad}{prefix}{links[0]}", *(pad + link for link in links[1:-1]),
                    f"{pad}{links[-1]}{suffix}"]  # fmt: skip
        one = inner + self.flat(node)
        lines = [one] if len(one) <= self.width else [inner + link for link in links]
        return [f"{pad}{prefix}(", *lines, f"{pad}){suffix}"]

    def _operands(self, node: p.Expr, prefix: str, suffix: str, indent: int) -> list[str]:
        """Operands one a line, each after its operator."""
        pad = " " * indent
        parts: list[tuple[str, p.Expr]] = []
        if isinstance(node, p.IfExp):
            parts = [("", node.a), ("if ", node.test), ("else ", node.b)]
        elif isinstance(node, p.Bin | p.Compare):
            level = BINARY.get(node.op, COMPARE)
            current: p.Expr = node
            while (
                isinstance(current, p.Bin | p.Compare) and BINARY.get(current.op, COMPARE) == level
            ):
                parts.insert(0, (f"{current.op} ", current.right))
                current = current.left
            parts.insert(0, ("", current))
            return self._operand_lines(parts, prefix, suffix, indent, level)
        if not parts:
            return [f"{pad}{prefix}{self.flat(node)}{suffix}"]
        return self._operand_lines(parts, prefix, suffix, indent, TERNARY)

    def _operand_lines(
        self, parts: list[tuple[str, p.Expr]], prefix: str, suffix: str, indent: int, level: int
    ) -> list[str]:
        lines: list[str] = []
        for number, (operator, part) in enumerate(parts):
            lead = prefix if number == 0 else operator
            tail = suffix if number == len(parts) - 1 else ""
            text = self._wrap(part, level + (1 if number else 0))
            line = f"{' ' * indent}{lead}{text}{tail}"
            if len(line) <= self.width or text.startswith("("):
                lines.append(line)
            else:
                lines += self.value(part, lead, tail, indent, bare=False)
        return lines

    def _bracketed(self, node: p.Expr, prefix: str, suffix: str, indent: int) -> list[str] | None:
        """A call, index or literal broken inside its own brackets; None when it has none."""
        if isinstance(node, p.Call) and (node.args or node.kwargs):
            return self._bracketed_call(node, prefix, suffix, indent)
        if isinstance(node, p.Index):
            parts = [("", item) for item in node.items]
            opening = f"{prefix}{self._wrap(node.base, POSTFIX)}["
            if isinstance(node.base, p.Call) and indent + len(opening) > self.width:
                items = ", ".join(self.flat(item) for item in node.items)
                return self._bracketed(node.base, prefix, f"[{items}]{suffix}", indent)
            return self._items(parts, opening, f"]{suffix}", indent)
        if isinstance(node, p.ListExpr | p.TupleExpr) and node.items:
            opening, closing = ("[", "]") if isinstance(node, p.ListExpr) else ("(", ")")
            parts = [("", item) for item in node.items]
            # A display that does not fit has one item a line; only a call's arguments share one.
            several = len(parts) > 1 or isinstance(node, p.TupleExpr)
            return self._items(parts, prefix + opening, closing + suffix, indent, several)
        if isinstance(node, p.DictExpr) and node.items:
            parts = [(f"{self.flat(key)}: ", value) for key, value in node.items]
            return self._items(parts, prefix + "{", "}" + suffix, indent, always=True)
        if isinstance(node, p.ListComp):
            return self._broken_comprehension(node, prefix + "[", "]" + suffix, indent)
        if isinstance(node, p.Un) and isinstance(node.operand, p.Call):
            return self._bracketed(node.operand, prefix + node.op, suffix, indent)
        if isinstance(node, p.Starred) and isinstance(node.value, p.GeneratorExp):
            return self._broken_comprehension(node.value, prefix + "*(", ")" + suffix, indent)
        if isinstance(node, p.Attr) and isinstance(node.base, p.Call):
            return self._bracketed(node.base, prefix, f".{node.name}{suffix}", indent)
        return None

    def _bracketed_call(
        self, node: p.Call, prefix: str, suffix: str, indent: int
    ) -> list[str] | None:
        """A call broken between its arguments, or in what is called, or in both."""
        if len(node.args) == 1 and not node.kwargs and isinstance(node.args[0], p.GeneratorExp):
            return self._broken_comprehension(
                node.args[0], f"{prefix}{self._wrap(node.fn, POSTFIX)}(", f"){suffix}", indent
            )
        parts = [("", arg) for arg in node.args] + [(f"{k}=", v) for k, v in node.kwargs]
        opening = f"{prefix}{self._wrap(node.fn, POSTFIX)}("
        method = node.fn if isinstance(node.fn, p.Attr) else None
        inner = node.fn if method is None else method.base
        if isinstance(inner, p.Call) and indent + len(opening) > self.width:
            rest = f"({', '.join(self._arguments(node))}){suffix}"
            begin = "(" if method is None else f".{method.name}("
            if indent + 1 + len(begin) - 1 + len(rest) <= self.width:
                return self._bracketed(inner, prefix, begin[:-1] + rest, indent)
            first = self._bracketed(inner, prefix, begin, indent)  # both are broken
            last = self._items(parts, "", f"){suffix}", indent)[1:]
            return None if first is None else [*first, *last]
        return self._items(parts, opening, f"){suffix}", indent)

    def _items(
        self,
        parts: Sequence[tuple[str, p.Expr]],
        opening: str,
        closing: str,
        indent: int,
        always: bool = False,
    ) -> list[str]:
        pad, inner = " " * indent, " " * (indent + STEP)
        single = inner + ", ".join(f"{lead}{self.flat(part)}" for lead, part in parts)
        if len(single) <= self.width and not always:
            return [pad + opening, single, pad + closing]
        lines = [pad + opening]
        for lead, part in parts:
            lines += self.value(part, lead, ",", indent + STEP, bare=False)
        return [*lines, pad + closing]

    def _broken_comprehension(
        self, node: p.ListComp | p.GeneratorExp, opening: str, closing: str, indent: int
    ) -> list[str]:
        pad, inner = " " * indent, " " * (indent + STEP)
        single = inner + self._comprehension(node)
        if len(single) <= self.width:
            return [pad + opening, single, pad + closing]
        lines = self.value(node.element, "", "", indent + STEP, bare=False)
        head = f"for {self.target(node.target)} in "
        lines += self.value(node.iterable, head, "", indent + STEP, bare=False)
        for test in getattr(node, "conditions", ()):
            lines += self.value(test, "if ", "", indent + STEP, bare=False)
        return [pad + opening, *lines, pad + closing]

    # --- statements -------------------------------------------------------------------------

    def statements(self, nodes: Sequence[p.Statement], indent: int) -> list[str]:
        """Statements with the blank lines that belong between them."""
        lines: list[str] = []
        previous: p.Statement | None = None
        for node in nodes:
            if previous is not None:
                lines += [""] * self._gap(previous, node, indent)
            lines += self.statement(node, indent)
            previous = node
        return lines

    def _gap(self, previous: p.Statement, node: p.Statement, indent: int) -> int:
        wide = 2 if indent == 0 else 1
        if isinstance(previous, p.Comment):
            return 0
        if isinstance(node, p.Def | p.Class) or isinstance(previous, p.Def | p.Class):
            return wide
        return 0

    def statement(self, node: p.Statement, indent: int) -> list[str]:
        """One statement's lines."""
        return STATEMENTS[type(node)](self, node, indent)

    def _commented(self, lines: list[str], comment: str | None) -> list[str]:
        """The comment stands behind the last bracket of a statement that was split."""
        if comment:
            line = f"{lines[-1]}  # {clean(comment)}"
            if len(line) <= self.width:
                return [*lines[:-1], line]
        return lines

    def _assign(self, node: p.Assign, indent: int) -> list[str]:
        target = self.target(node.targets)
        if node.annotation is not None:
            target += f": {self.flat(node.annotation)}"
        return self._commented(self.value(node.value, f"{target} = ", "", indent), node.comment)

    def _augassign(self, node: p.AugAssign, indent: int) -> list[str]:
        return self.value(node.value, f"{self.flat(node.target)} {node.op}= ", "", indent)

    def _return(self, node: p.Return, indent: int) -> list[str]:
        if node.value is None:
            return [" " * indent + "return"]
        if isinstance(node.value, p.TupleExpr) and len(node.value.items) > 1:
            bare = "return " + self.target(node.value)
            if len(bare) + indent <= self.width:
                return self._commented([" " * indent + bare], node.comment)
        return self._commented(self.value(node.value, "return ", "", indent), node.comment)

    def _exprstmt(self, node: p.ExprStmt, indent: int) -> list[str]:
        return self._commented(self.value(node.value, "", "", indent), node.comment)

    def _raise(self, node: p.Raise, indent: int) -> list[str]:
        return self.value(node.value, "raise ", "", indent)

    def _blank(self, node: p.Blank, indent: int) -> list[str]:
        return [""]

    def _pass(self, node: p.Pass, indent: int) -> list[str]:
        return [" " * indent + "pass"]

    def _comment(self, node: p.Comment, indent: int) -> list[str]:
        pad = " " * indent
        text = " ".join(clean(node.text).split())
        return [f"{pad}# {line}" for line in textwrap.wrap(text, self.width - indent - 2)] or [
            pad + "#"
        ]

    def _for(self, node: p.For, indent: int) -> list[str]:
        head = self.value(node.iterable, f"for {self.target(node.target)} in ", ":", indent)
        return head + self.statements(node.body, indent + STEP)

    def _with(self, node: p.With, indent: int) -> list[str]:
        ending = f" as {node.name}:" if node.name else ":"
        head = self.value(node.context, "with ", ending, indent)
        return head + self.statements(node.body, indent + STEP)

    def _ifstmt(self, node: p.IfStmt, indent: int) -> list[str]:
        lines = self.value(node.test, "if ", ":", indent) + self.statements(
            node.body, indent + STEP
        )
        if len(node.orelse) == 1 and isinstance(node.orelse[0], p.IfStmt):
            rest = self._ifstmt(node.orelse[0], indent)
            lines += [rest[0].replace("if ", "elif ", 1), *rest[1:]]
        elif node.orelse:
            lines += [" " * indent + "else:", *self.statements(node.orelse, indent + STEP)]
        return lines

    def _class(self, node: p.Class, indent: int) -> list[str]:
        bases = ", ".join(self.flat(base) for base in node.bases)
        head = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
        lines = [" " * indent + head]
        if node.doc:
            lines += docstring(node.doc, indent + STEP, self.width)
            if node.body:
                lines.append("")
        return lines + self.statements(node.body, indent + STEP)

    def _def(self, node: p.Def, indent: int) -> list[str]:
        pad = " " * indent
        lines = [f"{pad}@{self.flat(decorator)}" for decorator in node.decorators]
        lines += self._signature(node, indent)
        if node.doc:
            lines += docstring(node.doc, indent + STEP, self.width)
            if node.body and isinstance(node.body[0], p.Def | p.Class):
                lines.append("")
        return lines + self.statements(node.body, indent + STEP)

    def _signature(self, node: p.Def, indent: int) -> list[str]:
        pad, inner = " " * indent, " " * (indent + STEP)
        params = [self._parameter(param) for param in node.params]
        closing = f") -> {self.flat(node.returns)}:" if node.returns is not None else "):"
        one = f"{pad}def {node.name}({', '.join(params)}{closing}"
        if len(one) <= self.width or not params:
            return [one]
        single = inner + ", ".join(params)
        if len(single) <= self.width:
            return [f"{pad}def {node.name}(", single, pad + closing]
        return [f"{pad}def {node.name}(", *(f"{inner}{param}," for param in params), pad + closing]

    def _parameter(self, param: p.Param) -> str:
        text = param.name
        if param.annotation is not None:
            text += f": {self.flat(param.annotation)}"
        if param.default is not None:
            equals = " = " if param.annotation is not None else "="
            text += f"{equals}{self.flat(param.default)}"
        return text


def _simple_power(node: p.Expr) -> bool:
    if isinstance(node, p.Un) and node.op == "-":
        node = node.operand
    while isinstance(node, p.Attr):
        node = node.base
    return isinstance(node, p.Name | p.Var) or (
        isinstance(node, p.Lit) and isinstance(node.value, int | float)
    )


def _simple_end(node: p.Expr) -> bool:
    if isinstance(node, p.Un):
        node = node.operand
    return isinstance(node, p.Name | p.Lit | p.Var)


def render(
    nodes: Sequence[p.Statement],
    env: Mapping[str, str] | None = None,
    width: int = 88,
    indent: int = 0,
) -> str:
    """Statements as text, with a line break at the end."""
    lines = Printer(env or {}, width).statements(nodes, indent)
    return "\n".join(lines) + "\n" if lines else ""


def expression(node: p.Expr, env: Mapping[str, str] | None = None) -> str:
    """An expression on one line."""
    return Printer(env or {}, 10_000).flat(node)


EXPRESSIONS: Mapping[type[p.Expr], Callable[..., tuple[str, int]]] = {
    p.Name: Printer._name,
    p.Var: Printer._var,
    p.Attr: Printer._attr,
    p.Lit: Printer._lit,
    p.Bin: Printer._bin,
    p.Un: Printer._un,
    p.Compare: Printer._compare,
    p.Call: Printer._call,
    p.Index: Printer._index,
    p.SliceExpr: Printer._sliceexpr,
    p.TupleExpr: Printer._tupleexpr,
    p.ListExpr: Printer._listexpr,
    p.DictExpr: Printer._dictexpr,
    p.IfExp: Printer._ifexp,
    p.ListComp: Printer._listcomp,
    p.GeneratorExp: Printer._generatorexp,
    p.Starred: Printer._starred,
    p.FString: Printer._fstring,
    p.Lambda: Printer._lambda,
}
STATEMENTS: Mapping[type[p.Statement], Callable[..., list[str]]] = {
    p.Assign: Printer._assign,
    p.AugAssign: Printer._augassign,
    p.Return: Printer._return,
    p.ExprStmt: Printer._exprstmt,
    p.Raise: Printer._raise,
    p.Blank: Printer._blank,
    p.Pass: Printer._pass,
    p.Comment: Printer._comment,
    p.For: Printer._for,
    p.With: Printer._with,
    p.IfStmt: Printer._ifstmt,
    p.Class: Printer._class,
    p.Def: Printer._def,
}
