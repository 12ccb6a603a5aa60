"""Named arrays of NumPy's `.npz` files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bmc_programs.parts.core import Array, DataError

BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path, names: Sequence[str], *patterns: str) -> dict[str, Array]:
    """Arrays of an `.npz` file by the names that `*` in a pattern stands for.

    The first pattern counts whose arrays are all there. Without any, the names are.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            keys = find_arrays(list(file), names, patterns, path)
            counts = {}
            for name, key in keys.items():  # before anything is unpacked
                shape, kind = read_header(file.zip, f"{key}.npy")
                if kind.kind not in "biuf":
                    raise DataError(f"array {name!r}: expected numbers, found {kind}")
                counts[name] = shape[:1]
            if len(set(counts.values())) > 1 or {(), (0,)} & set(counts.values()):
                raise DataError(
                    f"{path}: expected as many rows in each array, found {counts}"
                )
            return {name: np.asarray(file[key]) for name, key in keys.items()}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except TypeError:  # a single array
        raise DataError(f"{path}: not a readable .npz file: found one .npy") from None
    except MemoryError:
        raise DataError(f"{path}: its arrays do not fit into memory") from None
    except BROKEN as error:
        raise DataError(f"{path}: not a readable .npz file: {error}") from None


def read_header(file: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the type of an array, which stays packed."""
    with file.open(member) as stream:
        if np.lib.format.read_magic(stream) == (1, 0):
            shape, _, kind = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, _, kind = np.lib.format.read_array_header_2_0(stream)
    return shape, kind


def find_arrays(
    known: list[str], names: Sequence[str], patterns: Sequence[str], path: Path
) -> dict[str, str]:
    """The key of each name, by the first pattern whose arrays are all there."""
    faults = []
    for pattern in patterns or ["*"]:
        keys = {name: pattern.replace("*", name) for name in names}
        missing = [repr(key) for key in keys.values() if key not in known]
        if not missing:
            return keys
        faults.append(", ".join(missing))
    raise DataError(f"{path}: no array {' or '.join(faults)}, only {', '.join(known)}")


def join_arrays(
    parts: dict[str, dict[str, Array]],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The arrays of all parts one after the other, and the rows of each part."""
    rows, joined = {}, {}
    count = 0
    for split, arrays in parts.items():
        size = len(next(iter(arrays.values())))
        rows[split] = np.arange(count, count + size)
        count += size
    for name in arrays:
        shapes = {arrays[name].shape[1:] for arrays in parts.values()}
        if len(shapes) > 1:
            raise DataError(f"array {name!r}: the parts have rows of shapes {shapes}")
        joined[name] = np.concatenate([arrays[name] for arrays in parts.values()])
    return joined, rows


def shaped(array: Array, shape: tuple[int, ...], name: str) -> Array:
    """The array as (rows, *shape); axes of one may be missing in it."""
    sizes = array.shape[1:]
    if [n for n in sizes if n != 1] != [n for n in shape if n != 1]:
        raise DataError(
            f"array {name!r}: expected rows of shape {shape}, found {sizes}"
        )
    return array.reshape(len(array), *shape)


def as_rows(array: Array, shape: tuple[int | None, ...], name: str) -> Array:
    """The array as (rows, *shape), None being any size; axes of one may be missing."""
    sizes = iter([size for size in array.shape[1:] if size != 1])
    found = [1 if size == 1 else next(sizes, 0) for size in shape]
    known = [there if size is None else size for size, there in zip(shape, found)]
    return shaped(array, tuple(known), name)


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
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise DataError(f"array {name!r}, row {row}: holds a number that is not finite")
    return array


def single(array: Array, name: str) -> Array:
    """The array, checked to have only numbers that float32 can hold."""
    finite(array, name)
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        bad = np.argwhere(np.abs(array) > np.finfo(np.float32).max)
        if len(bad):
            number = array[tuple(bad[0])]
            raise DataError(
                f"array {name!r}, row {bad[0][0]}: {number:g} is beyond float32"
            )
    return array


def whole(array: Array, name: str, below: int | None = None) -> Array:
    """The array, checked to have whole numbers from 0 to `below` - 1."""
    wrong = (array < 0) | (array % 1 != 0) | (array >= 2**53)
    if below is not None:
        wrong |= array >= below
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        end = "" if below is None else f" to {below - 1}"
        raise DataError(
            f"array {name!r}, row {row}: expected whole numbers from 0{end}, "
            f"found {array[row]}"
        )
    return array
