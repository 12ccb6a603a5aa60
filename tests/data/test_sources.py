"""Sources, splits, the order of batches and random draws."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.making import FIXTURES, ids, make, number, ragged, target, whole

DIGITS = (
    f'source = npz("{FIXTURES / "optdigits.npz"}", train="*_train", test="*_test")\n'
    ' image = "x" -> scale(1 / 16)\n digit = "y"\n'
    " split = random(train=90%, validation=10%, stratify=digit, seed=0)"
)
DIGITS_WANTED = {"image": number(1, 8, 8), "digit": target(count=10)}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make(tmp_path_factory.mktemp("digits"), DIGITS, DIGITS_WANTED, undo=("digit",))


@pytest.fixture(scope="module")
def loaded(digits: Any) -> Any:
    return digits.load()


def test_digits(digits: Any, loaded: Any) -> None:
    assert loaded.sizes == {"train": 3441, "validation": 382, "test": 1797}
    batch = next(loaded.batches("train", 32, seed=0))
    assert batch["image"].shape == (32, 1, 8, 8)
    assert batch["image"].dtype == np.float32
    assert batch["digit"].dtype == np.int64
    assert batch["image"].min() >= 0 and batch["image"].max() == 1
    assert digits.undo_digit(batch["digit"]) is batch["digit"]


def test_every_row_is_in_one_split(loaded: Any) -> None:
    rows = np.concatenate(list(loaded.rows.values()))
    assert sorted(rows) == list(range(3823 + 1797))


def test_stratified_splits_have_the_classes_alike(loaded: Any) -> None:
    train = Counter(whole(loaded, "train")["digit"].tolist())
    whole_counts = train + Counter(whole(loaded, "validation")["digit"].tolist())
    for split in ("train", "validation"):
        size = loaded.sizes[split]
        counts = Counter(whole(loaded, split)["digit"].tolist())
        for digit, count in whole_counts.items():
            assert abs(counts[digit] - count * size / 3823) <= 1.5


def test_same_order_for_same_seed_and_epoch(loaded: Any) -> None:
    def order(**how: Any) -> list[int]:
        return [int(v) for b in loaded.batches("train", 100, **how) for v in b["digit"]]

    assert order(seed=3, epoch=1) == order(seed=3, epoch=1)
    assert order(seed=3, epoch=1) != order(seed=3, epoch=2)
    assert order(seed=3, epoch=1) != order(seed=4, epoch=1)
    assert order() == order(epoch=7)
    assert Counter(order()) == Counter(order(seed=3))


def test_a_short_batch_is_kept(loaded: Any) -> None:
    every = list(loaded.batches("train", 100, seed=5, epoch=2))
    assert [len(batch["digit"]) for batch in every] == [100] * 34 + [41]


def test_order_is_pinned(loaded: Any) -> None:
    """The order is part of what a run means: it must not change from one version to the next."""
    from_philox = np.random.Philox(key=[11, 4]).random_raw(3441)
    expected = loaded.rows["train"][np.argsort(from_philox, kind="stable")]
    found = next(loaded.batches("train", 3441, seed=11, epoch=4))["digit"]
    assert (found == loaded.columns["digit"][expected]).all()


def test_load_inputs_needs_no_targets(digits: Any, tmp_path: Path) -> None:
    x = np.zeros((5, 8, 8), np.uint8)
    np.savez(tmp_path / "new.npz", x_test=x)
    data = digits.load_inputs(tmp_path / "new.npz")
    assert data.sizes == {"predict": 5}
    assert set(whole(data, "predict")) == {"image"}


@pytest.mark.parametrize("shape", [(6, 4, 4), (6, 4, 4, 1), (6, 1, 4, 4)])
def test_npz_pictures_in_any_layout(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(96, dtype=np.uint8).reshape(shape))
    body = f'source = npz("{tmp_path}/a.npz")\n x = "x"'
    x = whole(make(tmp_path, body, {"x": number(1, 4, 4)}).load())["x"]
    assert (x == np.arange(96).reshape(6, 1, 4, 4)).all()


def test_npz_colours_last(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 5, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=pictures)
    body = f'source = npz("{tmp_path}/a.npz")\n x = "x" -> normalize(mean=[0, 0, 0], std=[1, 1, 1])'
    x = whole(make(tmp_path, body, {"x": number(3, 5, 6)}).load())["x"]
    assert np.allclose(x, pictures.transpose(0, 3, 1, 2) / 255, atol=1e-6)


def test_npz_with_parts(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        x_train=np.arange(10.0), x_test=np.arange(10.0, 14.0),
        y_train=np.arange(10) % 2, y_test=np.arange(4) % 2,
    )  # fmt: skip
    body = (
        f'source = npz("{tmp_path}/a.npz", train="*_train", test="*_test")\n x = "x"\n y = "y"\n'
        " split = random(train=80%, validation=20%, stratify=y)"
    )
    data = make(tmp_path, body, {"x": number(), "y": target(count=2)}).load()
    assert data.sizes == {"train": 8, "validation": 2, "test": 4}
    assert whole(data, "test")["x"].tolist() == [10, 11, 12, 13]
    assert whole(data, "validation")["x"].max() < 10


def test_csv_separator_quotes_gz_and_line_ends(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.tsv.gz", "wt", newline="", encoding="utf-8-sig") as file:
        file.write('n\tt\r\n1\t"two\twords"\r\n\r\n2\t"a ""b""\r\nc"\r\n')
    body = f'source = csv("{tmp_path}/a.tsv.gz", separator="\\t")\n n = "n"\n t = "t" -> category'
    module = make(tmp_path, body, {"n": number(), "t": ids()})
    data = module.load()
    assert whole(data)["n"].tolist() == [1, 2]
    assert data.fitted["t.category"]["classes"]["t"] == ['a "b"\r\nc', "two\twords"]


def test_csv_without_quotes_or_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"x,1\ny",2\n')
    body = f'source = csv("{tmp_path}/a.csv", header=false, quotes=false)\n n = "2"\n t = "1" -> category'
    data = make(tmp_path, body, {"n": number(), "t": ids()}).load()
    assert data.fitted["t.category"]["classes"]["1"] == ['"x', 'y"']


def test_csv_ranges_and_other_missing_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c,d\n1,2,?,4\n5,6,7,8\n")
    body = f'source = csv("{tmp_path}/a.csv", missing=["?"])\n x = ["b".."d", "a"] -> impute(mean)'
    data = make(tmp_path, body, {"x": number(4)}).load()
    assert whole(data)["x"].tolist() == [[2, 7, 4, 1], [6, 7, 8, 5]]


def test_csv_with_files_for_the_splits(tmp_path: Path) -> None:
    for name, values in (("train", "123"), ("dev", "4"), ("test", "56")):
        (tmp_path / f"{name}.csv").write_text("a\n" + "\n".join(values) + "\n")
    body = f'source = csv("{tmp_path}/train.csv", validation="dev.csv", test="test.csv")\n x = "a" -> standardize'
    data = make(tmp_path, body, {"x": number()}).load()
    assert data.sizes == {"train": 3, "validation": 1, "test": 2}
    assert data.fitted["x.standardize"]["mean"] == 2.0


def test_first_rows_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n2\n3\n")
    body = f'source = csv("{tmp_path}/a.csv", rows=2)\n x = "a"'
    assert make(tmp_path, body, {"x": number()}).load().sizes == {"train": 2}


def test_lines_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("emma\r\n\r\nava\r\n")
    body = f'source = text("{tmp_path}/a.txt", lines=true)\n x = "text" -> tokenize(characters, first=1)'
    data = make(tmp_path, body, {"x": ragged()}).load()
    assert whole(data)["x"].tolist() == [[2, 3, 3, 1], [1, 4, 1, 0]]


def test_lines_with_files_for_the_splits(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab\nba\n")
    (tmp_path / "b.txt").write_text("b\n")
    body = (
        f'source = text("{tmp_path}/a.txt", lines=true, test="b.txt")\n'
        ' x = "text" -> tokenize(characters, first=1)'
    )
    data = make(tmp_path, body, {"x": ragged()}).load()
    assert data.sizes == {"train": 2, "test": 1}
    assert whole(data, "test")["x"].tolist() == [[2]]


DOCUMENT = (
    'source = text("{}/a.txt")\n s = "text" -> {}\n x = s -> windows(3)\n'
    " y = s -> lead(1) -> windows(3)\n split = contiguous(train=75%, test=25%)"
)


def test_one_long_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcdabcdabcdabcd")
    body = DOCUMENT.format(tmp_path, "tokenize(characters)")
    module = make(tmp_path, body, {"x": ids(3, count=4), "y": target("int", 3)}, undo=("x",))
    data = module.load()
    assert data.sizes == {"train": 3, "test": 1}
    assert module.undo_x(whole(data)["x"], data.fitted) == ["abc", "dab", "cda"]
    assert module.undo_x(whole(data)["y"], data.fitted) == ["bcd", "abc", "dab"]
    assert module.load_inputs(tmp_path / "a.txt", data.fitted).sizes == {"predict": 5}


def test_one_long_text_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The cat. " * 8)
    body = DOCUMENT.format(tmp_path, "lowercase -> tokenize(words, vocab=9)")
    module = make(tmp_path, body, {"x": ids(3), "y": target("int", 3)}, undo=("x",))
    data = module.load()
    assert module.undo_x(whole(data)["x"], data.fitted)[0] == "the cat ."


def test_one_long_text_with_files_for_the_splits(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcabcabc")
    (tmp_path / "b.txt").write_text("cbaz")
    body = (
        f'source = text("{tmp_path}/a.txt", test="b.txt")\n x = "text" -> '
        "tokenize(characters, first=1, unknown=0) -> windows(4)"
    )
    data = make(tmp_path, body, {"x": ids(4)}).load()
    assert data.sizes == {"train": 2, "test": 1}
    assert whole(data, "test")["x"].tolist() == [[3, 2, 1, 0]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Ten pictures of 6 x 8 in two classes for each of two splits; grey, the value is the number."""
    number = 0
    for split in ("train", "test"):
        for kind in ("cat", "dog"):
            folder = tmp_path / "set" / split / kind
            folder.mkdir(parents=True)
            for i in range(5):
                number += 1
                pixels = np.full((6, 8, 3), number, np.uint8)
                pixels[:, 0] = 200  # the left edge
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "set"


