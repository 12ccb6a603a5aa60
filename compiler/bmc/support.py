"""`docs/support.md`: which layer each backend has, found by asking its rules for every sample."""

from __future__ import annotations

from importlib import import_module

from bmc import samples
from bmc.emit.backend import BUILT_IN, Lowerings, Site, Unsupported
from bmc.emit.lowering import rule_for
from bmc.ops.base import REGISTRY, Layer

TITLES = {"torch": "PyTorch", "keras": "Keras", "onnx": "ONNX"}
ABOUT = """\
What each backend makes of each layer. *yes* stands for every sample of the declaration, and the
contract (`tests/layers`) has run each of them and compared the backends. *in part* and *no* have
their reasons below; such a use is refused by name, with its place (BM501)."""
MORE = """\
Beside these: `param` (learned tensors of one's own), layers and blocks that are used several
times, `dense(weight=embed.weight, bias=false)`, repeats, families, loops, `scan` over blocks with
`state`, and inputs of different lengths in a batch (`int[T, pad=0]`) are in all three."""


def table(backend: str) -> Lowerings:
    """The rules of a backend."""
    found: Lowerings = import_module(f"{BUILT_IN[backend]}.lower.table").LOWERINGS
    return found


def refusals(declared: type[Layer], backend: str) -> dict[str, str]:
    """Why a backend refuses samples of a layer, by the sample's settings."""
    found: dict[str, str] = {}
    for sample in declared.samples:
        op = samples.make(declared, sample)
        types = tuple(map(samples.type_of, sample.inputs))
        made = op.infer(*types)
        outputs = made if isinstance(made, tuple) else (made,)
        rule = rule_for(table(backend), op, Site(types, outputs, op.weights(*types)))
        if isinstance(rule, Unsupported):
            found[", ".join(f"{k}={v}" for k, v in sample.settings.items())] = rule.reason
    return found


def support_page() -> str:
    """The matrix, and the reasons."""
    samples.load_declarations()
    rows = [f"| layer | {' | '.join(TITLES.values())} |", "|---|---|---|---|"]
    reasons: list[str] = []
    for name, declared in sorted(REGISTRY["layer"].items()):
        assert issubclass(declared, Layer)
        cells = []
        for backend, title in TITLES.items():
            refused = refusals(declared, backend)
            whole = len(refused) == len(declared.samples)
            cells.append("yes" if not refused else "no" if whole else "in part")
            for settings, why in dict.fromkeys(refused.items()):
                call = f"`{name}({settings})`" if settings else f"`{name}`"
                reasons.append(f"- {title}, {call}: {why}")
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    parts = ["# Support", ABOUT, "\n".join(rows), "## Reasons", "\n".join(reasons), MORE]
    return "\n\n".join(parts) + "\n"
