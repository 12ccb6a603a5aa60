"""Steps on numbers and categories.

What is learned comes from the rows `train`, and is kept in `learned` (in JSON's types).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from bmc_programs.parts.core import Array, DataError
from bmc_programs.parts.tables import Text, place_of

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def scale(values: Array, factor: float, offset: float = 0.0) -> Array:
    """`values * factor + offset` as float32."""
    scaled: Array = values.astype(np.float32) * np.float32(factor)
    return scaled + np.float32(offset)


def standardize(values: Array, train: Array, learned: dict[str, Any]) -> Array:
    """Each column less its mean, divided by its deviation in the training rows."""
    if not learned:
        mean = values[train].mean(axis=0, dtype=np.float64)
        deviation = values[train].std(axis=0, dtype=np.float64)
        learned["mean"] = mean.tolist()
        learned["deviation"] = divisor(deviation, len(train) * np.abs(mean)).tolist()
    mean, deviation = np.array(learned["mean"]), np.array(learned["deviation"])
    standard: Array = (values - mean) / deviation
    return standard


def balance(
    values: Array, train: Array, learned: dict[str, Any], classes: int
) -> Array:
    """The weight of each row's class, by which all classes of `train` weigh alike."""
    ids = values.astype(np.int64)
    if not learned:
        counts = np.bincount(ids[train].ravel(), minlength=classes)
        share = counts.sum() / (classes * np.maximum(counts, 1))
        learned["weights"] = share.tolist()
    weights: Array = np.array(learned["weights"], np.float32)[ids]
    return weights


def divisor(spread: Array, size: Array) -> Array:
    """The spread of each column; 1 where it is but rounding of numbers of that size."""
    if not np.isfinite(spread).all():
        raise DataError("a column's training rows have numbers too large to compare")
    return np.where(spread > 10 * np.finfo(np.float64).eps * size, spread, 1.0)


def natural_scale(values: Array, learned: dict[str, Any]) -> Array:
    """The numbers before `standardize`."""
    mean, deviation = np.array(learned["mean"]), np.array(learned["deviation"])
    natural: Array = values * deviation + mean
    return natural


def minmax(values: Array, train: Array, learned: dict[str, Any]) -> Array:
    """Each column from 0 to 1 between its least and greatest in the training rows."""
    if not learned:
        low = values[train].min(axis=0).astype(np.float64)
        high = values[train].max(axis=0).astype(np.float64)
        size = np.maximum(np.abs(low), np.abs(high))
        learned["low"] = low.tolist()
        learned["range"] = divisor(high - low, size).tolist()
    moved: Array = (values - np.array(learned["low"])) / np.array(learned["range"])
    return moved


def natural_range(values: Array, learned: dict[str, Any]) -> Array:
    """The numbers before `minmax`."""
    natural: Array = values * np.array(learned["range"]) + np.array(learned["low"])
    return natural


def as_float32(values: Array, source: Text | str) -> Array:
    """The numbers as float32, checked to be within its range."""
    bad = np.argwhere(~(np.abs(values) <= np.finfo(np.float32).max))
    if len(bad):
        place = place_of(int(bad[0][0]), source)
        raise DataError(f"{place}: {values[tuple(bad[0])]:g} is beyond float32")
    return values.astype(np.float32)


def logarithm(values: Array, source: Text | str) -> Array:
    """The natural logarithm; every number must be above 0."""
    if (values <= 0).any():
        row = int(np.argwhere(values <= 0)[0][0])
        raise DataError(
            f"{place_of(row, source)}: expected numbers above 0 for a logarithm, found "
            f"{values[row].min():g}"
        )
    return np.log(values)


def impute_median(
    values: Array, train: Array, learned: dict[str, Any], names: Sequence[str] = ()
) -> Array:
    """NaN replaced by the column's median in the training rows."""
    if not learned:
        learned["fill"] = np.nanmedian(present(values[train], names), axis=0).tolist()
    return np.where(np.isnan(values), np.array(learned["fill"]), values)


def impute_mean(
    values: Array, train: Array, learned: dict[str, Any], names: Sequence[str] = ()
) -> Array:
    """NaN replaced by the column's mean in the training rows."""
    if not learned:
        learned["fill"] = np.nanmean(present(values[train], names), axis=0).tolist()
    return np.where(np.isnan(values), np.array(learned["fill"]), values)


def impute_most(
    values: Array, train: Array, learned: dict[str, Any], names: Sequence[str] = ()
) -> Array:
    """NaN replaced by the column's most frequent number in the training rows."""
    if not learned:
        known = present(values[train], names)
        fill = []
        for column in known.reshape(len(known), -1).T:
            found, counts = np.unique(column[~np.isnan(column)], return_counts=True)
            fill.append(found[counts.argmax()])
        learned["fill"] = np.array(fill).reshape(values.shape[1:]).tolist()
    return np.where(np.isnan(values), np.array(learned["fill"]), values)


def impute_constant(values: Array, fill: float) -> Array:
    """NaN replaced by `fill`."""
    return np.where(np.isnan(values), fill, values)


def present(values: Array, names: Sequence[str]) -> Array:
    """The numbers, checked to have one that is not missing in each column."""
    empty = np.flatnonzero(np.isnan(values).all(axis=0))
    if len(empty):
        place, count = int(empty[0]), values[0].size
        which = f"column {place + 1} of {count}" if count > 1 else "the column"
        if len(names) == count:
            which = f"column {names[place]!r}"
        raise DataError(f"{which} has no value in the training rows to learn from")
    return values


def fill_texts(text: Text, fill: str, missing: Sequence[str]) -> Text:
    """Missing texts replaced by `fill`."""
    return text.with_values(
        [fill if value in missing else value for value in text.values]
    )


