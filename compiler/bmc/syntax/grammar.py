"""`bm.lark` as a parser of Lark's: LALR(1) with a contextual lexer.

Working out its tables takes longer than all the rest of `bmc check`; they are kept as JSON in the
user's own folder, by the versions of Lark and of bmc and by the grammar's text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

import bmc
from bmc import cache
from bmc.syntax.build import NODES

FILE = Path(__file__).parent / "bm.lark"
STARTS = ["start", "chain"]
CONTEXTUAL = "FROM"  # the one keyword that is a name elsewhere
# What the rules do not name: comments, and what is no word of the language.
APART = ("COMMENT", "QUOTED", "FOREIGN", "OTHER")
OF_A_PROCESS = ("postlex", "transformer")  # options that are no part of the tables


class _Always(lark.lark.PostLex):
    """Lets the lexer see every word anywhere: a keyword out of place is one, and no name."""

    def __init__(self, names: list[str]) -> None:
        self.always_accept = tuple(names)

    def process(self, stream: Iterator[lark.Token]) -> Iterator[lark.Token]:
        """The words as they are."""
        return stream


class Grammar:
    """The parser, and how its terminals are spelt. `callbacks` make nodes of what was read."""

    def __init__(self, callbacks: Any) -> None:
        text = FILE.read_text(encoding="utf-8")
        versions = f"{lark.__version__}\n{bmc.__version__}\n{text}"
        name = f"grammar-{hashlib.sha256(versions.encode()).hexdigest()[:16]}.json"
        self.lark = _kept(name, callbacks) or _made(text, name, callbacks)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The spelling of every terminal that has one; the name of the others."""
        words = {t.name: t.pattern for t in self.lark.terminals}
        return {name: p.value if p.type == "str" else name for name, p in words.items()}

    @cached_property
    def keywords(self) -> frozenset[str]:
        """The words that are no names anywhere."""
        words = {word for name, word in self.kinds.items() if name != CONTEXTUAL}
        return frozenset(word for word in words if word.isalpha() and word.islower())


def _made(text: str, name: str, callbacks: Any) -> lark.Lark:
    """The parser from the grammar's text; its tables are kept under the name."""
    options: dict[str, Any] = {
        "parser": "lalr", "start": STARTS, "keep_all_tokens": True, "maybe_placeholders": False,
    }  # fmt: skip
    plain = lark.Lark(text, lexer="basic", **options)
    names = sorted({t.name for t in plain.terminals} - {CONTEXTUAL} | set(APART))
    made = lark.Lark(
        text, lexer="contextual", postlex=_Always(names), transformer=callbacks, **options
    )
    data, memo = made.memo_serialize([TerminalDef, Rule])
    data["options"] = {k: v for k, v in data["options"].items() if k not in OF_A_PROCESS}
    content = {"data": data, "memo": memo, "names": names}
    cache.write(name, json.dumps(content).encode())
    return made


def _kept(name: str, callbacks: Any) -> lark.Lark | None:
    """The parser from tables that were kept; None where there are none that can be read."""
    content = cache.read(name)
    if content is None:
        return None
    try:
        found = json.loads(content)
        data, table = found["data"], found["data"]["parser"]["parser"]
        # JSON has words for keys, and lists for pairs.
        memo = {int(key): value for key, value in found["memo"].items()}
        table["tokens"] = {int(key): word for key, word in table["tokens"].items()}
        table["states"] = {
            int(state): {int(key): tuple(action) for key, action in row.items()}
            for state, row in table["states"].items()
        }
        again = _Always(found["names"])
        load: Any = lark.Lark._load_from_dict  # as the parsers that Lark writes to files do
        made: lark.Lark = load(data, memo, postlex=again, transformer=callbacks)
        return made
    except Exception:  # whatever a damaged file makes of it: the tables are worked out anew
        return None


@lru_cache(maxsize=1)
def grammar() -> Grammar:
    """The grammar, made when the first file is read."""
    return Grammar(NODES)


def keywords() -> frozenset[str]:
    """The words of the language that are no names."""
    return grammar().keywords
