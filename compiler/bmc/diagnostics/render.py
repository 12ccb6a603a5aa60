"""Draws diagnostics: for people as annotated source, for tools as plain data.

Knows nothing of any single problem. Text that comes from a file is never printed raw: control
characters become visible escapes, so that a file can't drive the reader's terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from bmc.diagnostics.diagnostic import Diagnostic, Label, Problems
from bmc.records import record
from bmc.source import Source, Span

MOST_PER_FILE = 50
WIDEST = 160  # columns of quoted source; a longer line is cut around its labels
TAB = 4

_STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "frame": "1;34",
    "bold": "1",
    "help": "1;36",
}


def escape(text: str, *, keep_newlines: bool = False) -> str:
    """Text that is safe to print: control and invisible characters become escapes."""
    return "".join(_visible(c) if not (keep_newlines and c == "\n") else c for c in text)


def _visible(character: str) -> str:
    if character == "\t":
        return " " * TAB
    # Cc and Cf hold the terminal's controls and the marks that reorder text; Cs can't be written.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return ascii(character)[1:-1]
    return character


def _width(text: str) -> int:
    """Columns that escaped text takes in a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


# --- for people ---------------------------------------------------------------------------


def render(diagnostic: Diagnostic, color: bool = False) -> str:
    """The diagnostic as several lines of text, without a final line break."""
    paint = _Paint(color)
    severity = diagnostic.severity
    head = paint(f"{severity}[{diagnostic.code}]", severity)
    lines = [head + paint(f": {escape(diagnostic.message)}", "bold")]
    groups = list(_by_source(diagnostic))
    gutter = max((_gutter(labels) for _, labels in groups), default=1)
    for index, (source, labels) in enumerate(groups):
        lines += _snippet(source, labels, diagnostic.primary, gutter, paint, first=index == 0)
    pad = " " * gutter
    for kind, texts in (("note", diagnostic.notes), ("help", _optional(diagnostic.help))):
        for text in texts:
            style = "help" if kind == "help" else "bold"
            lines.append(f"{pad} {paint('=', 'frame')} {paint(kind, style)}: {escape(text)}")
    return "\n".join(lines)


def render_all(problems: Problems, color: bool = False) -> str:
    """All problems, at most 50 for each file, and how many more there are."""
    shown: dict[str, int] = {}
    parts: list[str] = []
    for problem in problems:
        name = problem.span.source.name
        shown[name] = shown.get(name, 0) + 1
        if shown[name] <= MOST_PER_FILE:
            parts.append(render(problem.diagnostic(), color))
    for name, count in shown.items():
        if count > MOST_PER_FILE:
            parts.append(f"… and {count - MOST_PER_FILE} more in {escape(name)}")
    return "\n\n".join(parts)


def summary_line(problems: Problems) -> str:
    """`2 errors, 1 warning`; empty when there is nothing to say."""
    counts = {"error": 0, "warning": 0}
    for problem in problems:
        counts[problem.severity] += 1
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items() if n)


@record
class _Paint:
    on: bool

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.on and text else text


