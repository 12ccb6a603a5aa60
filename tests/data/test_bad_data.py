"""Data that can't be used ends in one line that says where, what, and what was expected."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.making import ids, make, number, ragged, target

NUMBERS = 'source = csv("{}/a.csv")\n x = "a" -> standardize\n y = "b"\n split = contiguous(train=2, test=1)'
TABLES: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "a.csv: is empty, expected a table"),
    "header only": (b"a,b\n", "a.csv: has no rows"),
    "missing column": (b"a,c\n1,2\n", "a.csv:1: no column 'b'; the columns are 'a', 'c'"),
    "column twice": (b"a,b,a\n1,2,3\n", "a.csv:1: two columns 'a'"),
    "value too many": (b"a,b\n1,2\n1,2,3\n", "a.csv:3: expected 2 values, found 3"),
    "value too few": (b"a,b\n1,2\n1\n", "a.csv:3: expected 2 values, found 1"),
    "text for a number": (
        b"a,b\n1,0\n2,0\nthree,0\n",
        "a.csv:4: column 'a': expected a number, found 'three'",
    ),
    "nan": (b"a,b\n1,0\nnan,0\n3,0\n", "a.csv:3: column 'a': expected a number, found 'nan'"),
    "infinity": (b"a,b\n1,0\ninf,0\n3,0\n", "a.csv:3: column 'a': expected a number, found 'inf'"),
    "missing value": (b"a,b\n1,0\n,0\n3,0\n", "a.csv:3: column 'a': expected a number, found ''"),
    "label negative": (
        b"a,b\n1,0\n2,-1\n3,0\n",
        "a.csv:3: column 'b': expected a whole number from 0, found '-1'",
    ),
    "label a fraction": (
        b"a,b\n1,0\n2,0.5\n3,0\n",
        "a.csv:3: column 'b': expected a whole number from 0, found '0.5'",
    ),
    "label too high": (
        b"a,b\n1,0\n2,2\n3,0\n",
        "a.csv:3: column 'b': expected a number from 0 to 1, found '2'",
    ),
    "not utf-8": (b"a,b\n1,0\n\xff,0\n", "expected UTF-8 text, found byte 0xff"),
    "open quote": (b'a,b\n1,0\n"2,0\n', "a.csv:"),
    "text after a quote": (b'a,b\n1,0\n"2"x,0\n', "a.csv:3: ',' expected after '\"'"),
    "field too long": (
        b"a,b\n" + b"1" * 140_000 + b",0\n",
        "field larger than field limit (131072)",
    ),
    "too few rows": (b"a,b\n1,0\n2,0\n", "the splits take 3 rows, and there are 2"),
}


@pytest.mark.parametrize("name", TABLES)
def test_table(tmp_path: Path, name: str) -> None:
    content, expected = TABLES[name]
    (tmp_path / "a.csv").write_bytes(content)
    wanted = {"x": number(), "y": target(count=2)}
    fails(make(tmp_path, NUMBERS.format(tmp_path), wanted), expected)


def test_bom_and_crlf_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,0\r\n2,1\r\n3,0\r\n")
    wanted = {"x": number(), "y": target(count=2)}
    assert make(tmp_path, NUMBERS.format(tmp_path), wanted).load().sizes == {"train": 2, "test": 1}


def fails(module: Any, expected: str) -> None:
    """`load` fails with one line that holds the words expected."""
    with pytest.raises(module.DataError) as caught:
        module.load()
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    module = make(tmp_path, NUMBERS.format(tmp_path), {"x": number(), "y": target(count=2)})
    fails(module, "a.csv: no such file")


def test_broken_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * 9999)[:-20])
    module = make(tmp_path, f'source = csv("{tmp_path}/a.csv.gz")\n x = "a"', {"x": number()})
    fails(module, "can't be read")


def test_a_column_without_values_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\n1,,3\n2,,4\n3,5,5\n")
    data = f"""source = csv("{tmp_path}/a.csv")
        x = ["a", "b".."c"] -> impute(mean) -> standardize
        split = contiguous(train=2, test=1)"""
    fails(make(tmp_path, data, {"x": number(3)}), "column 'b' has no value in the training rows")


def test_endless_line(tmp_path: Path) -> None:
    """A gzip bomb with one line is refused before it fills the memory."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1" * 2**25))
    module = make(tmp_path, f'source = csv("{tmp_path}/a.csv.gz")\n x = "a"', {"x": number()})
    fails(module, "line over 16777216 characters")


