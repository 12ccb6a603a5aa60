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
class Nowhere(Problem, code="BM505", severity="warning"):
    """Something that the language has and that no backend carries out yet.

    The file is right; compiling it is refused (BM501). `docs/support.md` shows what there is.

    Example:
        train {
          loss      = (y, label) -> cross_entropy
          optimizer = adam(lr=1e-3)
          precision = fp16
          epochs    = 3
        }

    Fix:
        Use what the page shows as there, or wait for it.
    """

    what: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"no backend does {self.what} yet", notes=(self.reason,) if self.reason else ()
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


@record
class VerifyFailed(Problem, code="BM503"):
    """A comparison of programs that could not be made.

    `bmc verify` runs the programs of several backends; each needs its framework's packages, and
    all of them numpy.

    Example:
        bmc verify model.bm --backends torch,keras

    Fix:
        Install what the message names, or leave the backend out.
    """

    backend: str
    what: str
    help: str | None = None

    def diagnostic(self) -> Diagnostic:
        return self.build(f"{self.backend} {self.what}", help=self.help)


@record
class WeightsDiffer(Problem, code="BM504"):
    """A file of weights that does not fit the model.

    `bmc weights model.bm` lists the tensors that a model expects, with their shapes. Names are
    the path of the author's names; shapes are those of PyTorch.

    Example:
        bmc verify model.bm --weights other.safetensors

    Fix:
        Use the weights of this model, or map the names of another's with `names="map.json"`.
    """

    what: str
    names: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.build(self.what, notes=self.names)
