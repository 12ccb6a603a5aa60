"""What a column means is fixed by the training file: every later file is read by names."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.making import make, number, target, whole

TRAIN = {"id": [7, 8, 9, 10], "a": [1, 2, 3, 4], "b": [10, 20, 30, 50], "c": [5, 6, 8, 9]}
LABELS = {"y": ["u", "v", "u", "v"]}
BODY = """
 source = csv("{}/train.csv")
 x = ["a".."c"] -> standardize
 y = "y" -> category
 split = contiguous(train=3, test=1)
"""


def table(path: Path, columns: dict[str, list[Any]]) -> Path:
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values()))]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def program(tmp_path: Path) -> Any:
    table(tmp_path / "train.csv", TRAIN | LABELS)
    return make(tmp_path, BODY.format(tmp_path), {"x": number(3), "y": target(count=2)})


def kept(data: Any) -> dict[str, Any]:
    """What was learned, as it comes back from its file."""
    found: dict[str, Any] = json.loads(json.dumps(data.fitted))
    return found


def test_every_order_of_columns_gives_the_same_rows(program: Any, tmp_path: Path) -> None:
    data = program.load()
    expected = np.concatenate([whole(data, split)["x"] for split in ("train", "test")])
    for order in itertools.permutations(["id", "a", "b", "c"]):
        path = table(tmp_path / "new.csv", {name: TRAIN[name] for name in order})
        found = whole(program.load_inputs(path, kept(data)), "predict")["x"]
        assert (found == expected).all(), order


def test_columns_beside_the_range_are_ignored(program: Any, tmp_path: Path) -> None:
    data = program.load()
    columns = {"a": TRAIN["a"], "new": ["?"] * 4, "b": TRAIN["b"], "y": [""] * 4, "c": TRAIN["c"]}
    found = program.load_inputs(table(tmp_path / "new.csv", columns), kept(data))
    assert whole(found, "predict")["x"].shape == (4, 3)


def test_missing_columns_are_named(program: Any, tmp_path: Path) -> None:
    data = program.load()
    path = table(tmp_path / "new.csv", {"a": TRAIN["a"], "id": TRAIN["id"]})
    with pytest.raises(program.DataError, match=r"no columns 'b', 'c'; the columns are 'a', 'id'"):
        program.load_inputs(path, kept(data))
    path = table(tmp_path / "new.csv", {"c": TRAIN["c"], "a": TRAIN["a"]})
    with pytest.raises(program.DataError, match=r"new\.csv:1: no column 'b'"):
        program.load_inputs(path, kept(data))


def test_evaluating_another_file_takes_the_columns_of_training(
    program: Any, tmp_path: Path
) -> None:
    """Also where a column stands inside the range that did not."""
    data = program.load()
    columns = {"y": LABELS["y"], "c": TRAIN["c"], "z": [0] * 4, "b": TRAIN["b"], "a": TRAIN["a"]}
    again = program.load(table(tmp_path / "later.csv", columns), kept(data))
    assert (whole(again)["x"] == whole(data)["x"]).all()


def test_parts_may_have_their_columns_in_any_order(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", TRAIN | LABELS)
    shuffled = {"y": ["v", "u"], "b": [10, 20], "z": [0, 0], "a": [1, 2], "c": [5, 6], "id": [0, 0]}
    table(tmp_path / "test.csv", shuffled)
    body = f"""
     source = csv("{tmp_path}/train.csv", test="test.csv")
     x = ["a".."c"]
     one = "id"
     y = "y" -> category
    """
    wanted = {"x": number(3), "one": number(), "y": target(count=2)}
    data = make(tmp_path, body, wanted).load()
    assert whole(data, "test")["x"].tolist() == [[1, 10, 5], [2, 20, 6]]
    assert whole(data, "test")["y"].tolist() == [1, 0]
    assert data.fitted["columns"] == {"a..c": ["a", "b", "c"]}


def test_two_ranges_and_a_column_of_both(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", TRAIN | LABELS)
    body = f"""
     source = csv("{tmp_path}/train.csv")
     x = ["a".."b", "id"]
     z = ["b".."c"] -> scale(1 / 2)
     y = "y" -> category
    """
    wanted = {"x": number(3), "z": number(2), "y": target(count=2)}
    program = make(tmp_path, body, wanted)
    data = program.load()
    assert whole(data)["x"][0].tolist() == [1, 10, 7]
    path = table(tmp_path / "new.csv", {name: TRAIN[name] for name in ("c", "b", "id", "a")})
    found = whole(program.load_inputs(path, kept(data)), "predict")
    assert found["x"][0].tolist() == [1, 10, 7]
    assert found["z"][0].tolist() == [5, 2.5]


@pytest.mark.parametrize(
    ("width", "message"),
    [
        (4, r"'x': expected 4 columns, and its range in the training file has 3"),
        (2, r"'x': expected 2 columns, and its range in the training file has 3"),
    ],
)
def test_a_range_of_another_width(tmp_path: Path, width: int, message: str) -> None:
    table(tmp_path / "train.csv", TRAIN | LABELS)
    program = make(tmp_path, BODY.format(tmp_path), {"x": number(width), "y": target(count=2)})
    with pytest.raises(program.DataError, match=message):
        program.load()


def test_a_range_that_runs_backwards(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", TRAIN | LABELS)
    body = BODY.replace('"a".."c"', '"c".."a"').format(tmp_path)
    program = make(tmp_path, body, {"x": number(3), "y": target(count=2)})
    with pytest.raises(program.DataError, match=r"train\.csv:1: 'c' stands after 'a'"):
        program.load()


def arrays(path: Path, **named: Any) -> Path:
    np.savez(path, **{name: np.asarray(array) for name, array in named.items()})
    return path


def test_arrays_go_by_name_and_new_data_needs_no_part(tmp_path: Path) -> None:
    parts = {"x_train": [[1.0, 2], [3, 4]], "y_train": [0, 1]}
    tests = {"y_test": [1], "x_test": [[5.0, 6]], "more": [0]}
    arrays(tmp_path / "all.npz", **parts, **tests)
    body = f"""
     source = npz("{tmp_path}/all.npz", train="*_train", test="*_test")
     x = "x"
     y = "y"
    """
    program = make(tmp_path, body, {"x": number(2), "y": target(count=2)})
    assert whole(program.load(), "test")["x"].tolist() == [[5, 6]]
    assert whole(program.load_inputs(tmp_path / "all.npz"), "predict")["x"].tolist() == [[5, 6]]
    new = arrays(tmp_path / "new.npz", other=[1, 2, 3], x=[[7.0, 8], [9, 10], [11, 12]])
    assert whole(program.load_inputs(new), "predict")["x"][2].tolist() == [11, 12]
    bare = arrays(tmp_path / "bare.npz", z=[1])
    with pytest.raises(program.DataError, match=r"no array 'x_test' or 'x', only z"):
        program.load_inputs(bare)