def _optional(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _by_source(diagnostic: Diagnostic) -> Iterator[tuple[Source, list[Label]]]:
    """Labels by the file that they point into, the primary one's file first."""
    labels = [diagnostic.primary, *diagnostic.secondary]
    sources: list[Source] = []
    for label in labels:
        if label.span.source not in sources:
            sources.append(label.span.source)
    for source in sources:
        yield source, [label for label in labels if label.span.source is source]


def _gutter(labels: list[Label]) -> int:
    return max(len(str(_lines(label.span)[1])) for label in labels)


def _lines(span: Span) -> tuple[int, int]:
    """First and last line that a span touches."""
    first = span.source.position(_inside(span.source, span.start))[0]
    last_character = max(span.start, span.end - 1)
    return first, span.source.position(_inside(span.source, last_character))[0]


def _inside(source: Source, offset: int) -> int:
    return min(max(offset, 0), len(source.text))


@record
class _Mark:
    """A label's part on one line: columns `[start, end)` of the raw line, and its words."""

    start: int
    end: int
    text: str
    primary: bool


def _snippet(
    source: Source, labels: list[Label], primary: Label, gutter: int, paint: _Paint, *, first: bool
) -> list[str]:
    anchor = labels[0].span.start
    line, column = source.position(_inside(source, anchor))
    pad, bar = " " * gutter, paint("|", "frame")
    arrow = paint("-->" if first else ":::", "frame")
    head = f"{pad}{arrow} {escape(source.name)}"
    if not source.text:
        return [head]
    lines = [f"{head}:{line}:{column}", f"{pad} {bar}"]
    marks = _marks(source, labels, primary)
    before: int | None = None
    for number in sorted(marks):
        if before is not None and number > before + 2:
            lines.append(paint("…", "frame"))
        elif before is not None and number == before + 2:
            lines += _source_line(source, number - 1, [], gutter, paint)
        lines += _source_line(source, number, marks[number], gutter, paint)
        before = number
    return lines


def _marks(source: Source, labels: list[Label], primary: Label) -> dict[int, list[_Mark]]:
    """The marks on each line. A span of several lines is marked on its first and its last."""
    marks: dict[int, list[_Mark]] = {}
    for label in labels:
        span, is_primary = label.span, label is primary
        first, last = _lines(span)
        start = _inside(source, span.start) - source.line_starts[first - 1]
        end = _inside(source, span.end) - source.line_starts[last - 1]
        if first == last:
            marks.setdefault(first, []).append(
                _Mark(start, max(end, start + 1), label.text, is_primary)
            )
            continue
        text = source.line(first)
        marks.setdefault(first, []).append(
            _Mark(start, max(len(text.rstrip()), start + 1), "from here", is_primary)
        )
        indent = len(source.line(last)) - len(source.line(last).lstrip())
        words = f"to here: {label.text}" if label.text else "to here"
        marks.setdefault(last, []).append(
            _Mark(min(indent, end - 1), max(end, indent + 1), words, is_primary)
        )
    return marks


def _source_line(
    source: Source, number: int, marks: list[_Mark], gutter: int, paint: _Paint
) -> list[str]:
    """A line of source, and a line below it for each mark."""
    bar = paint("|", "frame")
    raw = source.line(number).rstrip("\r")
    low, high = _window(raw, marks)
    quoted = escape(raw[low:high])
    shown = ("…" if low else "") + quoted + ("…" if high < len(raw) else "")
    lines = [f"{paint(str(number).rjust(gutter), 'frame')} {bar} {shown}".rstrip()]
    blank = f"{' ' * gutter} {bar} "
    for mark in sorted(marks, key=lambda mark: (mark.start, not mark.primary)):
        start, end = min(max(mark.start, low), high), min(max(mark.end, low), high)
        offset = _width(escape(raw[low:start])) + bool(low)
        length = max(_width(escape(raw[start:end])), 1)
        sign = "^" if mark.primary else "-"
        style = "error" if mark.primary else "frame"
        words = f" {escape(mark.text)}" if mark.text else ""
        lines.append(blank + " " * offset + paint(sign * length + words, style))
    return lines


def _window(raw: str, marks: list[_Mark]) -> tuple[int, int]:
    """The part of a long line to show: around its first mark."""
    if len(raw) <= WIDEST:
        return 0, len(raw)
    start = min((mark.start for mark in marks), default=0)
    low = max(0, min(start - WIDEST // 4, len(raw) - WIDEST))
    return low, min(len(raw), low + WIDEST)


# --- for tools ----------------------------------------------------------------------------


def to_json(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic as plain data. Lines and columns count from 1; the end is exclusive."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.primary.span),
        "label": diagnostic.primary.text,
        "labels": [{**_place(label.span), "message": label.text} for label in diagnostic.secondary],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
    }


def all_to_json(problems: Problems) -> list[dict[str, object]]:
    """Every problem of a run as plain data, in order."""
    return [to_json(problem.diagnostic()) for problem in problems]


def _place(span: Span) -> dict[str, object]:
    source = span.source
    line, column = source.position(_inside(source, span.start))
    end_line, end_column = source.position(_inside(source, span.end))
    return {
        "file": source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }
