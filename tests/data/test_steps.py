"""Every step: what it does to a small table, what it learns, and that only training rows teach it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.making import ids, make, number, ragged, target, whole


def table(folder: Path, text: str, name: str = "rows.csv") -> str:
    """A csv file in a folder; its path as a literal."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return f'"{path}"'


def first_six(folder: Path, steps: str, want: Any, values: str) -> Any:
    """The entry `x` of six rows, the first four of them for training: (module, data)."""
    rows = table(folder, "a,b\n" + values)
    body = f"source = csv({rows})\n x = {steps}\n split = contiguous(train=4, test=2)"
    module = make(folder, body, {"x": want})
    return module.load()


def test_scale(tmp_path: Path) -> None:
    data = first_six(
        tmp_path, '"a" -> scale(2, offset=-1)', number(), "1,0\n2,0\n3,0\n4,0\n5,0\n6,0\n"
    )
    assert whole(data)["x"].tolist() == [1, 3, 5, 7]
    assert whole(data)["x"].dtype == np.float32


def test_standardize_learns_from_training_rows(tmp_path: Path) -> None:
    data = first_six(
        tmp_path, '["a", "b"] -> standardize', number(2), "1,5\n2,5\n3,5\n4,5\n90,5\n99,6\n"
    )
    x = whole(data)["x"]
    assert np.allclose(x.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(x[:, 0].std(), 1, atol=1e-6)
    assert data.fitted["x.standardize"]["mean"] == [2.5, 5.0]
    assert whole(data, "test")["x"][0, 0] > 70
    assert whole(data, "test")["x"][1, 1] == 1.0  # a column that never changed is only shifted


def test_minmax(tmp_path: Path) -> None:
    data = first_six(tmp_path, '"a" -> minmax', number(), "2,0\n4,0\n6,0\n4,0\n8,0\n0,0\n")
    assert whole(data)["x"].tolist() == [0, 0.5, 1, 0.5]
    assert whole(data, "test")["x"].tolist() == [1.5, -0.5]


def test_log(tmp_path: Path) -> None:
    data = first_six(tmp_path, '"a" -> log', number(), "1,0\n2,0\n3,0\n4,0\n5,0\n6,0\n")
    assert np.allclose(whole(data)["x"], np.log([1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("how", "filled"), [("median", 2.0), ("mean", 3.0), ("most", 1.0), ("constant, value=7", 7.0)]
)
def test_impute_numbers(tmp_path: Path, how: str, filled: float) -> None:
    data = first_six(tmp_path, f'"a" -> impute({how})', number(), "1,0\n2,0\n6,0\n,0\nNA,0\n50,0\n")
    assert whole(data)["x"].tolist() == [1, 2, 6, filled]
    assert whole(data, "test")["x"].tolist() == [filled, 50]


def test_impute_most_counts(tmp_path: Path) -> None:
    data = first_six(tmp_path, '"a" -> impute(most)', number(), "3,0\n3,0\n1,0\n,0\n,0\n1,0\n")
    assert data.fitted == {"x.impute": {"fill": 3.0}}


def test_impute_texts(tmp_path: Path) -> None:
    values = "u,0\nv,0\nv,0\n,0\n,0\nu,0\n"
    data = first_six(tmp_path, '"a" -> impute(most) -> category', ids(), values)
    assert whole(data)["x"].tolist() == [0, 1, 1, 1]
    data = first_six(tmp_path, '"a" -> impute(constant, value="v") -> category', ids(), values)
    assert whole(data, "test")["x"].tolist() == [1, 0]


def test_outliers(tmp_path: Path) -> None:
    data = first_six(
        tmp_path, '"a" -> outliers(iqr=1.5)', number(), "0,0\n1,0\n2,0\n3,0\n100,0\n-100,0\n"
    )
    lower, upper = np.quantile([0, 1, 2, 3], [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    assert whole(data, "test")["x"].tolist() == [upper + reach, lower - reach]


def test_category_numbers_in_order(tmp_path: Path) -> None:
    data = first_six(tmp_path, '"a" -> category', ids(), "10,0\n9,0\n2,0\n10,0\n2,0\n9,0\n")
    assert whole(data)["x"].tolist() == [2, 1, 0, 2]  # as numbers, not as text
    assert whole(data)["x"].dtype == np.int64


def test_category_unknown(tmp_path: Path) -> None:
    values = "b,0\na,0\nb,0\n,0\nz,0\na,0\n"
    data = first_six(tmp_path, '"a" -> category(unknown="?")', ids(count=3), values)
    assert whole(data)["x"].tolist() == [2, 1, 2, 0]
    assert whole(data, "test")["x"].tolist() == [0, 1]


def test_category_of_several_columns(tmp_path: Path) -> None:
    values = "b,k\na,k\nb,m\na,m\nz,k\na,q\n"
    steps = '["a", "b"] -> category(sizes=[3, 3], unknown=0)'
    data = first_six(tmp_path, steps, ids(2), values)
    assert whole(data)["x"].tolist() == [[2, 1], [1, 1], [2, 2], [1, 2]]
    assert whole(data, "test")["x"].tolist() == [[0, 1], [1, 0]]


def test_one_hot(tmp_path: Path) -> None:
    steps = '"a" -> category -> one_hot(3)'
    data = first_six(tmp_path, steps, number(3), "c,0\na,0\nb,0\na,0\na,0\nb,0\n")
    assert whole(data)["x"].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert whole(data)["x"].dtype == np.float32


def test_equals(tmp_path: Path) -> None:
    data = first_six(
        tmp_path, '"a" -> equals(">50K")', number(1), ">50K,0\n<=50K,0\n>50K,0\nx,0\ny,0\nz,0\n"
    )
    assert whole(data)["x"].tolist() == [[1], [0], [1], [0]]


def test_lag_of_rows(tmp_path: Path) -> None:
    data = first_six(
        tmp_path, '"a" -> scale(1) -> lag(2, fill=-1)', number(), "1,0\n2,0\n3,0\n4,0\n5,0\n6,0\n"
    )
    assert whole(data)["x"].tolist() == [-1, -1, 1, 2]
    assert whole(data, "test")["x"].tolist() == [3, 4]


def texts(folder: Path, steps: str, want: Any = None) -> Any:
    """The entry `x` of four texts, the first three for training."""
    rows = table(folder, "a\nThe cat.\nthe  dog\nA cat sat\nbird the\n")
    body = f'source = csv({rows})\n x = "a" -> {steps}\n split = contiguous(train=3, test=1)'
    module = make(folder, body, {"x": want or ragged()}, undo=("x",))
    return module, module.load()


def test_words_by_frequency(tmp_path: Path) -> None:
    module, data = texts(tmp_path, "lowercase -> tokenize(words)")
    assert data.fitted["x.tokenize"]["tokens"] == ["cat", "the", ".", "a", "dog", "sat"]
    assert whole(data)["x"].tolist() == [[5, 4, 6], [5, 8, 0], [7, 4, 9]]
    assert whole(data, "test")["x"].tolist() == [[3, 5]]  # a word not seen is 3
    assert module.undo_x(whole(data)["x"], data.fitted) == ["the cat .", "the dog", "a cat sat"]


def test_words_vocabulary_is_bounded(tmp_path: Path) -> None:
    _, data = texts(tmp_path, "lowercase -> tokenize(words, vocab=6)", ragged(count=6))
    assert data.fitted["x.tokenize"]["tokens"] == ["cat", "the"]
    assert whole(data)["x"].max() < 6


def test_characters(tmp_path: Path) -> None:
    module, data = texts(tmp_path, "tokenize(characters, first=2, unknown=1) -> truncate(5)")
    assert whole(data)["x"].shape == (3, 5)
    assert module.undo_x(whole(data)["x"], data.fitted) == ["The c", "the  ", "A cat"]
    assert whole(data, "test")["x"][0, 0] == 1  # `b` was not in training


def test_alphabet(tmp_path: Path) -> None:
    rows = table(tmp_path, "a\nba\nab\nc\n")
    body = f'source = csv({rows})\n x = "a" -> tokenize(characters, alphabet="abc", first=1)'
    data = make(tmp_path, body, {"x": ragged()}).load()
    assert whole(data)["x"].tolist() == [[2, 1], [1, 2], [3, 0]]


def test_append_and_lag(tmp_path: Path) -> None:
    rows = table(tmp_path, "a\nab\nb\n")
    body = (
        f'source = csv({rows})\n y = "a" -> tokenize(characters, first=3) -> append(2)\n'
        " x = y -> lag(1, fill=1)"
    )
    wanted = {"x": ragged(), "y": target("int", None)}
    data = make(tmp_path, body, wanted).load()
    assert whole(data)["y"].tolist() == [[3, 4, 2], [4, 2, 0]]
    assert whole(data)["x"].tolist() == [[1, 3, 4], [1, 4, 0]]


def test_padding_value_and_longest_of_the_batch(tmp_path: Path) -> None:
    rows = table(tmp_path, "a\nabcd\nb\nab\n")
    body = f'source = csv({rows})\n x = "a" -> tokenize(characters)'
    data = make(tmp_path, body, {"x": ragged(pad=9)}).load()
    shapes = [batch["x"].shape for batch in data.batches("train", 2)]
    assert shapes == [(2, 4), (1, 2)]
    assert whole(data)["x"][1].tolist() == [1, 9, 9, 9]


SERIES = "t,v\n" + "".join(f"2020-01-{day:02},{day}\n" for day in range(1, 21))


def test_windows_side_by_side(tmp_path: Path) -> None:
    rows = table(tmp_path, SERIES)
    body = f'source = csv({rows}, time="t")\n x = "v" -> scale(1) -> windows(4)'
    data = make(tmp_path, body, {"x": number(4)}).load()
    assert data.sizes == {"train": 5}
    assert whole(data)["x"][:2].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_windows_then_reach_back_but_not_ahead(tmp_path: Path) -> None:
    rows = table(tmp_path, SERIES)
    body = (
        f'source = csv({rows})\n x, y = "v" -> scale(1) -> windows(3, then=2)\n'
        " split = contiguous(train=50%, validation=25%, test=25%)"
    )
    data = make(tmp_path, body, {"x": number(3), "y": target("float", 2)}).load()
    assert whole(data, "train")["y"].max() == 10  # nothing of the later splits
    assert whole(data, "validation")["x"][0].tolist() == [8, 9, 10]
    assert whole(data, "validation")["y"][0].tolist() == [11, 12]
    assert whole(data, "validation")["y"].max() == 15
    assert whole(data, "test")["y"][-1].tolist() == [19, 20]


def test_lead_ends_earlier(tmp_path: Path) -> None:
    rows = table(tmp_path, SERIES)
    body = (
        f'source = csv({rows})\n s = "v" -> scale(1)\n x = s -> windows(3, stride=1)\n'
        " y = s -> lead(2) -> windows(3, stride=1)\n split = contiguous(train=10, test=10)"
    )
    data = make(tmp_path, body, {"x": number(3), "y": target("float", 3)}).load()
    batch = whole(data)
    assert (batch["y"] - batch["x"] == 2).all()
    assert batch["y"].max() == 10
    assert data.sizes["train"] == 10 - 5 + 1


def test_undo_is_the_inverse(tmp_path: Path) -> None:
    rows = table(tmp_path, "a,b,c\n1,10,u\n2,30,v\n4,20,u\n9,25,w\n")
    body = (
        f'source = csv({rows})\n x = ["a", "b"] -> log -> standardize\n'
        ' y = "c" -> category\n z = "a" -> minmax -> scale(2, offset=1)'
    )
    wanted = {"x": number(2), "y": target(count=3), "z": target("float")}
    module = make(tmp_path, body, wanted, undo=("x", "y", "z"))
    data = module.load()
    batch = whole(data)
    expected = [[1, 10], [2, 30], [4, 20], [9, 25]]
    assert np.allclose(module.undo_x(batch["x"], data.fitted), expected, rtol=1e-5)
    assert module.undo_y(batch["y"], data.fitted).tolist() == ["u", "v", "u", "w"]
    assert np.allclose(module.undo_z(batch["z"], data.fitted), [1, 2, 4, 9], rtol=1e-5)


def test_what_was_learned_is_applied_again(tmp_path: Path) -> None:
    rows = table(tmp_path, "a,k,t\n1,x,good day\n2,y,bad day\n3,x,good night\n")
    body = (
        f'source = csv({rows})\n n = "a" -> impute(mean) -> standardize\n'
        ' k = "k" -> category(unknown=0)\n t = "t" -> tokenize(words)'
    )
    module = make(tmp_path, body, {"n": number(), "k": ids(), "t": ragged()})
    fitted = module.load().fitted
    other = tmp_path / "new.csv"
    other.write_text("a,k,t\n5,y,night day\n,q,evil\n", encoding="utf-8")
    batch = whole(module.load_inputs(other, fitted), "predict")
    assert batch["k"].tolist() == [2, 0]
    assert batch["n"][1] == pytest.approx(0)
    assert batch["t"][1].tolist() == [3, 0]
    with pytest.raises(module.DataError, match="another program"):
        module.load_inputs(other, {})