def folder_body(pictures: Path, steps: str) -> str:
    return (
        f'source = folder("{pictures}", train="train", test="test")\n'
        f' image = "image"{steps}\n label = "class"'
    )


def test_folder(pictures: Path, tmp_path: Path) -> None:
    wanted = {"image": number(3, 6, 8), "label": target(count=2)}
    module = make(tmp_path, folder_body(pictures, " -> scale(1)"), wanted, undo=("label",))
    data = module.load()
    assert data.sizes == {"train": 10, "test": 10}
    batch = whole(data)
    assert batch["image"].shape == (10, 3, 6, 8)
    assert batch["image"][:, 0, 0, 1].tolist() == list(range(1, 11))
    assert module.undo_label(batch["label"], data.fitted).tolist() == ["cat"] * 5 + ["dog"] * 5
    found = module.load_inputs(pictures / "test" / "dog")
    assert whole(found, "predict")["image"].shape == (5, 3, 6, 8)
    assert json.loads(json.dumps(data.fitted)) == data.fitted


def test_grey_pictures_by_the_model(pictures: Path, tmp_path: Path) -> None:
    wanted = {"image": number(1, 4, 4)}
    steps = " -> resize([4, 5]) -> center_crop(4) -> normalize(mean=0.5, std=0.5)"
    data = make(tmp_path, folder_body(pictures, steps), wanted).load()
    assert whole(data)["image"].shape == (10, 1, 4, 4)
    assert whole(data)["image"].min() >= -1 and whole(data)["image"].max() <= 1