def fill_most(
    text: Text, train: Array, learned: dict[str, Any], missing: Sequence[str]
) -> Text:
    """Missing texts replaced by the column's most frequent in the training rows."""
    most = learned.setdefault("fill", {})
    if text.name not in most:
        counts = Counter(text.values[row] for row in train)
        known = sorted(value for value in counts if value not in missing)
        if not known:
            raise DataError(f"column {text.name!r} has no value in the training rows")
        most[text.name] = max(known, key=counts.__getitem__)
    return fill_texts(text, most[text.name], missing)


def clip_outliers(
    values: Array, train: Array, learned: dict[str, Any], iqr: float
) -> Array:
    """Numbers clipped to `iqr` quartile ranges beyond the training rows' quartiles."""
    if not learned:
        lower, upper = np.quantile(values[train], [0.25, 0.75], axis=0)
        learned["low"] = (lower - iqr * (upper - lower)).tolist()
        learned["high"] = (upper + iqr * (upper - lower)).tolist()
    return np.clip(values, np.array(learned["low"]), np.array(learned["high"]))


def learn_classes(
    text: Text, train: Array, learned: dict[str, Any], missing: Sequence[str]
) -> list[str]:
    """The different texts of the training rows in order, missing ones left out."""
    classes: dict[str, list[str]] = learned.setdefault("classes", {})
    if text.name not in classes:
        found = {text.values[row] for row in train} - set(missing)
        whole = all(WHOLE.fullmatch(value) for value in found)
        classes[text.name] = (
            sorted(found, key=lambda value: (int(value), value))
            if whole
            else sorted(found)
        )
    return classes[text.name]


def category(text: Text, classes: list[str], missing: Sequence[str]) -> Array:
    """The number of each text's class, from 0; other texts are refused."""
    number = {value: place for place, value in enumerate(classes)}
    for row, value in enumerate(text.values):
        if value not in number:
            raise DataError(
                f"{text.place(row)}: expected one of the {len(classes)} classes of the "
                f"training rows, found {value[:40]!r}"
                + (", which counts as missing" if value in missing else "")
            )
    return np.array([number[value] for value in text.values], dtype=np.int64)


def category_or_unknown(text: Text, classes: list[str]) -> Array:
    """The number of each text's class, from 1; 0 for other texts."""
    number = {value: place for place, value in enumerate(classes, start=1)}
    return np.array([number.get(value, 0) for value in text.values], dtype=np.int64)


def categories(
    texts: Sequence[Text], train: Array, learned: dict[str, Any], missing: Sequence[str]
) -> Array:
    """The numbers of several columns' classes: (rows, columns)."""
    return np.stack(
        [
            category(text, learn_classes(text, train, learned, missing), missing)
            for text in texts
        ],
        axis=1,
    )


def categories_or_unknown(
    texts: Sequence[Text], train: Array, learned: dict[str, Any], missing: Sequence[str]
) -> Array:
    """The numbers of several columns' classes from 1, 0 for others: (rows, columns)."""
    return np.stack(
        [
            category_or_unknown(text, learn_classes(text, train, learned, missing))
            for text in texts
        ],
        axis=1,
    )


def fill_most_each(
    texts: Sequence[Text], train: Array, learned: dict[str, Any], missing: Sequence[str]
) -> list[Text]:
    """Missing texts of several columns replaced by each one's most frequent."""
    return [fill_most(text, train, learned, missing) for text in texts]


def sizes_below(values: Array, sizes: Sequence[int], texts: Sequence[Text]) -> Array:
    """The numbers (rows, columns), checked to be below each column's size."""
    for column, (size, text) in enumerate(zip(sizes, texts, strict=True)):
        found = int(values[:, column].max()) + 1
        if found > size:
            raise DataError(
                f"column {text.name!r}: expected at most {size} different values, "
                f"found {found}"
            )
    return values


def class_names(values: Array, classes: Sequence[str]) -> Array:
    """The names of the classes with the given numbers."""
    names: Array = np.array(classes)[np.asarray(values)]
    return names


def class_names_each(values: Array, classes: Sequence[Sequence[str]]) -> Array:
    """The names of the classes with the given numbers (..., columns)."""
    values = np.asarray(values)
    found = [class_names(values[..., i], names) for i, names in enumerate(classes)]
    return np.stack(found, axis=-1)


def exactly(values: Array, count: int, name: str) -> Array:
    """The columns, checked to be as many as the model takes."""
    if values.shape[1] != count:
        raise DataError(
            f"{name!r}: expected {count} columns, and its range in the training file "
            f"has {values.shape[1]}"
        )
    return values


def at_most(classes: list[str], size: int, name: str) -> list[str]:
    """The classes, checked to be no more than `size`."""
    if len(classes) > size:
        raise DataError(
            f"column {name!r}: expected at most {size} different values, "
            f"found {len(classes)}"
        )
    return classes


def equals(text: Text, wanted: str) -> Array:
    """1 where the text is `wanted`, else 0."""
    return np.array([value == wanted for value in text.values], dtype=np.int64)


def one_hot(ids: Array, size: int, name: str) -> Array:
    """Rows of zeros with a one at the id's place: (..., size), float32."""
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        raise DataError(
            f"{name!r}: expected numbers from 0 to {size - 1}, found {ids.max()}"
        )
    hot: Array = ids[..., None] == np.arange(size)
    return hot.astype(np.float32)


def lag_rows(values: Array, places: int, fill: float) -> Array:
    """What stood `places` rows before; `fill` where there was none."""
    moved = np.full_like(values, fill)
    moved[places:] = values[:-places]
    return moved
