"""Numbers of data files: one grammar, and scales that rounding errors do not make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.making import ids, make, number, target, whole


def program(folder: Path, steps: str, want: Any, values: list[str], train: int = 0) -> Any:
    """The module for one column of a table, of which the first rows are for training."""
    (folder / "a.csv").write_text("a,b\n" + "".join(f"{value},0\n" for value in values))
    count = train or len(values)
    split = f"\n split = contiguous(train={count}, test={len(values) - count})" if train else ""
    return make(folder, f'source = csv("{folder}/a.csv")\n x = {steps}{split}', {"x": want})


@pytest.mark.parametrize("constant", ["0.1", "-0.7", "123456.789", "1e-12", "3.3e20", "0"])
@pytest.mark.parametrize("steps", ["standardize", "minmax"])
@pytest.mark.parametrize("rows", [3, 50, 1001])
def test_a_constant_column_is_only_shifted(
    tmp_path: Path, constant: str, steps: str, rows: int
) -> None:
    other = str(float(constant) + 0.25 * max(1.0, abs(float(constant))))
    values = [constant] * rows + [other]
    data = program(tmp_path, f'"a" -> {steps}', number(), values, train=rows).load()
    assert np.abs(whole(data)["x"]).max() <= 1e-9 * max(1.0, abs(float(constant)))
    moved = whole(data, "test")["x"][0]
    assert moved == pytest.approx(float(other) - float(constant), rel=1e-6)


@pytest.mark.parametrize("steps", ["standardize", "minmax"])
def test_rounding_is_no_spread(tmp_path: Path, steps: str) -> None:
    """0.1 + 0.2 and 0.3 differ in the last bit only."""
    values = [repr(0.1 + 0.2), "0.3"] * 5
    data = program(tmp_path, f'"a" -> {steps}', number(), values).load()
    assert np.abs(whole(data)["x"]).max() < 1e-12


@pytest.mark.parametrize("steps", ["standardize", "minmax"])
@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e9])
def test_small_and_large_spreads_are_kept(tmp_path: Path, steps: str, size: float) -> None:
    values = [repr(1e3 * size + i * 1e-6 * size) for i in range(9)]
    data = program(tmp_path, f'"a" -> {steps}', number(), values).load()
    assert np.ptp(whole(data)["x"]) == pytest.approx(3.098 if steps == "standardize" else 1, 1e-3)


def test_a_constant_array_of_float32(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.full(1000, 0.1, np.float32), b=np.full(1000, 300, np.float16))
    body = f'source = npz("{tmp_path}/a.npz")\n x = "a" -> standardize\n y = "b" -> standardize'
    data = make(tmp_path, body, {"x": number(), "y": number()}).load()
    assert np.abs(whole(data)["x"]).max() < 1e-9
    assert np.abs(whole(data)["y"]).max() < 1e-9


RIGHT = {
    "3": 3, "+3": 3, "-0.5": -0.5, ".5": 0.5, "2.": 2, "1e3": 1000, "1E-3": 1e-3, " 7 ": 7,
    "\t7": 7, "007": 7, "1.5e+2": 150, "-0": 0,
}  # fmt: skip
WRONG = (
    "1_0", "1,5", "0x10", "inf", "-inf", "Infinity", "nan", "1e", "e5", ".", "+", "- 1", "--1", "1.2.3",
    "١٢", "１２", "1 000", "1e999", "1e5.0", "½", "1d3", "0b1", "True", "$5", "5%", "\u00a05",
)  # fmt: skip


def test_what_a_number_is(tmp_path: Path) -> None:
    quoted = [f'"{text}"' for text in RIGHT]
    data = program(tmp_path, '"a"', number(), quoted).load()
    assert whole(data)["x"].tolist() == pytest.approx(list(RIGHT.values()))


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("steps", ['"a"', '"a" -> impute(median)', '["a", "b"] -> standardize'])
def test_what_no_number_is(tmp_path: Path, text: str, steps: str) -> None:
    want = number(2) if "b" in steps else number()
    module = program(tmp_path, steps, want, ["1", f'"{text}"', "2"])
    if text == "nan" and "impute" in steps:
        return  # one of the words for a missing value
    with pytest.raises(module.DataError, match=r"a\.csv:3: column 'a': expected a number, found"):
        module.load()


@pytest.mark.parametrize("text", ["1e300", "-1e39", "3.5e38"])
def test_beyond_float32(tmp_path: Path, text: str) -> None:
    module = program(tmp_path, '"a"', number(), ["1", text])
    with pytest.raises(module.DataError, match=r"a\.csv:3: column 'a': .* is beyond float32"):
        module.load()
    np.savez(tmp_path / "a.npz", a=np.array([1.0, float(text)]))
    module = make(tmp_path, f'source = npz("{tmp_path}/a.npz")\n x = "a"', {"x": number()})
    with pytest.raises(module.DataError, match=r"array 'a', row 1: .* is beyond float32"):
        module.load()


def test_large_numbers_with_a_scale_are_fine(tmp_path: Path) -> None:
    data = program(tmp_path, '"a" -> minmax', number(), ["1e300", "2e300", "3e300"]).load()
    assert whole(data)["x"].tolist() == [0, 0.5, 1]
    module = program(tmp_path, '"a" -> standardize', number(), ["1e300", "2e300", "3e300"])
    with np.errstate(over="ignore"), pytest.raises(module.DataError, match="too large to compare"):
        module.load()


@pytest.mark.parametrize("text", ["1e300", "1e17", "1.5", "-1", "9007199254740993"])
def test_what_no_whole_number_is(tmp_path: Path, text: str) -> None:
    module = program(tmp_path, '"a"', ids(), ["1", text])
    with pytest.raises(module.DataError, match=r"a\.csv:3: column 'a': expected a whole number"):
        module.load()
    np.savez(tmp_path / "a.npz", a=np.array([1.0, float(text)]))
    module = make(tmp_path, f'source = npz("{tmp_path}/a.npz")\n x = "a"', {"x": ids()})
    with pytest.raises(module.DataError, match=r"array 'a', row 1: expected whole numbers from 0"):
        module.load()


def test_arrays_of_whole_numbers_beyond_int64(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([1, 2**63 + 5], np.uint64))
    module = make(tmp_path, f'source = npz("{tmp_path}/a.npz")\n x = "a"', {"x": ids()})
    with pytest.raises(module.DataError, match="expected whole numbers from 0"):
        module.load()


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["--1", "1"], ["--1", "1"]),
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["+2", "10"], ["+2", "10"]),
        (["9" * 5000, "1"], ["1", "9" * 5000]),
        (["-", "1"], ["-", "1"]),
        (["٣", "2"], ["2", "٣"]),
        (["²", "2"], ["2", "²"]),
        (["1e300", "1"], ["1", "1e300"]),
    ],
)
def test_any_text_is_a_category(tmp_path: Path, labels: list[str], order: list[str]) -> None:
    data = program(tmp_path, '"a" -> category', target(), labels).load()
    assert data.fitted["x.category"]["classes"]["a"] == order
