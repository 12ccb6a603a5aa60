"""Writes the reference pages that follow from declarations: `docs/errors.md`, `docs/layers.md`.

`python -m bmc.docs --write` writes them, `--check` says whether they are fresh. The pages of
`bmc explain` come from here too. Facts are only read from the declarations, never typed here.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

from bmc import refresh, samples
from bmc.curve import curve
from bmc.diagnostics.diagnostic import Problem
from bmc.diagnostics.problems import every_problem
from bmc.diagnostics.render import escape
from bmc.diagnostics.suggest import did_you_mean
from bmc.ops.base import REQUIRED, Declaration, Layer, Sample, Setting
from bmc.ops.keys import KEYS
from bmc.ops.kinds import REGISTRY, Measure, Word
from bmc.ops.schedules import Schedule
from bmc.support import nowhere, support_page
from bmc.types.tensor import TensorType, show_shape

FOLDER = Path(__file__).resolve().parents[2] / "docs"
HEADER = "<!-- Written by `python -m bmc.docs --write`; edit the declarations, not this page. -->"
STAGES = {
    "0": "Syntax",
    "1": "Names",
    "2": "Settings",
    "3": "Shapes and sizes",
    "4": "Data and training",
    "5": "Backends",
    "6": "Files",
}
FAMILIES = {
    "initializer": "Initialisers",
    "positions": "Position schemes",
    "loss": "Losses",
    "metric": "Metrics",
    "optimizer": "Optimisers",
    "schedule": "Schedules",
    "stop": "Stopping",
    "checkpoint": "Checkpoints",
    "strategy": "Strategies",
    "weights": "Starting weights",
    "source": "Data sources",
    "step": "Data steps",
    "split": "Splits",
    "reduction": "Reductions",
    "writer": "Writers",
}


# --- problems -----------------------------------------------------------------------------


def errors_page() -> str:
    """`docs/errors.md`: every problem by code."""
    parts = [HEADER, "# Errors", "`bmc explain CODE` prints any of these."]
    stage = ""
    for code, problem in every_problem().items():
        if code[2] != stage:
            stage = code[2]
            parts.append(f"## BM{stage}xx: {STAGES[stage]}")
        parts.append(problem_page(problem, "###"))
    return "\n\n".join(parts) + "\n"


def problem_page(problem: type[Problem], mark: str) -> str:
    """One problem's page: what it means, an example, how to fix it."""
    text, example, fix = problem_parts(problem)
    title, _, rest = text.partition("\n\n")
    kind = "" if problem.severity == "error" else f" ({problem.severity})"
    parts = [f"{mark} {problem.code}{kind}: {title.rstrip('.')}"]
    parts += [rest] if rest else []
    language = "sh" if example.startswith("bmc ") else "bm"
    parts += ["Example:", f"```{language}\n{example}\n```", f"Fix: {fix}"]
    return "\n\n".join(parts)


def problem_parts(problem: type[Problem]) -> tuple[str, str, str]:
    """A problem's docstring: its text, its `Example:` and its `Fix:`. Raises `ValueError`."""
    text = inspect.getdoc(problem) or ""
    match = re.fullmatch(r"(.*)\n\nExample:\n(.*)\n\nFix:\n(.*)", text, re.DOTALL)
    if match is None:
        raise ValueError(f"{problem.__name__} needs a text, `Example:` and `Fix:`, in this order")
    about, example, fix = match.groups()
    return about, inspect.cleandoc(f"\n{example}"), " ".join(fix.split())


# --- declarations -------------------------------------------------------------------------


def layers_page() -> str:
    """`docs/layers.md`: every layer by its module, then everything else that is declared."""
    samples.load_declarations()
    parts = [HEADER, "# Layers and everything else that a file can name"]
    groups: dict[str, list[type[Declaration]]] = {}
    for declaration in REGISTRY["layer"].values():
        if not getattr(declaration, "sign", ""):
            stem = declaration.__module__.rpartition(".")[2]
            groups.setdefault(f"Layers: {stem}", []).append(declaration)
    ordered = dict(sorted(groups.items()))
    for family, title in FAMILIES.items():
        if REGISTRY[family]:
            ordered[title] = list(REGISTRY[family].values())
    for title, declarations in ordered.items():
        parts.append(f"## {title}")
        parts += [declaration_page(d, "###") for d in sorted(declarations, key=lambda d: d.name)]
    parts += ["## Keys of `train`", _keys()]
    return "\n\n".join(parts) + "\n"


def _keys() -> str:
    rows = ["| key | subject | takes | default | what it is |", "|---|---|---|---|---|"]
    for key in KEYS.values():
        default = "none" if key.default is None else f"`{_value(key.default)}`"
        if key.default is REQUIRED:
            default = "required"
        doc = f"{key.doc}; comes with a later version" if key.later else key.doc
        rows.append(_row(f"`{key.name}`", key.subject or "", key.kind.description, default, doc))
    return "\n".join(rows)


