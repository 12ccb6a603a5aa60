"""What is written where a layer or block is used: settings, chains, repeats."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.problems.params import (
    MissingSetting,
    PositionalAfterNamed,
    SettingTwice,
    TooManyArguments,
    UnknownSetting,
)
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.naming import snake
from bmc.elaborate.scope import UNKNOWN, Scope
from bmc.source import Span
from bmc.syntax import ast


def block_settings(
    evaluator: Evaluator,
    scope: Scope,
    block: ast.Block,
    arguments: tuple[ast.Argument, ...],
    span: Span,
) -> dict[str, Any] | None:
    """The settings that a use of a block gives; None when some are wrong."""
    order = [setting.name for setting in block.settings]
    settings: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    named = False
    for position, argument in enumerate(arguments):
        key = argument.name
        if key is None:
            if named:
                evaluator.problems.add(PositionalAfterNamed(argument.span))
                return None
            if position >= len(order):
                evaluator.problems.add(
                    TooManyArguments(argument.span, block.name, len(arguments), len(order))
                )
                return None
            key = order[position]
        named = named or argument.name is not None
        if key not in order:
            evaluator.problems.add(
                UnknownSetting(argument.span, block.name, key, tuple(order), tuple(order))
            )
            return None
        if key in settings:
            evaluator.problems.add(SettingTwice(argument.span, block.name, key, spans[key]))
            return None
        value = evaluator.constant(argument.value, scope)
        if value is UNKNOWN:
            return None
        settings[key], spans[key] = value, argument.span
    for setting in block.settings:
        if setting.name not in settings and setting.default is None:
            evaluator.problems.add(MissingSetting(span, block.name, setting.name, ""))
            return None
    return settings


def chain_name(layer: ast.Expr, hint: str) -> str:
    """What a repeated chain is called: `conv_block`, after its first layer."""
    while isinstance(layer, ast.Paren):
        layer = layer.inner
    if not isinstance(layer, ast.Flow):
        return hint
    head = layer.head.function if isinstance(layer.head, ast.Call) else layer.head
    return f"{snake(head.id)}_block" if isinstance(head, ast.Name) else hint


def repeats(layer: ast.Expr) -> bool:
    """Whether a layer expression is a repeat itself."""
    while isinstance(layer, ast.Paren):
        layer = layer.inner
    return isinstance(layer, ast.Binary) and layer.operator == "*"
