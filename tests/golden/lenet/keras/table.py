# Written by bmc from a .bm file; the file is yours to edit.
"""Writes named columns into a file, in the format that its name ends with."""

import csv
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from data import Array, Arrays


def write_table(path: Path, columns: Arrays) -> None:
    """Write arrays (N, ...) as .jsonl, .npz or .parquet, else as CSV."""
    formats = {".jsonl": write_jsonl, ".npz": write_npz, ".parquet": write_parquet}
    write = formats.get(path.suffix, write_csv)
    try:
        write(path, columns)
    except OSError as error:
        raise SystemExit(f"{path}: can't be written: {error.strerror}") from None


def write_csv(path: Path, columns: Arrays) -> None:
    """A column for each array (N,), and one for each element of (N, ...)."""
    columns = flat(columns)
    values = []
    for array in columns.values():
        form = "{:.9g}" if array.dtype.kind == "f" else "{}"
        values.append(map(form.format, array))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*values, strict=True))


def write_jsonl(path: Path, columns: Arrays) -> None:
    """An object for each row; what is no finite number is null."""
    with open(path, "w", encoding="utf-8") as file:
        for row in zip(*columns.values(), strict=True):
            values = dict(zip(columns, map(plain, row), strict=True))
            file.write(json.dumps(values, ensure_ascii=False) + "\n")


def write_npz(path: Path, columns: Arrays) -> None:
    """The arrays, each in its own shape."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.save(file, array, allow_pickle=False)


def write_parquet(path: Path, columns: Arrays) -> None:
    """The columns of a CSV file, by Polars."""
    try:
        import polars
    except ImportError:
        raise SystemExit(f"{path}: needs Polars: pip install polars") from None
    polars.DataFrame(flat(columns)).write_parquet(path)


def flat(columns: Arrays) -> Arrays:
    """Arrays (N,): those of (N, ...) by their elements, which are numbered."""
    found: Arrays = {}
    for name, array in columns.items():
        rows = array.reshape(len(array), -1)
        several = [f"{name}_{i}" for i in range(rows.shape[1])]
        names = [name] if array.ndim == 1 else several
        found |= zip(names, rows.T, strict=True)
    return found


def plain(value: Array) -> Any:
    """An element of an array, or a part of it, as JSON has it."""
    if value.ndim:
        return [plain(part) for part in value]
    number = value.item()
    if not isinstance(number, float):
        return number
    return float(f"{number:.9g}") if math.isfinite(number) else None
