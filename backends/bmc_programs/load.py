"""The `load` functions: reading the source, splitting, preparing every entry."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Attr, Compare, IfExp
from bmc.ir.data import DataProgram, Entry
from bmc.ops import data_splits as splits
from bmc.ops import data_steps as steps
from bmc.records import record
from bmc_programs.lower.data_sources import RANGES, reader
from bmc_programs.lower.table import LOWERINGS
from bmc_programs.nodes import (
    Expr,
    Function,
    Statement,
    assign,
    call,
    expr,
    index,
    method,
    ref,
    returns,
    run,
)
from bmc_programs.prepare import base_variable, prepare

FITTED = ("fitted", "dict[str, Any] | None", None)


@record
class Cutting:
    """What a split cuts: rows, and the labels that it spreads or keeps together."""

    rows: Expr
    labels: Expr | None


class Loader:
    """Prints both load functions of one program; `inputs` are the entries that predicting needs."""

    def __init__(
        self, program: DataProgram, inputs: tuple[Entry, ...], variables: dict[str, str]
    ) -> None:
        self.program = program
        self.source: Any = program.source
        self.reader = reader(program)
        self.inputs = inputs
        self.variables = variables
        self.learned = learned_keys(program, program.entries)
        self.needs = {
            entry.name: prepare(program, entry) for entry in self.stored(program.wanted())
        }

    def stored(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """The entries that have a stored column of their own, among these and their bases."""
        names = {one.name for entry in entries for one in self.program.line(entry)}
        return tuple(
            entry
            for entry in self.program.entries
            if entry.name in names and (entry.columns is not None or entry.load)
        )

    # --- reading --------------------------------------------------------------------------------

    def names(self, entries: tuple[Entry, ...], extra: set[Any]) -> list[Any]:
        """The columns that the entries read, and those that only `load` needs."""
        names = list(dict.fromkeys(n for e in entries if e.columns for n in e.columns.names))
        return names + sorted(extra - set(names))

    def _parts(self, names: list[Any]) -> list[Statement]:
        """The lines that read every part of the source, and put them together."""
        parts = {
            split: self.reader.part(self.program, names, split, part)
            for split, part in self.source.parts().items()
        }
        return [assign("parts", expr(parts)), *self.reader.joined()]

    # --- splitting --------------------------------------------------------------------------------

    def cut(self, rows: Expr) -> Expr:
        """The expression for the split's rows."""
        split, chosen = self.program.split, self.program.stratify
        assert split is not None
        rule = LOWERINGS.find(split)
        assert rule is not None, split.name
        labels = None if chosen is None else self.reader.labels(str(chosen.names[0]))
        made: Expr = rule(split, Cutting(rows, labels))
        return made

    def _split(self, entries: tuple[Entry, ...]) -> list[Statement]:
        """The lines that give `rows` its splits."""
        every = call("np.arange", self.reader.count(entries))
        if self.program.split is None:
            return [] if self.source.parts() else [assign("rows", expr({"train": every}))]
        if self.source.parts():
            cut = self.cut(index("rows", "train"))
            return [run(method(ref("rows"), "update", cut))]
        return [assign("rows", self.cut(every))]

    def _samples(self) -> Statement | None:
        """The line that makes the rows of a split the starts of its windows."""
        window = self.program.window()
        if window is None:
            return None
        shift = max(entry.carrying.shift for entry in self.program.wanted())
        longest = max(self._reach(entry) for entry in self.program.wanted())
        if window.then is not None and not self.source.parts():
            future = longest - int(window.n)
            made = call("forecast_starts", ref("rows"), int(window.n), future, window.step())
        else:
            made = call("window_starts", ref("rows"), max(longest, shift), window.step())
        return assign("rows", made)

    def _reach(self, entry: Entry) -> int:
        """How many rows a sample takes, from its first."""
        window: Any = next(use.step for use in entry.uses() if isinstance(use.step, steps.Windows))
        return int(window.n) + int(window.then or 0) * entry.part + entry.carrying.shift

    # --- functions ----------------------------------------------------------------------------

    def load(self) -> Function:
        """`load`: all splits, all entries."""
        stored = self.stored(self.program.wanted())
        extra: set[Any] = set()
        if self.program.stratify is not None:
            extra |= set(self.program.stratify.names)
        if isinstance(self.program.split, splits.Column):
            extra.add(self.program.split.column)
        time = getattr(self.source, "time", "")
        extra |= {time} if time else set()
        body: list[Statement] = [assign("path", call("Path", ref("path")))]
        known = "{}"
        if self.learned:
            known = "known"
            checked = call("known_values", ref("fitted"), ref("LEARNED"))
            body.append(assign("known", _unless_none(checked)))
        if self.source.parts():
            body += self._parts(self.names(stored, extra))
        else:
            read = self.reader.read(self.program, self.names(stored, extra), ref("path"))
            body.append(assign(self.reader.variable, read))
        if time:
            body.append(run(call("ascending", ref("table"), time)))
        body += self._split(stored)
        body += self._prepared(stored, index("rows", "train"))
        body += self._lengths()
        samples = self._samples()
        body += [samples] if samples else []
        data = call("Data", ref("columns"), ref("rows"), ref(known), ref("make_batch"))
        doc = "Read the data and its splits."
        parameters: tuple[Any, ...] = (("path", "Path | str", ref("SOURCE")),)
        if self.learned:
            doc = "Read the data and its splits; learn from `train` unless `fitted` says what."
            parameters = (*parameters, FITTED)
        return Function("load", parameters, "Data", doc, (*body, returns(data)))

    def load_inputs(self) -> Function:
        """`load_inputs`: all rows, without what only training needs."""
        stored = self.stored(self.inputs)
        body: list[Statement] = [assign("path", call("Path", ref("path")))]
        known = "{}"
        mine = learned_keys(self.program, stored)
        if mine:
            known = "known"
            needed = ref("LEARNED") if mine == self.learned else expr(mine)
            body.append(assign("known", call("known_values", ref("fitted"), needed)))
        read = self.reader.fresh(self.program, self.names(stored, set()))
        body.append(assign(self.reader.variable, read))
        body += self._prepared(stored, call("np.arange", 0))
        rows: Expr = expr({"predict": call("np.arange", self.reader.count(stored))})
        window = self.program.window()
        if window is not None:
            rows = call("window_starts", rows, int(window.n), window.step())
        body.append(assign("rows", rows))
        data = call("Data", ref("columns"), ref("rows"), ref(known), ref("make_inputs"))
        doc = "Read all rows as the split `predict`, without targets."
        parameters: tuple[Any, ...] = (("path", "Path | str"),)
        if mine:
            parameters = (*parameters, ("fitted", "dict[str, Any]"))
        return Function("load_inputs", parameters, "Data", doc, (*body, returns(data)))

    def load_kept(self, names: tuple[str, ...]) -> Function:
        """`load_kept`: columns of all rows as the data has them."""
        read = self.reader.fresh(self.program, list(names))
        table = self.reader.variable
        found = {
            name: index(table, name)
            if table == "arrays"
            else call("np.array", Attr(call(f"{table}.text", name), "values"))
            for name in names
        }
        body = (
            assign("path", call("Path", ref("path"))),
            assign(table, read),
            returns(expr(found)),
        )
        doc = "Read columns of all rows as they are, to stand beside predictions."
        return Function("load_kept", (("path", "Path | str"),), "Arrays", doc, body)

    def _prepared(self, stored: tuple[Entry, ...], train: Expr) -> list[Statement]:
        """The calls of the `prepare` functions, and `columns`."""
        known = {"train": train, "root": ref("path.parent")}
        lines: list[Statement] = []
        calls = [entry for entry in stored]
        for entry in calls:
            function = self.needs[entry.name]
            base = base_variable(self.program, entry)
            arguments: list[Expr] = []
            for name in (parameter[0] for parameter in function.parameters):
                if name == base and entry.base is not None:
                    arguments.append(ref(self.variables[self._holder(entry.base)]))
                else:
                    arguments.append(known.get(name, ref(name)))
            lines.append(assign(self.variables[entry.name], call(function.name, *arguments)))
        names = {entry.name: ref(self.variables[entry.name]) for entry in stored}
        lines.append(assign("columns", names, "Columns"))
        return lines

    def _lengths(self) -> list[Statement]:
        """The checks of entries that are as long as others, each row of them."""
        pairs = {
            (self._holder(entry.name), self._holder(entry.beside)): None
            for entry in self.program.wanted()
            if entry.beside is not None
        }
        return [
            run(call("check_as_long", ref("columns"), name, other))
            for name, other in pairs
            if name != other
        ]

    def _holder(self, name: str) -> str:
        """The entry that stores the column of this one."""
        entry = self.program.entry(name)
        while entry.columns is None and not entry.load and entry.base is not None:
            entry = self.program.entry(entry.base)
        return entry.name


def _unless_none(value: Expr) -> Expr:
    return IfExp(Compare("is", ref("fitted"), expr(None)), expr({}), value)


def learned_keys(program: DataProgram, entries: tuple[Entry, ...]) -> dict[str, tuple[str, ...]]:
    """What is learned, by entry and step; and which columns ranges stand for."""
    found: dict[str, tuple[str, ...]] = {}
    names = [name for entry in entries if entry.columns for name in entry.columns.names]
    ranges = tuple(dict.fromkeys("..".join(name) for name in names if isinstance(name, tuple)))
    if ranges:
        found[RANGES] = ranges
    for entry in entries:
        if entry.columns is not None and entry.columns.names == ("class",) and entry.head == "ids":
            found[f"{entry.name}.class"] = ("classes",)
        for use in entry.load:
            constant = isinstance(use.step, steps.Impute) and use.step.by == "constant"
            if use.step.learns and not constant:
                found[use.key] = use.step.learns
    return found