CATEGORY = 'source = csv("{}/a.csv")\n x = "a" -> {}\n split = contiguous(train=2, test=1)'
COLUMNS: dict[str, tuple[str, Any, bytes, str]] = {
    "class not in training": ("category", ids(), b"a\nu\nv\nw\n", "a.csv:4: column 'a': expected one of the 2 classes of the training rows, found 'w'"),
    "class missing": ("category", ids(), b"a,b\nu,1\n,1\nu,1\n", "a.csv:3: column 'a': expected one of the 1 classes"),
    "too many classes": ("category(size=1)", ids(), b"a\nu\nv\nu\n", "column 'a': expected at most 1 different values, found 2"),
    "more classes than the model has": ("category", ids(count=1), b"a\nu\nv\nu\n", "expected at most 1 different values, found 2"),
    "nothing to learn from": ("impute(median)", number(), b"a,b\n,1\n,1\n3,1\n", "column 'a' has no value in the training rows"),
    "log of nothing": ("log", number(), b"a\n1\n0\n1\n", "a.csv:3: column 'a': expected numbers above 0 for a logarithm, found 0"),
    "list too long": ("tokenize(words)", ragged(2), b"a\nx y\nx y z\nx\n", "a.csv:3: column 'a': expected 1 to 2 tokens, found 3"),
    "empty list": ("tokenize(words)", ragged(), b"a,b\nx y,1\n,1\nx,1\n", "a.csv:3: column 'a': expected tokens, found none"),
    "character not in training": ("tokenize(characters)", ragged(), b"a\nx\ny\nz\n", "a.csv:4: column 'a': expected one of the 2 tokens of the training rows, found 'z'"),
    "more ids than the model has": ("tokenize(characters)", ragged(count=2), b"a\nx\nyz\nz\n", "a.csv:3: column 'a': expected ids from 0 to 1, found 2"),
    "no such picture": ("read_image", number(3, 2, 2), b"a\nx.png\ny.png\nz.png\n", "a.csv:2: column 'a': no such picture file: 'x.png'"),
    "picture elsewhere": ("read_image", number(3, 2, 2), b"a\n../x.png\ny.png\nz.png\n", "a.csv:2: column 'a': '../x.png' is outside"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_column(tmp_path: Path, name: str) -> None:
    steps, want, content, expected = COLUMNS[name]
    (tmp_path / "a.csv").write_bytes(content)
    fails(make(tmp_path, CATEGORY.format(tmp_path, steps), {"x": want}), expected)


def test_rows_out_of_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,v\n2020-01-02,1\n2020-01-01,2\n")
    body = f'source = csv("{tmp_path}/a.csv", time="t")\n x = "v"'
    fails(make(tmp_path, body, {"x": number()}), "a.csv:3: column 't': expected a time after")


def test_wrong_split_word(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("s,v\ntrain,1\nholdout,2\n")
    body = f'source = csv("{tmp_path}/a.csv")\n x = "v"\n split = column("s")'
    fails(
        make(tmp_path, body, {"x": number()}),
        "a.csv:3: column 's': expected train, validation or test",
    )


def test_split_without_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("v\n1\n2\n")
    body = f'source = csv("{tmp_path}/a.csv")\n x = "v"\n split = random(train=90%, test=10%)'
    fails(make(tmp_path, body, {"x": number()}), "the split 'test' gets none of the 2 rows")


def test_windows_longer_than_the_split(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcabc")
    body = f'source = text("{tmp_path}/a.txt")\n x = "text" -> tokenize(characters) -> windows(9)'
    fails(make(tmp_path, body, {"x": ids(9)}), "the split 'train' has 6 rows, and a sample takes 9")


def test_new_character_in_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ababz")
    body = (
        f'source = text("{tmp_path}/a.txt")\n x = "text" -> tokenize(characters) -> windows(1)\n'
        " split = contiguous(train=4, test=1)"
    )
    fails(make(tmp_path, body, {"x": ids(1)}), "character 4: expected one of the 2 characters")


# --- arrays -----------------------------------------------------------------------------------

LENET = 'source = npz("{}/a.npz")\n x = "x" -> scale(1 / 255)\n y = "y"'
LENET_WANTED = {"x": number(1, 4, 4), "y": target(count=3)}
X, Y = np.zeros((5, 4, 4), np.uint8), np.arange(5) % 3
BAD_X = X.astype(np.float64)
BAD_X[3, 1, 1] = np.nan
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "array missing": ({"x": X}, "a.npz: no array 'y', only x"),
    "wrong shape": ({"x": np.zeros((5, 3, 3)), "y": Y}, "array 'x': expected rows of shape (1, 4, 4), found (3, 3)"),
    "nan": ({"x": BAD_X, "y": Y}, "array 'x', row 3: holds a number that is not finite"),
    "label negative": ({"x": X, "y": Y - 1}, "array 'y', row 0: expected whole numbers from 0 to 2, found -1"),
    "label too high": ({"x": X, "y": Y + 1}, "array 'y', row 2: expected whole numbers from 0 to 2, found 3"),
    "label a fraction": ({"x": X, "y": Y / 2}, "array 'y', row 1: expected whole numbers from 0 to 2, found 0.5"),
    "labels of a wrong shape": ({"x": X, "y": np.zeros((5, 2), int)}, "array 'y': expected rows of shape (), found (2,)"),
    "other number of rows": ({"x": X, "y": Y[:4]}, "expected as many rows in each array, found {'x': (5,), 'y': (4,)}"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, "expected as many rows in each array, found {'x': (0,), 'y': (0,)}"),
    "objects": ({"x": X, "y": np.array([{}] * 5, dtype=object)}, "array 'y': expected numbers, found object"),
    "texts": ({"x": X, "y": np.array(list("abcde"))}, "array 'y': expected numbers, found <U1"),
    "one number": ({"x": np.array(3.0), "y": Y}, "expected as many rows in each array, found {'x': (), 'y': (5,)}"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(tmp_path: Path, name: str) -> None:
    arrays, expected = ARRAYS[name]
    np.savez(tmp_path / "a.npz", **arrays)
    fails(make(tmp_path, LENET.format(tmp_path), LENET_WANTED), expected)


def npy(shape: str, data: bytes) -> bytes:
    """A `.npy` file whose header says whatever is wanted."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (64 - (10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def archive(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


FORGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "not an archive": (lambda p: p.write_bytes(b"nothing") and None, "not a readable .npz file"),
    "one array": (lambda p: p.write_bytes(npy("(1,)", b"1")) and None, "not a readable .npz file: found one .npy"),
    "empty file": (lambda p: p.write_bytes(b"") and None, "not a readable .npz file"),
    "not an array": (lambda p: archive(p, {"x.npy": b"hello", "y.npy": b"x"}), "not a readable .npz file"),
    "short data": (
        lambda p: archive(p, {"x.npy": npy("(100,)", b"1"), "y.npy": npy("(100,)", b"1")}),
        "not a readable .npz file",
    ),
    "code in the header": (
        lambda p: archive(p, {"x.npy": npy("__import__('os')", b"1"), "y.npy": npy("(1,)", b"1")}),
        "not a readable .npz file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_archives(tmp_path: Path, name: str) -> None:
    write, expected = FORGED[name]
    write(tmp_path / "a.npz")
    fails(make(tmp_path, LENET.format(tmp_path), LENET_WANTED), expected)


def test_nothing_is_unpacked_before_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of zeros pack to almost nothing, and would fill the memory."""
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 100)), y=np.zeros(3))

    def unpack(*args: object, **more: object) -> None:
        raise AssertionError("an array was unpacked")

    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", unpack)
    module = make(tmp_path, LENET.format(tmp_path), LENET_WANTED)
    fails(module, "expected as many rows in each array")


# --- pictures ---------------------------------------------------------------------------------


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def huge() -> bytes:
    """A PNG that says it is 60,000 x 60,000."""
    small = bytearray(png(8, 8))
    small[16:24] = struct.pack(">II", 60_000, 60_000)
    import zlib

    small[29:33] = struct.pack(">I", zlib.crc32(bytes(small[12:29])))
    return bytes(small)


PICTURES: dict[str, tuple[bytes, str]] = {
    "0 bytes": (b"", "b.png: expected a picture file"),
    "truncated": (png(64, 64)[:60], "b.png: expected a picture file"),
    "text": (b"<svg></svg>", "b.png: expected a picture file"),
    "gif": (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "b.png: expected a picture file"),
    "bomb": (huge(), "b.png: "),
    "other size": (png(9, 8), "b.png: a picture of 8 x 9, beside others of"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(tmp_path: Path, name: str) -> None:
    content, expected = PICTURES[name]
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "a.png").write_bytes(png(8, 8))
    (tmp_path / "set" / "cat" / "b.png").write_bytes(content)
    body = f'source = folder("{tmp_path}/set")\n x = "image" -> scale(1)'
    module = make(tmp_path, body, {"x": number(3, 8, 8)})
    data = module.load()
    with pytest.raises(module.DataError) as caught:
        list(data.batches("train", 8))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_picture_of_a_wrong_size(tmp_path: Path) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "a.png").write_bytes(png(8, 8))
    module = make(
        tmp_path, f'source = folder("{tmp_path}/set")\n x = "image"', {"x": number(3, 6, 6)}
    )
    with pytest.raises(module.DataError, match=r"expected pictures of \[3, 6, 6\]"):
        list(module.load().batches("train", 1))


@pytest.mark.parametrize("step", ["center_crop(12)", "random_crop(12, padding=1)"])
def test_picture_smaller_than_what_is_cut_from_it(step: str, tmp_path: Path) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "a.png").write_bytes(png(16, 16))
    (tmp_path / "set" / "cat" / "b.png").write_bytes(png(8, 16))
    body = f'source = folder("{tmp_path}/set")\n x = "image" -> {step}'
    module = make(tmp_path, body, {"x": number(3, 12, 12)})
    with pytest.raises(module.DataError, match=r"b\.png: a picture of 16 x 8 is too small to cut"):
        list(module.load().batches("train", 2, seed=0))


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    module = make(
        tmp_path, f'source = folder("{tmp_path}/set")\n x = "image"', {"x": number(3, 6, 6)}
    )
    fails(module, "expected sub-folders with pictures")


def test_class_only_in_the_test_part(tmp_path: Path) -> None:
    for place in ("train/cat", "test/dog"):
        (tmp_path / "set" / place).mkdir(parents=True)
        (tmp_path / "set" / place / "a.png").write_bytes(png(8, 8))
    body = f'source = folder("{tmp_path}/set", train="train", test="test")\n y = "class"'
    fails(make(tmp_path, body, {"y": target()}), "no picture of class 'dog' is for training")
