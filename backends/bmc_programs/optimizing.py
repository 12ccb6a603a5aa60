"""The optimisers of a run as programs have them: for the whole model, or for parts of it."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from bmc.emit.backend import NOWHERE, Lowerings, Support, Update
from bmc.emit.gate import HEADER
from bmc.emit.imports import Import, import_block
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Bin, Expr, Name, lit
from bmc.ops.optimizers import Optimizer
from bmc.records import field, record, replace
from bmc_programs.files import STANDARD
from bmc_programs.run import Run, name

# Variables of `create_optimizer`, and what it calls.
LOCALS = {
    "groups", "kept", "matrices", "p", "pairs", "place", "places", "rest", "rest_groups",
    *map(str.lower, dir(builtins)),
}  # fmt: skip


@record
class Part:
    """The weights under a path (of all the rest it is empty), and what changes them."""

    path: str
    optimizer: Optimizer
    update: Update
    word: str = "rest"  # as a variable, and before its constants
    common: Mapping[str, Any] = field(default_factory=dict)  # constants that it may share

    def values(self) -> dict[str, Any]:
        """Its settings, by the names that the constants of a single optimiser have."""
        found = {"LEARNING_RATE": self.optimizer.lr}
        found |= {key: value for key, (_, value) in self.update.settings.items()}
        if self.optimizer.weight_decay:
            found["WEIGHT_DECAY"] = self.optimizer.weight_decay
        return found

    def constant(self, key: str) -> str:
        """The constant of a setting: of this part alone, or that of the rest of the model."""
        own = self.path and self.common.get(key) != self.values()[key]
        return f"{self.word.upper()}_{key}" if own else key

    def constants(self) -> dict[str, Any]:
        """Its constants."""
        return {self.constant(key): value for key, value in self.values().items()}

    @property
    def rate(self) -> Expr:
        """The constant of its learning rate."""
        return Name(self.constant("LEARNING_RATE"))

    @property
    def share(self) -> Expr:
        """Its rate as a share of the rate that a schedule sets."""
        main = Name("LEARNING_RATE")
        return lit(1.0) if self.rate == main else Bin("/", self.rate, main)

    def settings(self) -> dict[str, Expr]:
        """The keywords that it is made with, besides the rate."""
        named: dict[str, Expr] = {
            keyword: Name(self.constant(key)) for key, (keyword, _) in self.update.settings.items()
        }
        if self.optimizer.weight_decay:
            named["weight_decay"] = Name(self.constant("WEIGHT_DECAY"))
        return named | {keyword: lit(value) for keyword, value in self.update.fixed.items()}

    @property
    def spares(self) -> bool:
        """Whether weights of one axis do not decay, while others do."""
        return bool(self.optimizer.weight_decay) and not self.optimizer.decay_norm


def parts_of(run: Run, table: Lowerings) -> list[Part]:
    """The optimisers as a backend has them; all the rest of the model comes last."""
    found = []
    for group in run.train.optimizers:
        update = rule_for(table, group.optimizer, NOWHERE)
        assert isinstance(update, Update)
        found.append(Part(group.path, group.optimizer, update))
    *others, rest = found
    common = rest.values()
    named: list[Part] = []
    words = LOCALS | {part.update.kind.lower() for part in found}
    constants = set(common)
    for part in others:
        part = replace(part, word=name(part.path), common=common)
        while part.word.lower() in words or constants & _own(part):
            part = replace(part, word=f"{part.word}_")
        words |= {part.word.lower(), f"{part.word}_groups".lower()}
        constants |= _own(part)
        named.append(part)
    return [*named, replace(rest, common=common)]


def _own(part: Part) -> set[str]:
    """The constants that it shares with no other."""
    return {constant for key in part.values() if (constant := part.constant(key)) != key}


def about_optimizer(parts: Sequence[Part]) -> str | None:
    """The docstring of `create_optimizer`, if there is more to say than its name."""
    told = [parts[-1].optimizer.name]
    for part in parts[:-1]:
        same = part.optimizer.name == told[0]
        told.append(
            f"`{part.path}` {'at its own settings' if same else f'by {part.optimizer.name}'}"
        )
    if any(part.spares for part in parts):
        told.append("biases and normalisation weights, of one axis, do not decay")
    return "; ".join(told) + "." if len(told) > 1 else None


def optimizer_file(
    classes: Sequence[Support], doc: str, names: Mapping[str, Import]
) -> dict[str, str]:
    """optimizer.py: the classes that the run uses, and what those stand on; none of the framework's.

    `names` are the imports that definitions may have.
    """
    if not classes:
        return {}
    code = [one.code.rstrip("\n") for one in classes]
    imports = import_block("\n".join(code), {**STANDARD, **names})
    head = f'{HEADER}"""{doc}"""\n\n{imports}'
    return {"optimizer.py": "\n\n\n".join([head.rstrip("\n"), *code]) + "\n"}


def names_of(classes: Sequence[Support]) -> dict[str, Import]:
    """The imports of what optimizer.py defines."""
    return {one.name: Import("optimizer", one.name) for one in classes}


def optimizer_constants(parts: Sequence[Part], schedule: Mapping[str, Any]) -> dict[str, Any]:
    """The constants of all of them, those of the schedule after the rate that it changes."""
    main = parts[-1].constants()
    found = {"LEARNING_RATE": main.pop("LEARNING_RATE"), **schedule, **main}
    if len(parts) > 1:
        found["PARTS"] = tuple(f"{part.path}." if part.path else "" for part in parts)
    for part in parts[:-1]:
        found |= part.constants()
    return found