def declaration_page(declaration: type[Declaration], mark: str) -> str:
    """One declaration's page: what it does, its settings, shapes and weights of a sample."""
    parts = [f"{mark} `{declaration.name}`", inspect.getdoc(declaration) or ""]
    if nowhere(declaration):
        parts.append("*No backend has it yet.*")
    if declaration.settings:
        rows = [_setting_row(setting) for setting in declaration.settings.values()]
        for name, about in declaration.besides.items():
            rows.append(_row(f"`{name}`", "an entry like `data.w`", "none", about))
        head = "| setting | takes | default | what it is |\n|---|---|---|---|"
        parts.append("\n".join([head, *rows]))
    if issubclass(declaration, Layer):
        shapes = [
            text for sample in declaration.samples[:3] if (text := _shapes(declaration, sample))
        ]
        if shapes:
            parts.append("\n".join(shapes))
    return "\n\n".join([*parts, *_curves(declaration)])


def _curves(declaration: type[Declaration]) -> list[str]:
    """How the rate of a schedule goes, in a run of 20 epochs."""
    drawn = declaration.drawn if issubclass(declaration, Schedule) else ()
    found = []
    for sample in drawn:
        schedule = samples.make(declaration, sample)
        found.append(f"`{_value(schedule)}` in a run of 20 epochs:")
        found.append(f"```text\n{curve(schedule.rates(1.0, 1000, 50), 'lr')}\n```")
    return found


def _setting_row(setting: Setting) -> str:
    value = setting.default
    if isinstance(value, str) and value in setting.kind.words():
        value = Word(value)
    default = "none" if value is None else f"`{_value(value)}`"
    if setting.required:
        default = "required"
    return _row(f"`{setting.name}`", setting.kind.description, default, setting.doc)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(value: Any) -> str:
    """A value as a file would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "inf" if math.isinf(value) else f"{float(value):g}"
    if isinstance(value, Measure):
        share = value.unit == "%"
        return f"{100 * value.value:g}%" if share else f"{value.value:g} {value.unit}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Declaration):
        given = [
            f"{key}={_value(item)}"
            for key, item in value.values().items()
            if item is not None and item != value.settings[key].default
        ]
        return f"{value.name}({', '.join(given)})" if given else value.name
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(getattr(value, "id", value))


def _shapes(declaration: type[Layer], sample: Sample) -> str:
    """A sample as a line: the call, types in and out, shapes of the weights."""
    values = samples.settings(declaration, sample)
    op = declaration.make(values)
    inputs = tuple(map(samples.type_of, sample.inputs))
    made = op.infer(*inputs)
    weights = op.weights(*inputs)
    outputs = made if isinstance(made, tuple) else (made,)
    settings = ", ".join(f"{key}={_value(value)}" for key, value in values.items())
    call = f"{declaration.name}({settings})" if settings else declaration.name
    line = f"- `{call}`: {_types(inputs)} → {_types(outputs)}"
    if weights:
        named = ", ".join(f"`{name}` {show_shape(w.shape)}" for name, w in weights.items())
        line += f"; weights {named}"
    return line


def _types(types: tuple[TensorType, ...]) -> str:
    return ", ".join(f"`{kind}`" for kind in types)


# --- pages --------------------------------------------------------------------------------


def page(topic: str) -> str | None:
    """The page of a problem's code, of a declared name or of a word of the language, or None."""
    problem = every_problem().get(topic.upper())
    if problem is not None:
        return problem_page(problem, "#")
    samples.load_declarations()
    found = [REGISTRY[f][topic] for f in REGISTRY if f != "mask" and topic in REGISTRY[f]]
    from bmc import words

    told = [text] if (text := words.page(topic)) else []
    return "\n\n".join([*told, *(declaration_page(one, "#") for one in found)]) or None


def nothing(topic: str) -> str:
    """What is said of a topic without a page."""
    from bmc.words import WORDS

    declared = [name for family in REGISTRY.values() for name in family]
    known = (*every_problem(), *WORDS, *KEYS, *declared)
    help = did_you_mean(topic, known) or "see docs/language.md and docs/layers.md"
    return f"there is no page on {escape(topic)}: {help}"


def _support_page() -> str:
    return f"{HEADER}\n\n{support_page()}"


PAGES = {"errors.md": errors_page, "layers.md": layers_page, "support.md": _support_page}


def stale() -> list[str]:
    """Names of the pages that are not as they would be written now."""
    return [path.name for path in refresh.stale(files())]


def files() -> dict[Path, str]:
    """Every page, with its text."""
    return {FOLDER / name: make() for name, make in PAGES.items()}


if __name__ == "__main__":
    sys.exit(refresh.main("bmc.docs", files()))