def test_resize_keeps_the_shape(pictures: Path, tmp_path: Path) -> None:
    for steps, shape in ((" -> resize(3)", (3, 3, 4)), (" -> resize(height=12)", (3, 12, 16))):
        data = make(tmp_path, folder_body(pictures, steps), {"image": number(*shape)}).load()
        assert whole(data)["image"].shape == (10, *shape)


def test_flip_and_crop_only_in_training(pictures: Path, tmp_path: Path) -> None:
    steps = " -> (if training then random_crop([6, 8], padding=1) -> random_flip else identity)"
    data = make(tmp_path, folder_body(pictures, steps), {"image": number(3, 6, 8)}).load()
    plain = whole(data)["image"]
    assert (whole(data)["image"] == plain).all()
    assert (whole(data, "test", seed=None)["image"][:, 0, 0, 0] == 200).all()
    drawn = whole(data, seed=1, epoch=0)["image"]
    assert (drawn == whole(data, seed=1, epoch=0)["image"]).all()
    assert (drawn != whole(data, seed=1, epoch=1)["image"]).any()
    assert (drawn == 0).any()  # some border came in
    assert (drawn[:, 0, 2, 7] == 200).any()  # some were flipped


def test_random_resized_crop(pictures: Path, tmp_path: Path) -> None:
    steps = " -> (if training then random_resized_crop([5, 4], least=0.3) else resize([5, 4]))"
    data = make(tmp_path, folder_body(pictures, steps), {"image": number(3, 5, 4)}).load()
    one, other = whole(data, seed=1)["image"], whole(data, seed=1, epoch=1)["image"]
    assert one.shape == (10, 3, 5, 4)
    assert (one == whole(data, seed=1)["image"]).all()
    assert (one != other).any()
    edges = (one[:, 0, :, 0] > 50).all(axis=1)
    assert edges.any() and not edges.all()  # some pieces hold the left edge, some do not


