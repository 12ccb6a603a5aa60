"""The one template environment. Every `{{ value }}` is printed as a Python literal.

Only `Code`, which the printer and the mangler make, goes in as it is; so an unescaped
interpolation cannot be written by mistake.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from bmc.emit.layout import clean, string


class Code(str):
    """Finished program text."""

    __slots__ = ()


def finalize(value: Any) -> str:
    """A value as a Python literal. Raises TypeError for what has none."""
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        return string(value)
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError("a program has no literal for a number that is not finite")
        return repr(float(value))
    raise TypeError(f"no literal for {type(value).__name__}")


def indent(text: str, width: int = 4, first: bool = False) -> Code:
    """Finished text moved to the right, the first line too when `first`."""
    if not isinstance(text, Code):
        raise TypeError("only finished program text can be indented")
    pad = " " * width
    lines = text.split("\n")
    moved = [
        pad + line if line and (number or first) else line for number, line in enumerate(lines)
    ]
    return Code("\n".join(moved))


def _source(name: str) -> str:
    """The text of `package/template`."""
    package, _, template = name.partition("/")
    return (files(package) / "templates" / template).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=finalize,
    )
    environment.filters["indent"] = indent
    return environment


def render(package: str, template: str, **values: Any) -> str:
    """A template of a package, filled once."""
    text: str = _environment().get_template(f"{package}/{template}").render(**values)
    return text


def markdown_text(text: str) -> Code:
    """User text for a Markdown page: inert, on one line."""
    plain = " ".join(clean(text).split())
    for mark in "<>[]`*_|#!":
        plain = plain.replace(mark, f"\\{mark}" if mark not in "<>" else "")
    return Code(plain)
