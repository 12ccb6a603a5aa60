"""Templates of whole files. Every value in a slot is printed as a Python literal.

Only `Code`, which the printer and the mangler make, goes in as it is; so an unescaped
interpolation cannot be written by mistake.
"""

from __future__ import annotations

import re
import string
import sys
from pathlib import Path
from typing import Any, ClassVar

from bmc.emit import layout
from bmc.emit.layout import clean


class Code(str):
    """Finished program text."""

    __slots__ = ()


def finalize(value: Any) -> str:
    """A value as a Python literal. Raises TypeError for what has none."""
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        return layout.string(value)
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError("a program has no literal for a number that is not finite")
        return repr(float(value))
    raise TypeError(f"no literal for {type(value).__name__}")


class Template(string.Template):
    """A file with slots, `{{ name }}`; what else stands in it goes out as it is."""

    flags = re.NOFLAG
    pattern: ClassVar[Any] = (  # `string.Template` compiles it, with spaces that mean nothing
        r"\{\{[ ](?P<named>[a-z_]+)[ ]\}\}|(?P<escaped>(?!))|(?P<braced>(?!))|(?P<invalid>(?!))"
    )


_SLOT_LINE = re.compile(r"^[ ]*\{\{ ([a-z_]+) \}\}[ ]*\n", re.MULTILINE)


def render(package: str, template: str, **values: Any) -> str:
    """A template of a package, every slot filled once. Raises KeyError for a slot without a value.

    A slot that has a line of its own takes the line with it when it is empty.
    """
    folder = Path(str(sys.modules[package].__file__)).parent / "templates"
    text = (folder / f"{template}.template").read_text(encoding="utf-8")
    filled = {name: finalize(value) for name, value in values.items()}
    text = _SLOT_LINE.sub(lambda line: line.group() if filled[line.group(1)] else "", text)
    return Template(text).substitute(filled)


def markdown_text(text: str) -> Code:
    """User text for a Markdown page: inert, on one line."""
    plain = " ".join(clean(text).split())
    for mark in "<>[]`*_|#!":
        plain = plain.replace(mark, f"\\{mark}" if mark not in "<>" else "")
    return Code(plain)
