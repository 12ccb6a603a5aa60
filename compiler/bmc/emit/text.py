"""Text of a spec in a program: as a literal, or made harmless."""

from __future__ import annotations

import re


def string(text: str) -> str:
    """A string literal in ASCII with the quotes that ruff prefers."""
    body = ascii(text)[1:-1]
    quote = ascii(text)[0]
    if quote == '"':
        return ascii(text)
    body = body.replace("\\'", "'")
    if '"' in text:
        if "'" in text:
            return (
                '"' + body.replace('"', '\\"') + '"'
                if text.count('"') <= text.count("'")
                else ("'" + body.replace("'", "\\'") + "'")
            )
        return "'" + body + "'"
    return '"' + body + '"'


def clean(text: str) -> str:
    """User text made inert for comments and docstrings: printable ASCII, no quotes or escapes."""
    text = text.replace("\\", "/").replace('"', "'")
    return re.sub(r"[^\x20-\x7e\n]", lambda m: _plain(m.group()), text)


def _plain(character: str) -> str:
    return {"\u2019": "'", "\u2013": "-", "\u2014": "-", "\u00d7": "x"}.get(character, "?")
