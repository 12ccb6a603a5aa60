"""What a backend can't do. BM5xx."""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from bmc.diagnostics.diagnostic import Diagnostic, Problem
from bmc.diagnostics.suggest import did_you_mean, listing
from bmc.records import record


@record
class Unsupported(Problem, code="BM501"):
    """A layer, setting or word that the chosen backend can't carry out.

    Every backend does all of a file or refuses it; none leaves something out. `docs/support.md`
    shows what each one does.

    Example:
        bmc compile model.bm --backend onnx

    Fix:
        Choose another backend, or another layer.
    """

    backend: str
    what: str
    reason: str
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"the {self.backend} backend does not support {self.what}",
            notes=(self.reason,) if self.reason else (),
            help=self.help,
        )


@record
class UnknownBackend(Problem, code="BM502"):
    """A backend that is not installed.

    Example:
        bmc compile model.bm --backend troch

    Fix:
        Use one of the backends that the message lists.
    """

    name: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        notes = (f"the backends are {listing(self.candidates)}",) if self.candidates else ()
        return self.build(
            f"there is no backend `{self.name}`",
            notes=notes,
            help=did_you_mean(self.name, self.candidates),
        )
