"""The `load` functions: reading the source, splitting, preparing every entry."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Compare, IfExp
from bmc.ir.data import Columns, DataProgram, Entry
from bmc.ops import data_splits as splits
from bmc.ops import data_steps as steps
from bmc_programs.nodes import (
    Expr,
    Function,
    Statement,
    assign,
    binary,
    call,
    expr,
    index,
    method,
    ref,
    returns,
    run,
)
from bmc_programs.prepare import base_variable, document_tokenize, document_variable, prepare

RANGES = "columns"  # where `learned.json` says which columns a range has
FITTED = ("fitted", "dict[str, Any] | None", None)


class Loader:
    """Prints both load functions of one program; `inputs` are the entries that predicting needs."""

    def __init__(
        self, program: DataProgram, inputs: tuple[Entry, ...], variables: dict[str, str]
    ) -> None:
        self.program = program
        self.source: Any = program.source
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

    def read(
        self,
        entries: tuple[Entry, ...],
        path: Expr,
        suffix: str,
        extra: set[Any],
        whole: bool = True,
    ) -> Expr:
        """The call that reads what the entries need from one file or folder."""
        if self.source.name == "folder":
            return call("read_folder", path)
        if self.source.name == "text":
            return call("read_lines", path) if self.source.lines else self._document(path)
        names = list(dict.fromkeys(n for e in entries if e.columns for n in e.columns.names))
        names += sorted(extra - set(names))
        named: dict[str, Any] = {}
        if self.source.name == "npz":
            patterns = [suffix] if suffix else []
            plain = ["*"] if suffix and not whole else []  # new data need not be a part
            return call("read_npz", path, tuple(names), *patterns, *plain)
        if self.source.separator != ",":
            named["separator"] = self.source.separator
        if not self.source.header:
            named["header"] = False
        if not self.source.quotes:
            named["quoting"] = ref("csv.QUOTE_NONE")
        if self.source.rows is not None:
            named["rows"] = int(self.source.rows)
        ranges = []
        if any(isinstance(name, tuple) for name in names):
            ranges.append(call("known.setdefault", RANGES, {}))
        return call("read_csv", path, tuple(names), *ranges, **named)

    def _document(self, path: Expr) -> Expr:
        text: Expr = call("read_text", path)
        for entry in self.program.entries:
            lowered = any(isinstance(use.step, steps.Lowercase) for use in entry.load)
            if entry.head == "document" and lowered:
                text = method(text, "lower")
        cut = "code_points" if document_tokenize(self.program).unit == "characters" else "cut_words"
        return call(cut, text)

    def variable(self) -> str:
        """How the functions call what was read."""
        if self.source.name == "text" and not self.source.lines:
            return document_variable(self.program)
        return {"npz": "arrays", "folder": "folder"}.get(self.source.name, "table")

    def count(self, entries: tuple[Entry, ...]) -> Expr:
        """The number of rows read."""
        if self.source.name == "npz":
            name = next(n for e in entries if e.columns for n in e.columns.names)
            return call("len", index("arrays", name))
        return call("len", ref(self.variable()))

    def _join(self) -> str:
        return {"npz": "join_arrays", "folder": "join_folders"}.get(self.source.name, "join_tables")

    def _parts(self, entries: tuple[Entry, ...], extra: set[Any]) -> list[Statement]:
        """The lines that read every part of the source, and put them together."""
        parts: dict[str, Expr] = {}
        for split, part in self.source.parts().items():
            if self.source.name == "npz":
                parts[split] = self.read(entries, ref("path"), part, extra)
                continue
            main = self.source.name != "folder" and split == "train"
            inside = "path" if self.source.name == "folder" else "path.parent"
            place: Expr = ref("path") if main else binary(inside, "/", part)
            parts[split] = self.read(entries, place, "", extra)
        lines: list[Statement] = [assign("parts", expr(parts))]
        variable = self.variable()
        if variable in ("points", "words"):
            lines.append(assign("rows", call("part_rows", ref("parts"))))
            if variable == "points":
                lines.append(
                    assign("points", call("np.concatenate", call("list", call("parts.values"))))
                )
            else:
                lines.append(assign("words", call("join_words", ref("parts"))))
        else:
            lines.append(assign(f"{variable}, rows", call(self._join(), ref("parts"))))
        return lines

    # --- splitting --------------------------------------------------------------------------------

    def _labels(self, columns: Columns) -> Expr:
        name = str(columns.names[0])
        if self.source.name == "npz":
            return index("arrays", name)
        return (
            ref("folder.labels") if self.source.name == "folder" else index("table.columns", name)
        )

    def cut(self, rows: Expr) -> Expr:
        """The expression for the split's rows."""
        split: Any = self.program.split
        if isinstance(split, splits.Column):
            return call("cut_column", rows, call("table.text", split.column))
        shares = {name: _share(share) for name, share in split.shares().items()}
        function = "cut_shares" if isinstance(next(iter(shares.values())), float) else "cut_counts"
        if isinstance(split, splits.Random):
            seed = int(split.seed)
            if split.group is not None and self.program.stratify is not None:
                labels = self._labels(self.program.stratify)
                return call("cut_groups", rows, labels, shares, seed=seed)
            rows = call("shuffle", rows, seed=seed)
            if split.stratify is not None and self.program.stratify is not None:
                rows = call("spread", rows, self._labels(self.program.stratify))
        return call(function, rows, shares)

    def _split(self, entries: tuple[Entry, ...]) -> list[Statement]:
        """The lines that give `rows` its splits."""
        every = call("np.arange", self.count(entries))
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
            body += self._parts(stored, extra)
        else:
            body.append(assign(self.variable(), self.read(stored, ref("path"), "", extra)))
        if time:
            body.append(run(call("ascending", ref("table"), time)))
        body += self._split(stored)
        body += self._prepared(stored, index("rows", "train"))
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
        if self.source.name == "folder":
            read: Expr = call("find_pictures", ref("path"))
        else:
            part = list(self.source.parts().values())[-1:] if self.source.name == "npz" else []
            read = self.read(stored, ref("path"), "".join(part), set(), whole=False)
        body.append(assign(self.variable(), read))
        body += self._prepared(stored, call("np.arange", 0))
        rows: Expr = expr({"predict": call("np.arange", self.count(stored))})
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

    def _holder(self, name: str) -> str:
        """The entry that stores the column of this one."""
        entry = self.program.entry(name)
        while entry.columns is None and not entry.load and entry.base is not None:
            entry = self.program.entry(entry.base)
        return entry.name


def _share(share: Any) -> Any:
    return float(share) if isinstance(share, float) else int(share)


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
