"""Functions that hold what all uses of one constructor in a file have in common.

A helper's parameters are exactly the settings that differ between its uses, so that what carries
a choice is written out once and each use stays one line. A constructor that is used once needs
no helper.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from bmc.emit import pyexpr as p
from bmc.emit.backend import Module

NAME = "name"  # the keyword that every use has of its own


class _Uses:
    """The calls of one constructor."""

    def __init__(self, rule: Module) -> None:
        self.rule = rule
        self.calls: list[p.Call] = []

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keywords that any use gives."""
        return tuple(dict.fromkeys(key for call in self.calls for key, _ in call.kwargs))

    def settings(self, call: p.Call) -> dict[str, p.Expr]:
        """The keywords of a use, with the defaults of those that only others give."""
        given = dict(call.kwargs)
        return {key: given[key] if key in given else self.rule.defaults[key] for key in self.keys}

    @cached_property
    def common(self) -> dict[str, p.Expr]:
        """The keywords that all uses give the same value, which is no setting of a block."""
        first, *others = (self.settings(call) for call in self.calls)
        return {
            key: value
            for key, value in first.items()
            if all(other.get(key) == value for other in others)
            and not any(isinstance(node, p.Var) for node in p.walk(value))
        }


class Helpers:
    """The constructors of one file, by the word of their helper."""

    def __init__(self, returns: str) -> None:
        self.returns = returns
        self.uses: dict[str, _Uses] = {}

    def note(self, rule: Module) -> None:
        """Remembers a use; all must be noted before the first is printed."""
        if not rule.helper:
            return
        found = self.uses.setdefault(rule.helper, _Uses(rule))
        if found.rule.constructor.fn != rule.constructor.fn:
            raise ValueError(f"two kinds of layers share the helper {rule.helper}")
        found.calls.append(rule.constructor)

    def needed(self) -> list[str]:
        """The helpers that the file has."""
        return [word for word in self.uses if self._needs(word)]

    def _needs(self, word: str) -> bool:
        return word in self.uses and len(self.uses[word].calls) > 1

    def names(self) -> set[str]:
        """What the helpers are called in the file."""
        return {self._called(word) for word in self.needed()}

    def _called(self, word: str) -> str:
        """The helper's word, without what sets it apart where there is no other one."""
        short = word.removesuffix("_without_bias").removesuffix("_without_weights")
        return word if short in self.uses else short

    def use(self, rule: Module, name: p.Expr) -> p.Call:
        """The expression that makes a layer of that name."""
        if not self._needs(rule.helper):
            return _without(rule.constructor, rule.defaults, name)
        uses = self.uses[rule.helper]
        mine = uses.settings(rule.constructor)
        own = tuple((key, mine[key]) for key in mine if key not in uses.common)
        return p.Call(
            p.Name(self._called(rule.helper)), rule.constructor.args, (*own, (NAME, name))
        )

    def functions(self) -> list[p.Def]:
        """The definitions."""
        return [self._function(word, self.uses[word]) for word in self.needed()]

    def _function(self, word: str, uses: _Uses) -> p.Def:
        common = uses.common
        model = uses.calls[0]
        free = [key for key in uses.keys if key not in common]
        positional = uses.rule.positional
        params = [
            p.Param(key, _kinds([call.args[at] for call in uses.calls]))
            for at, key in enumerate(positional)
        ]
        for key in free:
            params.append(p.Param(key, _kinds([uses.settings(call)[key] for call in uses.calls])))
        params.append(p.Param(NAME, p.Name("str")))
        kwargs = tuple(
            (key, common.get(key, p.Name(key)))
            for key in uses.keys
            if common.get(key) != uses.rule.defaults.get(key, object())
        )
        args = tuple(p.Name(key) for key in positional)
        made = p.Call(model.fn, args, (*kwargs, (NAME, p.Name(NAME))))
        return p.Def(self._called(word), tuple(params), p.name(self.returns), (p.Return(made),))


NUMERIC = {p.name(word) for word in ("round", "abs", "min", "max")} | {
    p.name(f"math.{word}") for word in ("floor", "ceil", "sqrt", "log", "exp")
}


def _without(call: p.Call, defaults: Mapping[str, p.Expr], name: p.Expr) -> p.Call:
    kept = tuple((k, v) for k, v in call.kwargs if defaults.get(k, object()) != v)
    return p.Call(call.fn, call.args, (*kept, (NAME, name)))


def _kinds(values: list[p.Expr]) -> p.Expr:
    """The annotation of a parameter that takes these values."""
    names = sorted({_kind(value) for value in values}, key=lambda kind: (kind == "None", kind))
    found: p.Expr = _annotation(names[0])
    for name in names[1:]:
        found = p.Bin("|", found, _annotation(name))
    return found


def _kind(value: p.Expr) -> str:
    if isinstance(value, p.TupleExpr):
        return "tuple"
    if isinstance(value, p.Lit):
        return "None" if value.value is None else type(value.value).__name__
    if isinstance(value, p.Call) and value.fn not in NUMERIC:
        return "initializer"
    if isinstance(value, p.IfExp):
        return _kind(value.a)
    return next((node.kind for node in p.walk(value) if isinstance(node, p.Var)), "int")


def _annotation(kind: str) -> p.Expr:
    if kind == "tuple":
        return p.Index(p.Name("tuple"), (p.Name("int"), p.Lit(...)))
    return p.name("keras.Initializer") if kind == "initializer" else p.Name(kind)


def keywords(settings: Mapping[str, Any]) -> tuple[tuple[str, p.Expr], ...]:
    """Settings as the keywords of a call."""
    return tuple((key, p.lit(value)) for key, value in settings.items())
