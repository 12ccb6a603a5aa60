"""Writes tables.py from bm.lark: `python -m bmc.syntax.generate` (or `--check`).

Lark works out the LALR(1) tables here, once; the compiler itself runs on the tables alone, so
that starting it costs neither an import of lark nor the making of tables.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEAD = '''"""LALR(1) tables of bm.lark. Written by `python -m bmc.syntax.generate`; do not edit."""

from __future__ import annotations

import json

'''


def tables() -> str:
    """The text of tables.py."""
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    grammar = (HERE / "bm.lark").read_text(encoding="utf-8")
    lark = Lark(
        grammar, parser="lalr", lexer="contextual", keep_all_tokens=True, maybe_placeholders=False
    )
    table: Any = lark.parser.parser._parse_table
    spelling = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "str"}
    clashes = set(spelling.values()) & {rule.origin.name for rule in lark.rules}
    if clashes:  # a row holds words and rules under the same keys
        raise ValueError(f"rules named as words of the language: {sorted(clashes)}")
    start = table.start_states["start"]
    order = _reached(table.states, start, Shift)
    position = {state: number for number, state in enumerate(order)}
    rules: list[tuple[str, str, int, bool]] = []
    numbers: dict[Any, int] = {}
    states: list[dict[str, int]] = []
    for state in order:
        row: dict[str, int] = {}
        for symbol, (action, argument) in sorted(table.states[state].items()):
            key = spelling.get(symbol, symbol)
            if action is Shift:
                row[key] = position[argument] + 1
            else:
                if argument not in numbers:
                    numbers[argument] = len(rules)
                    rules.append(_rule(argument))
                row[key] = -numbers[argument] - 1
        states.append(row)
    end = position[table.end_states["start"]]
    body = [
        f"START, END = {position[start]}, {end}",
        f"RULES: list[tuple[str, str, int, bool]] = json.loads({_quoted(rules)})",
        f"STATES: list[dict[str, int]] = json.loads({_quoted(states)})",
    ]
    return HEAD + "\n".join(body) + "\n"


def _reached(states: Any, start: Any, shift: Any) -> list[Any]:
    """The states in the order in which they are reached: the same order on every run."""
    order = [start]
    known = {start}
    for state in order:
        for _, (action, argument) in sorted(states[state].items()):
            if action is shift and argument not in known:
                known.add(argument)
                order.append(argument)
    return order


def _rule(rule: Any) -> tuple[str, str, int, bool]:
    origin = str(rule.origin.name)
    return (
        origin,
        str(rule.alias or origin),
        len(rule.expansion),
        bool(rule.options.expand1 and not rule.alias),
    )


def _quoted(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    pieces = [text[at : at + 90] for at in range(0, len(text), 90)]
    return "(\n" + "\n".join(f"    {piece!r}" for piece in pieces) + "\n)"


def main(arguments: list[str]) -> int:
    """Writes the tables, or with `--check` says whether they are fresh."""
    path = HERE / "tables.py"
    text = tables()
    if "--check" in arguments:
        return 0 if path.read_text(encoding="utf-8") == text else 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
