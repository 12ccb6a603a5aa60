"""Where each weight of weights.safetensors lives in a Keras model: the end of model.py.

A lowering says it of its layer: `weights={"weight": At("kernel", (1, 0))}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from bmc.emit.layout import expression
from bmc.emit.pyexpr import DictExpr, lit
from bmc.emit.templates import render as fill
from bmc.records import record, replace


@record
class At:
    """Where a layer keeps a weight: its attribute, the order of its axes in the file.

    `note` is a comment. `test` is what holds for the layers that have it, where not all of a kind
    do. `shape` is the weight's shape in the file, as program text, where it has other axes there.
    """

    attribute: str
    axes: tuple[int, ...]
    note: str = ""
    test: str = ""
    shape: str = ""


@record
class Said:
    """Lines that say where all weights of a layer are, where they have much in common.

    Those that only layers with a bias need come under `biased` where others have none. `test`
    tells the layer where its class alone does not.
    """

    lines: tuple[str, ...]
    biased: str = ""
    test: str = ""

    def of(self, others: list[Said]) -> list[str]:
        """The lines for all layers of a kind."""
        if all(one.lines == self.lines for one in others):
            return list(self.lines)
        pads = {line: " " * (len(line) - len(line.lstrip())) for line in self.lines}
        found: list[str] = []
        for line in self.lines:
            if ".bias" in line:
                found.append(f"{pads[line]}if {self.biased}:")
                line = f"    {line}"
            found.append(line)
        return found


def _built_in(kind: tuple[str, object]) -> bool:
    """Whether a test is for a class of Keras: it is true of our own classes made from that."""
    return kind[0].startswith("isinstance(layer, layers.")


class Places:
    """The weights of all layers of a file, by the class that has them."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[Mapping[str, At]]] = {}
        self.said: dict[str, list[Said]] = {}
        self.renamed: dict[str, str] = {}  # layers that the weights file calls otherwise

    def add(self, kind: str, weights: Mapping[str, At | Said]) -> None:
        """Notes a layer of a class."""
        for said in weights.values():
            if isinstance(said, Said):
                test = said.test or f"isinstance(layer, {kind})"
                self.kinds.setdefault(test, [])
                self.said.setdefault(test, []).append(said)
                return
        self.kinds.setdefault(f"isinstance(layer, {kind})", []).append(weights)  # type: ignore[arg-type]

    def texts(self, inner: Literal["", "models", "scans"]) -> list[str]:
        """`Place` and `name_weights`; `inner` says what the model has layers in."""
        ats = [at for found in self.kinds.values() for weights in found for at in weights.values()]
        shaped = any(", shape)" in line for said in self.said.values() for line in said[0].lines)
        shaped = shaped or any(at.shape for at in ats)
        place = fill("bmc_keras", "place.py", shaped=shaped).rstrip("\n")
        branches: list[str] = []
        for test, found in sorted(self.kinds.items(), key=_built_in):
            if test not in self.said and not any(found):
                continue  # layers without weights
            word = "elif" if branches else "if"
            branches.append(f"        {word} {test}:")
            if test in self.said:
                longest = max(self.said[test], key=lambda said: len(said.lines))
                lines = longest.of(self.said[test])
            else:
                lines = _lines(found)
            branches += [f"            {line}" for said in lines for line in _fitting(said)]
        body = ["    weights: dict[str, Place] = {}"]
        named = "layer.name"
        if self.renamed:
            called = expression(DictExpr(tuple((lit(k), lit(v)) for k, v in self.renamed.items())))
            body += [f"    renamed = {called}  # what Keras calls an operation"]
            named = "renamed.get(layer.name, layer.name)"
        if branches:
            body += [
                f"    for layer in {'flat_layers(model)' if inner else 'model.layers'}:",
                f"        name = {named}",
                *branches,
            ]
        head = [
            "def name_weights(model: keras.Model) -> dict[str, Place]:",
            '    """Say where each weight of weights.safetensors lives in the model."""',
        ]
        flat = []
        if inner:
            scans = inner == "scans"
            flat.append(fill("bmc_keras", "flat_layers.py", scans=scans).rstrip("\n"))
        return [place, *flat, "\n".join([*head, *body, "    return weights"])]


def _lines(found: list[Mapping[str, At]]) -> list[str]:
    """The lines for one class; a weight that not all of its layers have stands under a test."""
    lines: list[str] = []
    open_test = ""
    for key in dict.fromkeys(key for weights in found for key in weights):
        forms = list(dict.fromkeys(weights[key] for weights in found if key in weights))
        always = all(key in weights for weights in found)
        test = "" if always else forms[0].test
        if test and test != open_test:
            lines.append(f"if {test}:")
        open_test = test
        lines += [("    " if test else "") + line for line in _forms(key, forms)]
    return lines


def _forms(key: str, forms: list[At]) -> list[str]:
    """The lines for one weight that layers of a class may have with different axes."""
    first = forms[0]
    if len(forms) == 1:
        return _line(key, first, expression(lit(first.axes)))
    if all(at.axes == tuple(range(len(at.axes))) for at in forms):
        shaped = replace(first, shape=max(at.shape for at in forms))
        return _line(key, shaped, f"tuple(range(len(layer.{first.attribute}.shape)))")
    lines: list[str] = []
    for at in forms:
        word = "elif" if lines else "if"
        lines.append(f"{word} len(layer.{at.attribute}.shape) == {len(at.axes)}:")
        lines += [f"    {line}" for line in _line(key, at, expression(lit(at.axes)))]
    return lines


def _fitting(line: str) -> list[str]:
    """A line as it is, or with what `Place` takes on a line of its own, or on a line each."""
    if len(line) + 12 <= 88 or "Place(" not in line:
        return [line]
    pad = " " * (len(line) - len(line.lstrip()))
    opening, inner = line.split("Place(", 1)
    inside = f"{pad}    {inner[:-1]}"
    parts = [inside]
    if len(inside) + 12 > 88:
        parts = [f"{pad}    {part}," for part in re.split(r", (?![^()]*\))", inner[:-1])]
    return [f"{opening}Place(", *parts, f"{pad})"]


def _line(key: str, at: At, axes: str) -> list[str]:
    """What `name_weights` says of one weight."""
    shape = f", {at.shape}" if at.shape else ""
    target = f'weights[f"{{name}}.{key}"]' if key else "weights[name]"
    made = f"Place(layer.{at.attribute}, {axes}{shape})"
    return [*([f"# {at.note}"] if at.note else []), f"{target} = {made}"]
