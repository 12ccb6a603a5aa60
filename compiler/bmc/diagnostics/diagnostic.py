"""What a problem is, and the list that passes add problems to.

Checks build problems; only problems write prose; only `render` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from bmc.records import field, record
from bmc.source import Span

Severity = Literal["error", "warning"]


@record
class Label:
    """A span with a few words on what is there."""

    span: Span
    text: str = ""


@record
class Diagnostic:
    """A problem in the form that people and tools read."""

    code: str
    severity: Severity
    message: str
    primary: Label
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None


@record
class Problem:
    """Base of every problem: a frozen dataclass with a code and a `diagnostic()`.

    The docstring of a subclass is its page in `bmc explain CODE` and `docs/errors.md`:
    a first line that names what is wrong, then `Example:` and `Fix:` sections.
    """

    code: ClassVar[str] = ""
    severity: ClassVar[Severity] = "error"
    registry: ClassVar[dict[str, type[Problem]]] = {}

    span: Span

    def __init_subclass__(cls, code: str, severity: Severity = "error", **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if code in Problem.registry:
            raise TypeError(f"diagnostic code {code} is declared twice")
        cls.code = code
        cls.severity = severity
        Problem.registry[code] = cls

    def diagnostic(self) -> Diagnostic:
        """The problem as message, labels, notes and help."""
        raise NotImplementedError

    def build(
        self,
        message: str,
        label: str = "",
        *,
        also: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> Diagnostic:
        """A diagnostic with this problem's code, severity and span."""
        return Diagnostic(
            self.code, self.severity, message, Label(self.span, label), also, notes, help
        )


@record(frozen=False)
class Problems:
    """The problems found in one run, kept once each."""

    items: list[Problem] = field(default_factory=list)
    known: set[tuple[str, Problem]] = field(default_factory=set)
    errors: int = 0

    def add(self, problem: Problem) -> None:
        """Keep a problem unless the same one is kept already."""
        key = (problem.span.source.name, problem)
        if key in self.known:
            return
        self.known.add(key)
        self.items.append(problem)
        self.errors += problem.severity == "error"

    @property
    def failed(self) -> bool:
        """Whether any problem is an error."""
        return self.errors > 0

    def __iter__(self) -> Iterator[Problem]:
        """Problems by file, then position, then code."""
        key = lambda p: (p.span.source.name, p.span.start, p.span.end, p.code)  # noqa: E731
        return iter(sorted(self.items, key=key))

    def __len__(self) -> int:
        return len(self.items)
