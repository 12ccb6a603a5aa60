"""Program text in real files: the definitions in a backend's folder `parts`, found by name.

A program gets a whole top-level definition, as it stands; what it imports is read off its words.
Nothing is imported to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from bmc.emit.backend import Support

# A top-level definition begins with one of these; what follows is indented, or its last line.
BEGIN = re.compile(
    r"^(?:[@#].*\n)*(?:def (?P<f>\w+)|class (?P<c>\w+)|(?P<v>[A-Za-z_]\w*) = )", re.MULTILINE
)
IMPORT = re.compile(r"^(?:from (\S+) )?import ([^\n(]+)$", re.MULTILINE)
WORD = re.compile(r"[A-Za-z_]\w*")


def definitions(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """The beginning of every top-level definition, and its text."""
    starts = list(BEGIN.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends):
        yield match, text[match.start() : end].rstrip()


class Stock:
    """The definitions of a folder."""

    def __init__(self, folder: Path, own: str) -> None:
        self.folder = folder
        self.own = own  # the package: what a module takes from another is no import of a program

    def __call__(self, name: str) -> Support:
        """The definition of that name, as a helper of programs."""
        return self._every[name]

    @cached_property
    def _every(self) -> dict[str, Support]:
        found: dict[str, Support] = {}
        for path in sorted(self.folder.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            bound = {
                part.strip().rpartition(" as ")[2]
                for module, names in IMPORT.findall(text)
                if not module.startswith(("__future__", self.own))
                for part in names.split(",")
            }
            for match, code in definitions(text):
                name = match.group("f") or match.group("c") or match.group("v")
                roots = tuple(sorted(bound & set(WORD.findall(code))))
                if name in found:
                    raise ValueError(f"{path}: {name} is defined twice")
                found[name] = Support(name, code + "\n", roots)
        return found
