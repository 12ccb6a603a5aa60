"""start.py: reads weights that were made elsewhere, under the names of the model."""

from __future__ import annotations

import re

from bmc.emit.gate import HEADER
from bmc.emit.layout import expression, render
from bmc.emit.pyexpr import Assign, DictExpr, Expr, ListExpr, Name, Statement, TupleExpr, call, lit
from bmc.emit.templates import Code
from bmc.emit.templates import render as fill
from bmc.ir.name_map import FOLDED, Entry, NameMap
from bmc.ir.training import Pretrained
from bmc_programs.run import Run


def start_file(start: Pretrained) -> str:
    """start.py; without a map the names of the file are those of the model."""
    changes = Code("" if start.names is None else _changes(start.names.entries))
    table = start.names or NameMap(())
    names = table.entries
    patterns = [one.source for one in names] + [one.target for one in table.missing]
    folds = any(one.fold is not None for one in names)
    return fill(
        "bmc_programs",
        "start.py",
        header=Code(HEADER.rstrip("\n")),
        changes=changes,
        anew=lit_of(start.anew),
        sharded=start.file.endswith(".json"),
        reading=Code("read_shards" if start.file.endswith(".json") else "read_tensors"),
        counted=any(re.search(r"\{\w+[/+-]", name) for one in names for name in one.targets),
        sized=any(one.sizes for one in names),
        joined=any(one.part is not None for one in names),
        added=any(one.add for one in names),
        holed=any("" in one.targets for one in names),
        plus=any(one.plus for one in names),
        scaled=any(one.length for one in names),
        words=Code(_table("WORDS", table.words)),
        spread=any("*}" in pattern for pattern in patterns),
        folds=Code(_table("PARTS", tuple(FOLDED.items())) if folds else ""),
        missing=Code(_table("MISSING", tuple((m.target, m.number) for m in table.missing))),
    )


def lit_of(parts: tuple[str, ...]) -> Code:
    """`("head.", "norm.")`, the beginnings of the names that are left out."""
    return Code(expression(lit(tuple(f"{part}." for part in parts))) if parts else "")


def _changes(entries: tuple[Entry, ...]) -> str:
    """`CHANGES = [Change("wte.weight", ("embed.weight",)), …]`"""
    made: list[Expr] = []
    for entry in entries:
        keys = ("view", "axes", "shape", "sizes", "add", "plus", "length")
        named = {key: lit(getattr(entry, key)) for key in keys if getattr(entry, key)}
        rest = {"part": entry.part, "fold": entry.fold}
        named |= {key: lit(number) for key, number in rest.items() if number is not None}
        to = [TupleExpr(tuple(lit(name) for name in entry.targets))] if entry.targets else []
        made.append(call("Change", entry.source, *to, **named))
    line: Statement = Assign(Name("CHANGES"), ListExpr(tuple(made)))
    return render([line]).rstrip("\n")


def _table(name: str, items: tuple[tuple[str, str | float], ...]) -> str:
    """`WORDS = {"gamma": "weight"}`, or nothing where there is no item."""
    if not items:
        return ""
    pairs = tuple((lit(word), lit(other)) for word, other in items)
    line: Statement = Assign(Name(name), DictExpr(pairs))
    return render([line]).rstrip("\n")


def start_note(run: Run) -> dict[str, str]:
    """What a README says of start.py."""
    return {"start.py": "reading the weights to start from"} if run.start else {}
