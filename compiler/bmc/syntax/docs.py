"""Which `##` comments document what.

A group of `##` lines that touches a declaration or statement is its documentation. A group at the
top of a file, with an empty line below it, is the file's.
"""

from __future__ import annotations

from bmc.source import Source
from bmc.syntax.lexer import Token


class Docs:
    """The documentation comments of a file, by the line that follows them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.after: dict[int, str] = {}
        self.file: str | None = None
        group: list[str] = []
        last = 0
        for line in range(1, len(source.line_starts) + 1):
            text = source.line(line).strip()
            if not text.startswith("##"):  # no word of the language begins so
                continue
            if line != last + 1:
                group = []
            group.append(text[2:].strip())
            last = line
            self.after.pop(line, None)
            self.after[line + 1] = "\n".join(group).strip()
        self._take_file()

    def _take_file(self) -> None:
        """The first group is the file's when only comments stand above it and no line touches it."""
        for line in sorted(self.after):
            above = [self.source.line(number).strip() for number in range(1, line)]
            if any(text and not text.startswith("#") for text in above):
                return
            lines = len(self.source.line_starts)
            if line > lines or not self.source.line(line).strip():
                self.file = self.after[line] or None
            return

    def of(self, token: Token) -> str | None:
        """The documentation of what begins with this token."""
        return self.at(token.start)

    def at(self, offset: int) -> str | None:
        """The documentation of what begins at this offset."""
        if not self.after:
            return None
        line = self.source.position(offset)[0]
        return self.after.get(line) or None
