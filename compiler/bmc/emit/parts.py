"""Program text in real files: the definitions in a backend's folder `parts`, found by name.

A program gets a whole top-level definition, as it stands; what it imports is read off its words.
Nothing is imported to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from textwrap import indent
from typing import Any

from bmc.emit.backend import Support

# A top-level definition begins with one of these; what follows is indented, or its last line.
BEGIN = re.compile(
    r"^(?:[@#].*\n)*(?:def (?P<f>\w+)|class (?P<c>\w+)|(?P<v>[A-Za-z_]\w*) = )", re.MULTILINE
)
# So does a method of a class.
METHOD = re.compile(r"^    (?:@\w+\n    )?def (\w+)", re.MULTILINE)
END = re.compile(r"^\S", re.MULTILINE)  # of a class
OWN = re.compile(r"\bself\.(\w+)\(")
IMPORT = re.compile(r"^(?:from (\S+) )?import ([^\n(]+)$", re.MULTILINE)
LISTED = re.compile(r"^from \S+ import \([^)]*\)", re.MULTILINE)
WORD = re.compile(r"[A-Za-z_]\w*")


def definitions(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """The beginning of every top-level definition, and its text."""
    starts = list(BEGIN.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends):
        yield match, text[match.start() : end].rstrip()


def imports(text: str) -> list[tuple[str, str]]:
    """The imports of a module: where from, and the names."""
    flat = LISTED.sub(lambda found: " ".join(re.sub(r"[()\s]", " ", found[0]).split()), text)
    return [(module, names.rstrip(", ")) for module, names in IMPORT.findall(flat)]


class Stock:
    """The definitions of a folder; what it has not may be in another stock."""

    def __init__(self, folder: Path, own: str, shared: Stock | None = None) -> None:
        self.folder = folder
        self.own = own  # the package: what a module takes from another is no import of a program
        self.shared = shared

    def __call__(self, name: str) -> Support:
        """The definition of that name, as a helper of programs."""
        return self.known[name]

    @property
    def known(self) -> dict[str, Support]:
        """All definitions by name."""
        return self._every if self.shared is None else {**self.shared.known, **self._every}

    @cached_property
    def _every(self) -> dict[str, Support]:
        found: dict[str, Support] = {}
        for path in sorted(self.folder.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            others = [self.own, *([self.shared.own] if self.shared is not None else [])]
            bound = {
                part.strip().rpartition(" as ")[2]
                for module, names in imports(text)
                if not module.startswith(("__future__", *others))
                for part in names.split(",")
            }
            for match, code in definitions(text):
                name = match.group("f") or match.group("c") or match.group("v")
                roots = tuple(sorted(bound & set(WORD.findall(code))))
                if name in found:
                    raise ValueError(f"{path}: {name} is defined twice")
                found[name] = Support(name, code + "\n", roots)
        return found


def filled(
    package: str,
    template: str,
    name: str,
    roots: tuple[str, ...],
    general: int = 0,
    **flags: Any,
) -> Support:
    """A definition from a template, for what depends on more than its name."""
    from bmc.emit.templates import Code, render

    return Support(name, render(package, template, name=Code(name), **flags), roots, general)


class Methods:
    """The methods of the classes of a folder, for one class of a program.

    `others` are methods that the class may have from elsewhere; functions of the stock `shared`
    are static methods of it.
    """

    def __init__(
        self, folder: Path, others: tuple[str, ...] = (), shared: Stock | None = None
    ) -> None:
        self.folder, self.others, self.shared = folder, others, shared

    def __call__(self, name: str, *more: str) -> Support:
        """The method of that name; `more` are methods that its callers need beside it."""
        code = self._every[name]
        own = dict.fromkeys(word for word in OWN.findall(code) if word != name)
        known = {*self._every, *self.others}
        return Support(name, code, (*(word for word in own if word in known), *more))

    @cached_property
    def _every(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, helper in self.shared.known.items() if self.shared is not None else ():
            found[name] = indent(f"@staticmethod\n{helper.code}", "    ")
        for path in sorted(self.folder.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            starts = list(METHOD.finditer(text))
            for match, after in zip(starts, [*starts[1:], None]):
                end = len(text) if after is None else after.start()
                stop = END.search(text, match.end(), end)
                code = text[match.start() : stop.start() if stop else end].rstrip() + "\n"
                if match.group(1) in found:
                    raise ValueError(f"{path}: {match.group(1)} is defined twice")
                found[match.group(1)] = code
        return found
