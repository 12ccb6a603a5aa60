"""Templates of whole files, in Jinja2. Every value in a slot is printed as a Python literal.

Only `Code`, which the printer and the mangler make, goes in as it is; so an unescaped
interpolation cannot be written by mistake. A slot without a value is an error.
"""

from __future__ import annotations

import io
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmc import cache
from bmc.emit import text
from bmc.emit.text import clean

if TYPE_CHECKING:
    from jinja2 import Environment


class Code(str):
    """Finished program text."""

    __slots__ = ()


def finalize(value: Any) -> str:
    """A value as a Python literal. Raises TypeError for what has none."""
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        return text.string(value)
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError("a program has no literal for a number that is not finite")
        return repr(float(value))
    raise TypeError(f"no literal for {type(value).__name__}")


@lru_cache
def _environment(package: str) -> Environment:
    from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined

    class Kept(BytecodeCache):
        """Compiled templates in the user's own folder; Jinja2 compares them with their text."""

        def load_bytecode(self, bucket: Any) -> None:
            content = cache.read(f"{bucket.key}.template")
            if content is not None:
                bucket.load_bytecode(io.BytesIO(content))

        def dump_bytecode(self, bucket: Any) -> None:
            content = io.BytesIO()
            bucket.write_bytecode(content)
            cache.write(f"{bucket.key}.template", content.getvalue())

    folder = Path(str(sys.modules[package].__file__)).parent / "templates"
    return Environment(
        loader=FileSystemLoader(folder),
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # programs and Markdown are no HTML; `finalize` prints every value
        bytecode_cache=Kept(),
    )


def render(package: str, template: str, **values: Any) -> str:
    """A template of a package with its slots filled.

    Raises UndefinedError for a slot without a value, TypeError for a value without a literal.
    """
    return _environment(package).get_template(f"{template}.jinja").render(values)


def markdown_text(text: str) -> Code:
    """User text for a Markdown page: inert, on one line."""
    plain = " ".join(clean(text).split())
    for mark in "<>[]`*_|#!":
        plain = plain.replace(mark, f"\\{mark}" if mark not in "<>" else "")
    return Code(plain)
