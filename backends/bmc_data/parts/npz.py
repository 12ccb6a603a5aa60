"""Arrays from `.npz` files."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from bmc_data.parts.core import Array, DataError

MAX_BYTES = 8 * 2**30
NPY_HEADER = re.compile(
    r"\{'descr': '[<>|=]([a-zA-Z])(\d*)', 'fortran_order': (?:True|False), "
    r"'shape': \(([\d, ]*)\), *\}\s*"
)
BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read_npz(
    path: Path, names: Sequence[str], *, suffix: str = "", limit: int = MAX_BYTES
) -> dict[str, Array]:
    """Arrays of an `.npz` file, by name without `suffix`, all with as many rows.

    Sizes are checked before anything is unpacked: more than `limit` bytes are refused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            for name in names:
                if f"{name}{suffix}.npy" not in members:
                    known = ", ".join(sorted(members)[:20]).replace(".npy", "")
                    raise DataError(f"{path}: no array {name + suffix!r}, only {known}")
            wanted = [members[f"{name}{suffix}.npy"] for name in names]
            if sum(info.file_size for info in wanted) > limit:
                raise DataError(f"{path}: unpacks to more than {limit} bytes")
            arrays = {}
            for name, info in zip(names, wanted, strict=True):
                with archive.open(info) as file:
                    check_npy(file, info.file_size, f"{path}: array {name + suffix!r}")
                with archive.open(info) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                arrays[name] = array
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError, *BROKEN) as error:
        raise DataError(f"{path}: not a readable .npz file: {error}") from None
    counts = {name + suffix: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"{path}: arrays differ in their number of rows: {counts}")
    if not all(counts.values()):
        raise DataError(f"{path}: has no rows")
    return arrays


def check_npy(file: IO[bytes], size: int, where: str) -> None:
    """Refuses a `.npy` member that holds no numbers, or other than it says."""
    start = file.read(8)
    if start[:6] != b"\x93NUMPY":
        raise DataError(f"{where}: expected an array, found {start!r}")
    length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    text = file.read(min(length, 10_000)).decode("latin1")
    header = NPY_HEADER.fullmatch(text)
    if header is None:
        raise DataError(f"{where}: expected an array of numbers, found {text[:80]!r}")
    kind, width, sizes = header.groups()
    if kind not in "biuf":
        raise DataError(f"{where}: expected numbers, found elements of type {kind!r}")
    shape = tuple(int(number) for number in sizes.split(",") if number.strip())
    if not shape:
        raise DataError(f"{where}: expected rows, found a single number")
    if math.prod(shape) * int(width) != size - file.tell():
        raise DataError(f"{where}: says shape {shape}, and has not that many bytes")


def join_arrays(
    parts: dict[str, dict[str, Array]],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The arrays of all parts one after the other, and the rows of each part."""
    rows = {}
    count = 0
    for split, arrays in parts.items():
        size = len(next(iter(arrays.values())))
        rows[split] = np.arange(count, count + size)
        count += size
    names = next(iter(parts.values())).keys()
    joined = {}
    for name in names:
        shapes = {arrays[name].shape[1:] for arrays in parts.values()}
        if len(shapes) > 1:
            raise DataError(f"array {name!r}: the parts have rows of shapes {shapes}")
        joined[name] = np.concatenate([arrays[name] for arrays in parts.values()])
    return joined, rows


def as_rows(array: Array, shape: tuple[int | None, ...], name: str) -> Array:
    """The array as (rows, *shape), None being any size; axes of one may be missing."""
    found = [size for size in array.shape[1:] if size != 1]
    wanted = [size for size in shape if size != 1]
    if len(found) != len(wanted) or any(
        size not in (None, other) for size, other in zip(wanted, found, strict=True)
    ):
        raise DataError(
            f"array {name!r}: expected rows of shape {list(shape)}, "
            f"found {list(array.shape[1:])}"
        )
    sizes = iter(found)
    return array.reshape(
        len(array), *(1 if size == 1 else next(sizes) for size in shape)
    )


def as_pictures(
    array: Array, channels: int, height: int | None, width: int | None, name: str
) -> Array:
    """Pictures as (rows, channels, height, width), None being any size.

    The array may have its channels last, or no axis for a single channel.
    """
    found = array
    if array.ndim == 3 and channels == 1:
        found = array[:, None]
    elif array.ndim == 4 and array.shape[1] != channels == array.shape[3]:
        found = np.moveaxis(array, 3, 1)
    expected = (channels, height, width)
    if found.ndim != 4 or any(
        size not in (None, other)
        for size, other in zip(expected, found.shape[1:], strict=True)
    ):
        raise DataError(
            f"array {name!r}: expected pictures of {channels} x {height or 'any'} x "
            f"{width or 'any'}, found rows of shape {list(array.shape[1:])}"
        )
    return found


def finite(array: Array, name: str) -> Array:
    """The array, checked to have neither NaN nor infinity."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"array {name!r}, row {place[0]}: expected a finite number, "
            f"found {array[place]}"
        )
    return array


def whole(array: Array, name: str) -> Array:
    """The array, checked to have whole numbers of at least 0 only."""
    bad = (array < 0) if array.dtype.kind != "f" else (array < 0) | (array % 1 != 0)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"array {name!r}, row {place[0]}: expected a whole number from 0, "
            f"found {array[place]}"
        )
    return array


def classes_below(array: Array, count: int, name: str) -> Array:
    """The array, checked to have numbers below `count` only."""
    if (array >= count).any():
        place = tuple(int(i) for i in np.argwhere(array >= count)[0])
        raise DataError(
            f"array {name!r}, row {place[0]}: expected a number from 0 to {count - 1}, "
            f"found {array[place]}"
        )
    return array
