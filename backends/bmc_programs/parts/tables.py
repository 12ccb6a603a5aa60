"""Tables of text: csv files, and text files with a row a line."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from bmc_programs.parts.core import Array, DataError

MAX_LINE = 2**24
# 3, -0.5, .5, 2., 1e-3; spaces around it do not count.
NUMBER = re.compile(
    r"[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*"
)


@dataclass(frozen=True)
class Text:
    """A column of texts, and where each of them stands: file and line.

    Without a name it stands for several columns.
    """

    name: str
    values: list[str]
    places: list[str]

    def place(self, row: int) -> str:
        """The place as messages give it."""
        column = f": column {self.name!r}" if self.name else ""
        return f"{self.places[row]}{column}"

    def with_values(self, values: list[str]) -> Text:
        """Other texts at the same places."""
        return Text(self.name, values, self.places)


def place_of(row: int, source: Text | str) -> str:
    """Where a row stands: in its file, or by its number where there is none."""
    return source.place(row) if isinstance(source, Text) else f"{source!r}, row {row}"


@dataclass(frozen=True)
class Table:
    """Columns of texts by name, and where each row stands: file and line."""

    columns: dict[str, list[str]]
    places: list[str]
    ranges: dict[str, list[str]]  # the columns of "first..last"

    def __len__(self) -> int:
        return len(self.places)

    def text(self, name: str) -> Text:
        """One column."""
        return Text(name, self.columns[name], self.places)

    def texts(self, *names: str) -> list[Text]:
        """Several columns."""
        return [self.text(name) for name in names]

    def rows(self) -> Text:
        """Where the rows stand, whatever the column."""
        return Text("", [], self.places)

    def between(self, first: str, last: str) -> list[Text]:
        """The columns from `first` to `last`, as the training file has them."""
        return self.texts(*self.ranges[f"{first}..{last}"])


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, which may be gzipped, with what ends them."""
    number = 0
    try:
        with open_text(path) as file:
            while line := file.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise DataError(f"{path}:{number}: line over {MAX_LINE} characters")
                yield line
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"{path}:{number + 1}: expected UTF-8 text, found byte {byte:#x} here or "
            "in the lines after"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: can't be read: {error}") from None


