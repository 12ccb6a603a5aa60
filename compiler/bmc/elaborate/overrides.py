"""`--set`: another value for a `let`, a setting of a model, a key of a section, a setting of a call.

`train.optimizer.lr=0.1` changes one call of the file as its author would: the argument gets
another value, or is added. `Net.body.conv.kernel=5` names the layer, too, where a line has several
that take the setting; `conv[1]` is the second of a kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.names import UnknownName
from bmc.ops.kinds import REGISTRY
from bmc.records import field, record, replace
from bmc.source import Source, Span
from bmc.syntax import ast
from bmc.syntax.parse import parse_expression

LENGTH = ("epochs", "steps")  # one stands for the other
# Families that calls of a section are of, where a word is in several.
SECTIONS = {"data": ("step",), "train": ("loss",), "predict": ("layer",)}
MEMBER = re.compile(r"(.+)\[(\d{1,4})\]")


@record(frozen=False)
class Overrides:
    """`--set` values by what they change: lets, settings of models, keys of sections."""

    lets: dict[str, ast.Expr] = field(default_factory=dict)
    models: dict[str, dict[str, ast.Expr]] = field(default_factory=dict)
    sections: dict[str, dict[str, ast.Expr]] = field(default_factory=dict)


def read_overrides(
    settings: dict[str, str], file: ast.File, problems: Problems
) -> tuple[Overrides, ast.File]:
    """`--set` values parsed, each checked against what the file declares.

    Those of calls are in the file that is returned.
    """
    found = Overrides()
    models = {i.name: i for i in file.items if isinstance(i, ast.Block) and i.kind == "model"}
    lets = {i.name for i in file.items if isinstance(i, ast.Let)}
    sections = {i.kind for i in file.items if isinstance(i, ast.Section)}
    for key, text in settings.items():
        expr = parse_expression(Source(f"--set {key}", text), problems)
        if expr is None:
            continue
        owner, _, rest = key.partition(".")
        if not rest and owner in lets:
            found.lets[owner] = expr
        elif owner in models and rest in {s.name for s in models[owner].settings}:
            found.models.setdefault(owner, {})[rest] = expr
        elif owner in sections and rest and "." not in rest:
            found.sections.setdefault(owner, {})[rest] = expr
        else:
            calls = _Calls(file, owner, rest)
            if calls.found is not None:
                file = calls.with_value(expr)
                continue
            settings_of = [f"{m}.{s.name}" for m, b in models.items() for s in b.settings]
            every = (*sorted(lets), *settings_of, *(f"{s}.…" for s in sorted(sections)))
            near = tuple(dict.fromkeys(calls.near()))
            known = near if calls.several else (*every, *near)
            what = "setting to override"
            problems.add(UnknownName(expr.span, key, what, known, calls.several))
    return found, file


def overridden(section: ast.Section, values: dict[str, ast.Expr]) -> ast.Section:
    """A section with some of its keys replaced or added."""
    body: list[ast.Statement] = []
    left = dict(values)
    gone = {other for key, other in (LENGTH, LENGTH[::-1]) if key in left} - left.keys()
    for statement in section.body:
        key = statement.targets[0].name if isinstance(statement, ast.Assign) else ""
        if isinstance(statement, ast.Assign) and key in left:
            body.append(replace(statement, value=left.pop(key)))
        elif section.kind != "train" or key not in gone:
            body.append(statement)
    for key, expr in left.items():
        place = ast.Place(expr.span, key, None)
        body.append(ast.Assign(expr.span, (place,), None, expr, None))
    return replace(section, body=tuple(body))


@record
class _Site:
    """A call of the file: under which entry, what is called, and the settings that it takes."""

    entry: str
    subject: str
    node: ast.Name | ast.Call
    settings: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str]:
        """What a key has before the call."""
        return self.entry, self.subject

    @property
    def word(self) -> str:
        """What is called."""
        function = self.node.function if isinstance(self.node, ast.Call) else self.node
        return function.id if isinstance(function, ast.Name) else ""


class _Calls:
    """The calls of a file that a key of `--set` may mean; `found` is the one that it does mean."""

    def __init__(self, file: ast.File, owner: str, path: str) -> None:
        from bmc.samples import load_declarations

        load_declarations()
        self.file, self.owner = file, owner
        self.blocks = {i.name: i for i in file.items if isinstance(i, ast.Block)}
        self.entry, *self.middle = path.split(".")
        self.setting = self.middle.pop() if self.middle else ""
        self.sites = list(self._sites())
        meant = [site for site in self.sites if self.setting in site.settings]
        meant = self._narrowed([site for site in meant if site.entry == self.entry])
        self.several = len(meant) > 1
        self.found = meant[0] if len(meant) == 1 else None

    def _narrowed(self, sites: list[_Site]) -> list[_Site]:
        """Those that the middle of the key names: a subject, what is called, or both."""
        middle = list(self.middle)
        if not middle:
            return [site for site in sites if not site.subject] or sites
        for count in range(len(middle), 0, -1):
            subjects = [one for one in sites if one.subject == ".".join(middle[:count])]
            if subjects:
                sites, middle = subjects, middle[count:]
                break
        if not middle:
            return sites
        member = MEMBER.fullmatch(middle[0])
        word, place = (member[1], int(member[2])) if member else (middle[0], None)
        sites = [site for site in sites if site.word == word]
        if place is not None:
            sites = sites[place : place + 1]
        return sites if len(middle) == 1 else []

    def near(self) -> Iterator[str]:
        """Keys that name one call each: of the entry and the setting that are meant, or all."""
        sites = [site for site in self.sites if site.entry == self.entry]
        alike = [site for site in sites if self.setting in site.settings]
        for site in alike or sites or self.sites:
            beside = [one for one in self.sites if one.place == site.place]
            same = [one for one in beside if one.word == site.word]
            word = f"{site.word}[{_place(same, site)}]" if len(same) > 1 else site.word
            for setting in (self.setting,) if site in alike else site.settings:
                others = [one for one in beside if setting in one.settings]
                steps = [self.owner, site.entry, site.subject, word if len(others) > 1 else ""]
                yield ".".join(filter(None, [*steps, setting]))

    def with_value(self, value: ast.Expr) -> ast.File:
        """The file with another value for the setting."""
        assert self.found is not None
        site, name = self.found, self.setting
        arguments = site.node.arguments if isinstance(site.node, ast.Call) else ()
        place = site.settings.index(name)
        made = ast.Argument(value.span, name, value)
        changed: list[ast.Argument] = []
        done = False
        for number, argument in enumerate(arguments):
            positional = argument.name is None and number == place
            if argument.name == name or positional:
                changed.append(replace(argument, value=value))
                done = True
            else:
                changed.append(argument)
        changed += [] if done else [made]
        function = site.node.function if isinstance(site.node, ast.Call) else site.node
        call = ast.Call(site.node.span, function, tuple(changed))
        return _mapped(self.file, lambda node: call if node is site.node else None)  # type: ignore[no-any-return]

    def _sites(self) -> Iterator[_Site]:
        for item in self.file.items:
            named = item.kind if isinstance(item, ast.Section) else getattr(item, "name", "")
            if isinstance(item, ast.Section | ast.Block) and named == self.owner:
                for statement in _flat(item.body):
                    yield from self._of(statement)

    def _of(self, statement: Any) -> Iterator[_Site]:
        subject, entries = "", [getattr(statement, "name", "")]
        match statement:
            case ast.Keyed():
                subject, entries = statement.subject.span.text, [statement.key]
            case ast.Assign():
                entries = [place.name for place in statement.targets]
            case ast.Layer():
                entries = [statement.place.name]
        value = getattr(statement, "value", None)
        if value is None:
            return
        for node in _called(value, True):
            settings = self._settings(node, entries[0])
            for entry in entries if settings else ():
                yield _Site(entry, subject, node, settings)

    def _settings(self, node: ast.Name | ast.Call, entry: str) -> tuple[str, ...]:
        function = node.function if isinstance(node, ast.Call) else node
        if not isinstance(function, ast.Name):
            return ()
        if function.id in self.blocks:
            return tuple(setting.name for setting in self.blocks[function.id].settings)
        first = {"metrics": "metric"}.get(entry, entry) if self.owner in SECTIONS else ""
        for family in dict.fromkeys((first, *SECTIONS.get(self.owner, ()), *REGISTRY)):
            declared = REGISTRY.get(family, {}).get(function.id)
            if declared is not None:
                return tuple(declared.settings)
        return ()


def _place(sites: list[_Site], site: _Site) -> int:
    return next(number for number, one in enumerate(sites) if one is site)


def _flat(body: tuple[Any, ...]) -> Iterator[Any]:
    """Statements, those inside loops and updates, too."""
    for statement in body:
        if isinstance(statement, ast.For | ast.Update):
            yield from _flat(statement.body)
        else:
            yield statement


def _called(node: Any, alone: bool) -> Iterator[ast.Name | ast.Call]:
    """Calls in an expression, and names that stand `alone` where a call may: not those of tensors."""
    match node:
        case ast.Name():
            if alone:
                yield node
        case ast.Call():
            yield node
            for argument in node.arguments:
                yield from _called(argument.value, argument.name is not None)
        case ast.Flow():
            yield from _called(node.head, False)
            for target in node.targets:
                yield from _called(target.layer, True)
        case _:
            for child in _children(node):
                yield from _called(child, alone and isinstance(node, ast.ListExpr | ast.Paren))


def _children(node: Any) -> Iterator[Any]:
    for name in getattr(node, "_fields", ()):
        value = getattr(node, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, ast.Node):
                yield one


def _mapped(node: Any, change: Callable[[Any], Any]) -> Any:
    """A tree in which some nodes are others."""
    if isinstance(node, tuple):
        return tuple(_mapped(one, change) for one in node)
    if not isinstance(node, ast.Node) or isinstance(node, Span):
        return node
    other = change(node)
    if other is not None:
        return other
    fields = {name: getattr(node, name) for name in node._fields}  # type: ignore[attr-defined]
    return replace(node, **{name: _mapped(value, change) for name, value in fields.items()})
