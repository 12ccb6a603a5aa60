# Written by bmc from a .bm file; the file is yours to edit.
"""Reads, prepares and batches what the model learns from.

Source: lenet.bm. Every backend has this same file, so all see the same batches.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCE = "mnist_10k.npz"
Array = NDArray[Any]
Arrays = dict[str, Array]
Columns = dict[str, Any]
BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


class DataError(SystemExit):
    """Data that can't be used: the program ends with where, and what was expected."""


class Data:
    """Prepared columns, the rows of each split, and what was learned from `train`."""

    def __init__(
        self,
        columns: Columns,
        rows: dict[str, Array],
        fitted: dict[str, Any],
        make: Callable[[Columns, Array], Arrays],
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.fitted = fitted
        self.make = make
        self.sizes = {split: len(chosen) for split, chosen in rows.items()}

    def order(self, split: str, seed: int, epoch: int) -> Array:
        """The rows of a split as (seed, epoch) shuffles them."""
        rows = self.rows[split]
        return rows[shuffled(len(rows), seed, epoch)]

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        seed: int | None = None,
        epoch: int = 0,
        skip: int = 0,
    ) -> Iterator[Arrays]:
        """Batches in order, or shuffled by (seed, epoch) if there is a seed.

        The first `skip` are left out: where a run goes on, they are done.
        """
        rows = self.rows[split]
        if seed is not None:
            rows = self.order(split, seed, epoch)
        for first in range(skip * batch_size, len(rows), batch_size):
            yield self.make(self.columns, rows[first : first + batch_size])


def load(path: Path | str = SOURCE) -> Data:
    """Read the data and its splits."""
    path = Path(path)
    parts = {
        "train": read_npz(path, ("x", "y"), "*_train"),
        "test": read_npz(path, ("x", "y"), "*_test"),
    }
    arrays, rows = join_arrays(parts)
    rows.update(
        cut_shares(
            spread(shuffle(rows["train"], seed=0), arrays["y"]),
            {"train": 0.9, "validation": 0.1},
        ),
    )
    image = prepare_image(arrays)
    digit = prepare_digit(arrays)
    columns: Columns = {"image": image, "digit": digit}
    return Data(columns, rows, {}, make_batch)


def load_inputs(path: Path | str) -> Data:
    """Read all rows as the split `predict`, without targets."""
    path = Path(path)
    arrays = read_npz(path, ("x",), "*_test", "*")
    image = prepare_image(arrays)
    columns: Columns = {"image": image}
    rows = {"predict": np.arange(len(arrays["x"]))}
    return Data(columns, rows, {}, make_inputs)


def prepare_image(arrays: dict[str, Array]) -> Array:
    """The entry `image` for all rows: the file's numbers (rows, 1, 28, 28)."""
    values = shaped(arrays["x"], (1, 28, 28), "x")
    return single(values, "x")


def prepare_digit(arrays: dict[str, Array]) -> Array:
    """The entry `digit` for all rows: the file's numbers (rows,)."""
    values = shaped(arrays["y"], (), "y")
    return whole(values, "y", below=10)


def make_inputs(columns: Columns, rows: Array) -> Arrays:
    """What the model takes, for the given rows."""
    image = scale(columns["image"][rows], 1 / 255)
    return {"image": image}


def make_batch(columns: Columns, rows: Array) -> Arrays:
    """What the model and the losses take, for the given rows."""
    batch = make_inputs(columns, rows)
    batch["digit"] = columns["digit"][rows].astype(np.int64)
    return batch


def shuffled(count: int, seed: int, epoch: int) -> Array:
    """The numbers below `count` in an order that (seed, epoch) fixes everywhere."""
    bits = np.random.Philox(key=[seed, epoch]).random_raw(count)
    return np.argsort(bits, kind="stable")


def shuffle(rows: Array, *, seed: int) -> Array:
    """The rows in an order that the seed fixes."""
    return rows[shuffled(len(rows), seed, 0)]


def spread(rows: Array, labels: Sequence[Any] | Array) -> Array:
    """The rows in an order in which any stretch has each class in proportion."""
    _, classes = np.unique(np.asarray(labels)[rows], return_inverse=True)
    position = np.empty(len(rows))
    for number in range(int(classes.max()) + 1):
        members = np.flatnonzero(classes == number)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return rows[np.argsort(position, kind="stable")]


def cut_shares(rows: Array, shares: dict[str, float]) -> dict[str, Array]:
    """The rows cut, in their order, into shares of the whole."""
    ends = np.rint(np.cumsum(list(shares.values())) * len(rows)).astype(np.int64)
    return nonempty(dict(zip(shares, np.split(rows, ends), strict=False)), len(rows))


def nonempty(pieces: dict[str, Array], count: int) -> dict[str, Array]:
    """The pieces, checked to have a row each."""
    for split, piece in pieces.items():
        if not len(piece):
            raise DataError(f"the split {split!r} gets none of the {count} rows")
    return pieces


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


def scale(values: Array, factor: float, offset: float = 0.0) -> Array:
    """`values * factor + offset` as float32."""
    scaled: Array = values.astype(np.float32) * np.float32(factor)
    return scaled + np.float32(offset)