def open_text(path: Path) -> IO[str]:
    """The file opened as UTF-8 text, line ends as they are."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def read_csv(
    path: Path,
    names: Sequence[str | tuple[str, str]],
    ranges: dict[str, list[str]] | None = None,
    *,
    separator: str = ",",
    header: bool = True,
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL,
    rows: int | None = None,
) -> Table:
    """The named columns of a csv file; a pair of names takes all columns between.

    What stands between is read off the first file and kept in `ranges`: another file
    may have its columns in any order. Without a header line the columns are called "1",
    "2" and so on. Only the first `rows` rows are read if that is given.
    """
    ranges = {} if ranges is None else ranges
    reader = csv.reader(
        text_lines(path), delimiter=separator, quoting=quoting, strict=True
    )
    places: list[str] = []
    try:
        first = next(reader, None)
        if first is None:
            raise DataError(f"{path}: is empty, expected a table")
        titles = first if header else [str(i + 1) for i in range(len(first))]
        chosen = choose_columns(titles, names, ranges, path)
        columns: dict[str, list[str]] = {title: [] for title in chosen}
        record = next(reader, None) if header else first
        while record is not None and len(places) != rows:
            if record:
                if len(record) != len(titles):
                    raise DataError(
                        f"{path}:{reader.line_num}: expected {len(titles)} values, "
                        f"found {len(record)}"
                    )
                for title, place in chosen.items():
                    columns[title].append(record[place])
                places.append(f"{path}:{reader.line_num}")
            record = next(reader, None)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from None
    if not places:
        raise DataError(f"{path}: has no rows")
    return Table(columns, places, ranges)


def choose_columns(
    titles: list[str],
    names: Sequence[str | tuple[str, str]],
    ranges: dict[str, list[str]],
    path: Path,
) -> dict[str, int]:
    """The places of the named columns; pairs that `ranges` lacks are added to it."""
    chosen: dict[str, int] = {}
    for name in names:
        if isinstance(name, str):
            chosen |= find_columns(titles, [name], path)
            continue
        key = "..".join(name)
        if key not in ranges:
            ends = find_columns(titles, name, path)
            first, last = ends[name[0]], ends[name[1]]
            if first > last:
                raise DataError(f"{path}:1: {name[0]!r} stands after {name[1]!r}")
            ranges[key] = titles[first : last + 1]
        chosen |= find_columns(titles, ranges[key], path)
    return chosen


def find_columns(titles: list[str], names: Sequence[str], path: Path) -> dict[str, int]:
    """The places of the columns, each of which must be there once."""
    missing = [repr(name) for name in names if name not in titles]
    if missing:
        known = ", ".join(map(repr, titles[:20]))
        what = "no column" if len(missing) == 1 else "no columns"
        raise DataError(
            f"{path}:1: {what} {', '.join(missing)}; the columns are {known}"
        )
    for name in names:
        if titles.count(name) > 1:
            raise DataError(f"{path}:1: two columns {name!r}")
    return {name: titles.index(name) for name in names}


def read_lines(path: Path) -> Table:
    """A text file as a table with the one column "text"; empty lines are no rows."""
    values: list[str] = []
    places: list[str] = []
    for number, line in enumerate(text_lines(path), start=1):
        text = line.rstrip("\r\n")
        if text:
            values.append(text)
            places.append(f"{path}:{number}")
    if not places:
        raise DataError(f"{path}: has no rows")
    return Table({"text": values}, places, {})


def join_tables(parts: dict[str, Table]) -> tuple[Table, dict[str, Array]]:
    """The rows of all parts one after the other, and the rows of each part."""
    first = next(iter(parts.values()))
    columns: dict[str, list[str]] = {name: [] for name in first.columns}
    places: list[str] = []
    rows = {}
    for split, table in parts.items():
        rows[split] = np.arange(len(places), len(places) + len(table))
        places += table.places
        for name in columns:
            columns[name] += table.columns[name]
    return Table(columns, places, first.ranges), rows


def ascending(table: Table, name: str) -> None:
    """Refuses a table whose rows are not in ascending order of the time column."""
    text = table.text(name)
    try:
        times = np.array(text.values, dtype="datetime64[s]")
    except ValueError as error:
        raise DataError(f"{text.place(0)}: expected ISO dates: {error}") from None
    late = np.flatnonzero(~(times[1:] > times[:-1]))
    if len(late):
        row = int(late[0]) + 1
        raise DataError(
            f"{text.place(row)}: expected a time after {text.values[row - 1]!r}, "
            f"found {text.values[row]!r}"
        )


def to_number(value: str) -> float:
    """The number that a text says, NaN if it says none or an infinite one."""
    number = float(value) if NUMBER.fullmatch(value) else float("nan")
    return number if abs(number) < float("inf") else float("nan")


def parse_numbers(text: Text) -> Array:
    """The column as float64 (rows,); every value must be a finite number."""
    values = np.array([to_number(value) for value in text.values])
    bad = np.flatnonzero(np.isnan(values))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{text.place(row)}: expected a number, found {text.values[row][:40]!r}"
        )
    return values


def parse_numbers_or_missing(text: Text, missing: Sequence[str]) -> Array:
    """The column as float64 (rows,), NaN where the text means a missing value."""
    values = np.array([to_number(value) for value in text.values])
    for row in np.flatnonzero(np.isnan(values)).tolist():
        if text.values[row] not in missing:
            raise DataError(
                f"{text.place(row)}: expected a number, found {text.values[row][:40]!r}"
            )
    return values


def parse_columns(texts: Sequence[Text]) -> Array:
    """Several columns as float64 (rows, columns); all must be finite numbers."""
    return np.stack([parse_numbers(text) for text in texts], axis=1)


def parse_columns_or_missing(texts: Sequence[Text], missing: Sequence[str]) -> Array:
    """Several columns as float64 (rows, columns), NaN where a value is missing."""
    return np.stack([parse_numbers_or_missing(text, missing) for text in texts], axis=1)


def parse_whole_numbers(text: Text) -> Array:
    """The column as int64 (rows,); every value must be a whole number from 0."""
    values = parse_numbers(text)
    bad = np.flatnonzero((values < 0) | (values % 1 != 0) | (values >= 2**53))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{text.place(row)}: expected a whole number from 0, "
            f"found {text.values[row][:40]!r}"
        )
    return values.astype(np.int64)


def parse_whole_columns(texts: Sequence[Text]) -> Array:
    """Several columns as int64 (rows, columns); all must be whole numbers from 0."""
    return np.stack([parse_whole_numbers(text) for text in texts], axis=1)


def numbers_below(values: Array, count: int, text: Text) -> Array:
    """The numbers, checked to be below `count`."""
    bad = np.flatnonzero(values >= count)
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{text.place(row)}: expected a number from 0 to {count - 1}, "
            f"found {text.values[row][:40]!r}"
        )
    return values
