"""Text of a spec in a program: as a literal, or made harmless."""

from __future__ import annotations

import re
import textwrap


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


def docstring(text: str, indent: int, width: int) -> list[str]:
    """A docstring; paragraphs are wrapped, but those that begin with a space."""
    pad = " " * indent
    paragraphs = [part.strip("\n") for part in clean(text).strip().split("\n\n") if part.strip()]
    lines: list[str] = []
    for number, paragraph in enumerate(paragraphs):
        if number:
            lines.append("")
        if paragraph.startswith(" "):
            lines += [line[1:].rstrip() for line in paragraph.split("\n")]
            continue
        room = width - indent - (3 if number == 0 else 0)
        words = " ".join(paragraph.split())
        if len(paragraphs) == 1 and room - 3 < len(words) <= room:
            room -= 3  # both ends have quotes
        lines += textwrap.wrap(words, room, break_long_words=False, break_on_hyphens=False)
    if not lines:
        return []
    if len(lines) == 1 and len(pad + lines[0]) + 6 <= width:
        return [f'{pad}"""{lines[0]}"""']
    body = [f"{pad}{line}".rstrip() for line in lines[1:]]
    return [f'{pad}"""{lines[0]}', *body, f'{pad}"""']
