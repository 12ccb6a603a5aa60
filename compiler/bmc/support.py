"""`docs/support.md`: what each backend has, found by asking its rules for every sample.

`python -m bmc.support NAME …` prints the page with the columns of other installed backends, too.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from bmc import samples
from bmc.emit.backend import BUILT_IN, Lowerings, Site, Unsupported, find_backend, table_of
from bmc.emit.lowering import rule_for
from bmc.ops.base import Declaration, Layer, Sample
from bmc.ops.kinds import REGISTRY
from bmc.records import record

PROGRAMS = "bmc_programs"  # what programs do in NumPy, whatever the backend
TRAINING = {"bmc_torch": "PyTorch", "bmc_keras": "Keras"}
ALL = {PROGRAMS: "all programs"}
ABOUT = """\
What each backend makes of each layer. *yes* stands for every sample of the declaration, and the
contract (`tests/contract/layers`) has run each of them and compared the backends. *in part* and *no*
have their reasons below; such a use is refused by name, with its place (BM501)."""
MORE = """\
Beside these: `param` (learned tensors of one's own), layers and blocks that are used several
times, `dense(weight=embed.weight, bias=false)`, repeats, families, loops, `scan` over blocks with
`state`, and inputs of different lengths in a batch (`int[T, pad=0]`) are in all three."""


@record
class Family:
    """A family of declarations that programs train with; `columns` are packages and titles."""

    name: str
    title: str
    about: str
    columns: dict[str, str]


FAMILIES = (
    Family(
        "loss",
        "Losses",
        "In PyTorch and Keras a loss trains; every program evaluates it in NumPy. "
        "`tests/contract/test_losses.py` compares the three. A spec is refused for what one of them "
        "refuses.",
        {**TRAINING, PROGRAMS: "evaluation"},
    ),
    Family(
        "metric",
        "Metrics",
        "Every program computes them in NumPy, over a whole split.",
        {PROGRAMS: "evaluation"},
    ),
    Family("optimizer", "Optimisers", "Compared in `tests/contract/test_optimizers.py`.", TRAINING),
    Family(
        "schedule",
        "Schedules",
        "One pure function of the update's number, the same text in every program.",
        ALL,
    ),
    Family("source", "Data sources", "`data.py` is the same file in every program.", ALL),
    Family("split", "Splits", "", ALL),
    Family("step", "Data steps", "", ALL),
)
NUMPY = """\
Losses, metrics and predictions may be put together from layers without weights. Programs evaluate
these in NumPy (`tests/contract/test_values.py` compares them with PyTorch):"""


@cache
def _tables(package: str, family: str) -> tuple[Lowerings, ...]:
    """The tables of a package, any of which may have the rule of a declaration."""
    if package == PROGRAMS and family == "step":
        from bmc_programs.lower.table import BATCHING, PREPARING

        return (PREPARING, BATCHING)
    return (table_of(package),)


def refusals(declared: type[Declaration], package: str) -> list[tuple[str, str]]:
    """Samples of a declaration that a package refuses: their settings, and why."""
    found: list[tuple[str, str]] = []
    tables = _tables(package, declared.family)
    for table in tables:
        table.load(declared.__module__.rpartition(".")[2])
    if not any(declared in table.rules for table in tables):
        return [("", "it is not lowered yet")] * len(_samples(declared))
    if declared.family in ("source", "split", "step"):
        return []
    for sample in _samples(declared):
        op: Any = samples.make(declared, sample)
        types = tuple(map(samples.type_of, sample.inputs))
        made = op.infer(*types) if hasattr(op, "infer") else ()
        outputs = made if isinstance(made, tuple) else (made,)
        weights = op.weights(*types) if isinstance(op, Layer) else {}
        rule = rule_for(tables[0], op, Site(types, outputs, weights))
        if isinstance(rule, Unsupported):
            words = ", ".join(f"{k}={_shown(v)}" for k, v in sample.settings.items())
            found.append((words, rule.reason))
    return found


def _samples(declared: type[Declaration]) -> tuple[Sample, ...]:
    return declared.samples or (Sample(),)


def _shown(value: Any) -> str:
    return str(getattr(value, "name", value))


def nowhere(declared: type[Declaration]) -> bool:
    """Whether no backend carries out any sample of a declaration yet."""
    known = {family.name: family.columns for family in FAMILIES}
    known["layer"] = {package: "" for package in BUILT_IN.values()}
    columns = known.get(declared.family, {})
    asked = [len(refusals(declared, package)) for package in columns]
    return bool(asked) and min(asked) == len(_samples(declared))


def _matrix(family: str, columns: dict[str, str]) -> tuple[str, list[str]]:
    """The rows of a family, and the reasons for what is not all there."""
    rows = [f"| {family} | {' | '.join(columns.values())} |", "|---" * (1 + len(columns)) + "|"]
    reasons: list[str] = []
    for name, declared in sorted(REGISTRY[family].items()):
        cells = []
        for package, title in columns.items():
            refused = refusals(declared, package)
            whole = len(refused) == len(_samples(declared))
            cells.append("yes" if not refused else "no" if whole else "in part")
            for settings, why in dict.fromkeys(refused):
                call = f"`{name}({settings})`" if settings else f"`{name}`"
                reasons.append(f"- {title}, {call}: {why}")
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows), reasons


def _keys() -> str:
    """The keys of `train`, and which of them are honoured."""
    from bmc.ops.keys import KEYS

    rows = ["| key | PyTorch and Keras |", "|---|---|"]
    for key in KEYS.values():
        rows.append(f"| `{key.name}` | {'no' if key.later else 'yes'} |")
    return "\n".join(rows)


def _evaluated() -> str:
    table = table_of(PROGRAMS)
    names = []
    for name, declared in sorted(REGISTRY["layer"].items()):
        table.load(declared.__module__.rpartition(".")[2])
        if declared in table.rules:
            names.append(f"`{getattr(declared, 'sign', '') or name}`")
    return f"{NUMPY} {', '.join(names)}."


def support_page(others: tuple[str, ...] = ()) -> str:
    """The matrices, and the reasons; `others` are further backends that are installed."""
    samples.load_declarations()
    columns = {}
    for name in (*BUILT_IN, *others):
        backend = find_backend(name)
        if backend is None:
            raise SystemExit(f"there is no backend {name}")
        columns[backend.package] = backend.title
    rows, reasons = _matrix("layer", columns)
    parts = ["# Support", ABOUT, rows, "## Reasons", "\n".join(reasons), MORE]
    for family in FAMILIES:
        rows, reasons = _matrix(family.name, family.columns)
        unknown = "it is not lowered yet"  # said by the row
        told = [reason for reason in reasons if not reason.endswith(f": {unknown}")]
        parts += [f"## {family.title}", family.about, rows, "\n".join(dict.fromkeys(told))]
        if family.name == "metric":
            parts.append(_evaluated())
    parts += ["## Keys of `train`", _keys()]
    return "\n\n".join(filter(None, parts)) + "\n"


if __name__ == "__main__":
    print(support_page(tuple(sys.argv[1:])), end="")