def test_draws_do_not_depend_on_the_batches(pictures: Path, tmp_path: Path) -> None:
    steps = " -> (if training then random_flip else identity)"
    data = make(tmp_path, folder_body(pictures, steps), {"image": number(3, 6, 8)}).load()
    one = np.concatenate([b["image"] for b in data.batches("train", 3, seed=2, epoch=5)])
    other = np.concatenate([b["image"] for b in data.batches("train", 7, seed=2, epoch=5)])
    assert (one == other).all()


def test_pictures_together_share_their_draws(pictures: Path, tmp_path: Path) -> None:
    rows = "".join(f"{kind}/{i}.png,{kind}/{i}.png\n" for kind in ("cat", "dog") for i in range(5))
    (pictures / "train" / "rows.csv").write_text("a,b\n" + rows)
    body = (
        f'source = csv("{pictures}/train/rows.csv")\n'
        ' x, y = ("a" -> read_image, "b" -> read_image) -> (if training then random_flip else identity)'
    )
    wanted = {"x": number(3, 6, 8), "y": target("float", 3, 6, 8)}
    data = make(tmp_path, body, wanted).load()
    batch = whole(data, seed=4)
    assert (batch["x"] == batch["y"]).all()
    assert len(set(batch["x"][:, 0, 0, 0].tolist())) > 1  # some flipped, some not


def test_pictures_of_an_array_are_augmented(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (8, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=pictures)
    body = (
        f'source = npz("{tmp_path}/a.npz")\n'
        ' x = "x" -> (if training then random_flip else identity) -> scale(1 / 255)'
    )
    data = make(tmp_path, body, {"x": number(1, 4, 4)}).load()
    assert np.allclose(whole(data)["x"][:, 0], pictures / 255)
    flipped = {
        bool(np.allclose(x, pictures[row] / 255))
        for row, x in zip(
            data.rows["train"][data_order(data)], whole(data, seed=0)["x"][:, 0], strict=True
        )
    }
    assert flipped == {True, False}


def data_order(data: Any) -> Any:
    bits = np.random.Philox(key=[0, 0]).random_raw(data.sizes["train"])
    return np.argsort(bits, kind="stable")


ROWS = "g,s,v\n" + "".join(f"p{i % 5},{'train' if i < 6 else 'dev'},{i}\n" for i in range(10))


def split_of(folder: Path, split: str) -> Any:
    (folder / "rows.csv").write_text(ROWS)
    body = f'source = csv("{folder}/rows.csv")\n v = "v"\n split = {split}'
    return make(folder, body, {"v": number()}).load()


def test_random_split(tmp_path: Path) -> None:
    one, same = (split_of(tmp_path, "random(train=60%, test=40%, seed=1)") for _ in range(2))
    other = split_of(tmp_path, "random(train=60%, test=40%, seed=2)")
    assert one.sizes == {"train": 6, "test": 4}
    assert (one.rows["train"] == same.rows["train"]).all()
    assert set(one.rows["train"]) != set(other.rows["train"])


def test_contiguous_split(tmp_path: Path) -> None:
    data = split_of(tmp_path, "contiguous(train=5, validation=2, test=2)")
    assert {split: rows.tolist() for split, rows in data.rows.items()} == {
        "train": [0, 1, 2, 3, 4], "validation": [5, 6], "test": [7, 8],
    }  # fmt: skip


def test_column_split(tmp_path: Path) -> None:
    data = split_of(tmp_path, 'column("s")')
    assert data.sizes == {"train": 6, "validation": 4}


def test_groups_stay_together(tmp_path: Path) -> None:
    data = split_of(tmp_path, 'random(train=60%, test=40%, group="g", seed=3)')
    groups = [{int(row) % 5 for row in rows} for rows in data.rows.values()]
    assert not groups[0] & groups[1]
    assert data.sizes == {"train": 6, "test": 4}


def test_no_split_is_all_training(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    body = f'source = csv("{tmp_path}/rows.csv")\n v = "v"'
    assert make(tmp_path, body, {"v": number()}).load().sizes == {"train": 10}


def test_penguins_fixture_reads(tmp_path: Path) -> None:
    body = (
        f'source = csv("{FIXTURES}/penguins.csv")\n'
        ' numbers = ["bill_length_mm".."body_mass_g"] -> impute(median) -> standardize\n'
        ' kinds = ["island", "sex"] -> category(unknown=0)\n species = "species" -> category\n'
        " split = random(train=70%, validation=15%, test=15%, stratify=species, seed=3)"
    )
    wanted = {"numbers": number(4), "kinds": ids(2), "species": target(count=3)}
    data = make(tmp_path, body, wanted).load()
    with (FIXTURES / "penguins.csv").open() as file:
        assert sum(data.sizes.values()) == len(list(csv.reader(file))) - 1 == 344
