"""How programs read each kind of source: one `Reader` each."""

from __future__ import annotations

from typing import Any

from bmc.ir.data import DataProgram, Entry
from bmc.ops import data_sources as ops
from bmc.ops import data_steps as steps
from bmc_programs.document import document_tokenize, document_variable
from bmc_programs.lower.table import LOWERINGS, lower
from bmc_programs.nodes import Expr, Statement, assign, binary, call, index, method, ref

RANGES = "columns"  # where `learned.json` says which columns a range has


class Reader:
    """What `load` and its kin print for a source. `variable` holds what was read."""

    variable = "table"
    join = "join_tables"  # puts parts together, and says which rows came from which
    missing: tuple[str, ...] = ()  # texts that mean a missing value
    classes = False  # whether the entry `class` learns its classes from the names of folders

    def __init__(self, source: Any) -> None:
        self.source = source

    def read(self, program: DataProgram, names: list[Any], path: Expr) -> Expr:
        """The call that reads the columns of one file or folder."""
        raise NotImplementedError

    def part(self, program: DataProgram, names: list[Any], split: str, part: str) -> Expr:
        """The call that reads one part of the source."""
        main = split == "train"  # the path itself; the others stand beside it
        place: Expr = ref("path") if main else binary("path.parent", "/", part)
        return self.read(program, names, place)

    def fresh(self, program: DataProgram, names: list[Any]) -> Expr:
        """The call that reads rows to predict."""
        return self.read(program, names, ref("path"))

    def joined(self) -> list[Statement]:
        """The lines that put `parts` together, and give `rows` their numbers."""
        return [assign(f"{self.variable}, rows", call(self.join, ref("parts")))]

    def count(self, entries: tuple[Entry, ...]) -> Expr:
        """The number of rows read."""
        return call("len", ref(self.variable))

    def labels(self, column: str) -> Expr:
        """A column whose values say what goes together."""
        return index(f"{self.variable}.columns", column)


class NpzReader(Reader):
    """Named arrays."""

    variable, join = "arrays", "join_arrays"

    def read(self, program: DataProgram, names: list[Any], path: Expr) -> Expr:
        """`read_npz(path, names)`"""
        return call("read_npz", path, tuple(names))

    def part(self, program: DataProgram, names: list[Any], split: str, part: str) -> Expr:
        """All parts are in one file, under names of their own."""
        return call("read_npz", ref("path"), tuple(names), part)

    def fresh(self, program: DataProgram, names: list[Any]) -> Expr:
        """New data may have the last part's names, or plain ones."""
        patterns = [*list(self.source.parts().values())[-1:]]
        return call("read_npz", ref("path"), tuple(names), *patterns, *(["*"] if patterns else []))

    def count(self, entries: tuple[Entry, ...]) -> Expr:
        """The rows of the first array."""
        name = next(name for entry in entries if entry.columns for name in entry.columns.names)
        return call("len", index("arrays", name))

    def labels(self, column: str) -> Expr:
        """An array."""
        return index("arrays", column)


class CsvReader(Reader):
    """A table."""

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        self.missing = tuple(source.missing)

    def read(self, program: DataProgram, names: list[Any], path: Expr) -> Expr:
        """`read_csv(path, names)`"""
        named: dict[str, Any] = {}
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


class LinesReader(Reader):
    """A text, one row a line."""

    missing = ("",)

    def read(self, program: DataProgram, names: list[Any], path: Expr) -> Expr:
        """`read_lines(path)`"""
        return call("read_lines", path)


class DocumentReader(Reader):
    """One long text, cut into its pieces."""

    missing = ("",)

    def __init__(self, source: Any, program: DataProgram) -> None:
        super().__init__(source)
        self.variable = document_variable(program)

    def read(self, program: DataProgram, names: list[Any], path: Expr) -> Expr:
        """`code_points(read_text(path))`, or words."""
        text: Expr = call("read_text", path)
        for entry in program.entries:
            lowered = any(isinstance(use.step, steps.Lowercase) for use in entry.load)
            if entry.head == "document" and lowered:
                text = method(text, "lower")
        letters = document_tokenize(program).unit == "characters"
        return call("code_points" if letters else "cut_words", text)

    def joined(self) -> list[Statement]:
        """Pieces one after the other."""
        if self.variable == "points":
            whole = call("np.concatenate", call("list", call("parts.values")))
        else:
            whole = call("join_words", ref("parts"))
        rows = assign("rows", call("part_rows", ref("parts")))
        return [rows, assign(self.variable, whole)]


class FolderReader(Reader):
    """Pictures in a folder for each class."""

    variable, join, classes = "folder", "join_folders", True

    def read(self, program: DataProgram, names: list[Any], path: Expr) -> Expr:
        """`read_folder(path)`"""
        return call("read_folder", path)

    def part(self, program: DataProgram, names: list[Any], split: str, part: str) -> Expr:
        """Each part is a folder inside the path."""
        return self.read(program, names, binary("path", "/", part))

    def fresh(self, program: DataProgram, names: list[Any]) -> Expr:
        """Pictures wherever they lie."""
        return call("find_pictures", ref("path"))

    def labels(self, column: str) -> Expr:
        """The classes."""
        return ref("folder.labels")


@lower(ops.Npz)
def npz(op: ops.Npz, program: DataProgram) -> Reader:
    """Named arrays."""
    return NpzReader(op)


@lower(ops.Csv)
def csv(op: ops.Csv, program: DataProgram) -> Reader:
    """A table."""
    return CsvReader(op)


@lower(ops.Text)
def text(op: ops.Text, program: DataProgram) -> Reader:
    """Lines, or one long text."""
    return LinesReader(op) if op.lines else DocumentReader(op, program)


@lower(ops.Folder)
def folder(op: ops.Folder, program: DataProgram) -> Reader:
    """Pictures."""
    return FolderReader(op)


def reader(program: DataProgram) -> Reader:
    """How the source of a program is read."""
    rule = LOWERINGS.find(program.source)
    assert rule is not None, program.source.name
    found = rule(program.source, program)
    assert isinstance(found, Reader)
    return found
