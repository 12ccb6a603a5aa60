"""`docs/support.md`: what each backend has, found by asking its rules for every sample."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bmc import samples
from bmc.emit.backend import BUILT_IN, Lowerings, Site, Unsupported
from bmc.emit.lowering import rule_for
from bmc.ops.base import REGISTRY, Declaration, Layer

TITLES = {"torch": "PyTorch", "keras": "Keras", "onnx": "ONNX"}
ABOUT = """\
What each backend makes of each layer. *yes* stands for every sample of the declaration, and the
contract (`tests/layers`) has run each of them and compared the backends. *in part* and *no* have
their reasons below; such a use is refused by name, with its place (BM501)."""
MORE = """\
Beside these: `param` (learned tensors of one's own), layers and blocks that are used several
times, `dense(weight=embed.weight, bias=false)`, repeats, families, loops, `scan` over blocks with
`state`, and inputs of different lengths in a batch (`int[T, pad=0]`) are in all three."""


EVALUATION = "bmc_programs"  # in NumPy, whatever the backend
ABOUT_LOSSES = """\
In PyTorch and Keras a loss trains; every program evaluates it in NumPy. `tests/losses` compares
the three. What one of them refuses, the program's spec is refused for."""
COMPARED = {
    "loss": (
        "Losses",
        ABOUT_LOSSES,
        {"torch": "PyTorch", "keras": "Keras", EVALUATION: "evaluation"},
    ),
    "metric": (
        "Metrics",
        "Every program computes them in NumPy, over a whole split.",
        {EVALUATION: "evaluation"},
    ),
}


def table(backend: str) -> Lowerings:
    """The rules of a backend."""
    package = BUILT_IN.get(backend, backend)
    found: Lowerings = import_module(f"{package}.lower.table").LOWERINGS
    return found


def refusals(declared: type[Declaration], backend: str) -> list[tuple[str, str]]:
    """Samples of a declaration that a backend refuses: their settings, and why."""
    found: list[tuple[str, str]] = []
    for sample in declared.samples:
        op: Any = samples.make(declared, sample)
        types = tuple(map(samples.type_of, sample.inputs))
        made = op.infer(*types)
        outputs = made if isinstance(made, tuple) else (made,)
        weights = op.weights(*types) if isinstance(op, Layer) else {}
        rule = rule_for(table(backend), op, Site(types, outputs, weights))
        if isinstance(rule, Unsupported):
            words = ", ".join(f"{k}={v}" for k, v in sample.settings.items())
            found.append((words, rule.reason))
    return found


def _matrix(family: str, titles: dict[str, str]) -> tuple[str, list[str]]:
    """The rows of a family, and the reasons for what is not all there."""
    rows = [f"| {family} | {' | '.join(titles.values())} |", "|---" * (1 + len(titles)) + "|"]
    reasons: list[str] = []
    for name, declared in sorted(REGISTRY[family].items()):
        cells = []
        for backend, title in titles.items():
            refused = refusals(declared, backend)
            whole = len(refused) == len(declared.samples)
            cells.append("yes" if not refused else "no" if whole else "in part")
            for settings, why in dict.fromkeys(refused):
                call = f"`{name}({settings})`" if settings else f"`{name}`"
                reasons.append(f"- {title}, {call}: {why}")
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows), reasons


def support_page() -> str:
    """The matrices, and the reasons."""
    samples.load_declarations()
    rows, reasons = _matrix("layer", TITLES)
    parts = ["# Support", ABOUT, rows, "## Reasons", "\n".join(reasons), MORE]
    for family, (title, about, titles) in COMPARED.items():
        rows, reasons = _matrix(family, titles)
        unknown = "it is not lowered yet"  # said by the row
        told = [reason for reason in reasons if not reason.endswith(f": {unknown}")]
        parts += [f"## {title}", about, rows, "\n".join(dict.fromkeys(told))]
    return "\n\n".join(parts) + "\n"
