"""Picture files of every kind: right, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.making import make, number, target, whole

RAMP = (np.arange(6 * 8).reshape(6, 8) * 5).astype(np.uint8)  # grey, 6 x 8


def program(folder: Path, shape: tuple[int, ...] = (1, 6, 8), steps: str = " -> scale(1)") -> Any:
    body = f'source = folder("{folder}/set")\n x = "image"{steps}\n y = "class"'
    return make(folder, body, {"x": number(*shape), "y": target()})


def put(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    path = folder / "set" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


COLOURS = np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=-1)
KINDS: dict[str, tuple[str, Any, int, int]] = {
    "grey": ("a.png", Image.fromarray(RAMP), 1, 0),
    "grey of 16 bits": ("a.png", Image.fromarray(RAMP.astype(np.uint16) * 257), 1, 0),
    "grey of 16 bits, tiff": ("a.tif", Image.fromarray(RAMP.astype(np.uint16) * 257), 1, 0),
    "grey of 32 bits": ("a.tif", Image.fromarray(RAMP.astype(np.int32) * 257), 1, 0),
    "colours": ("a.png", Image.fromarray(COLOURS), 3, 0),
    "bmp": ("a.bmp", Image.fromarray(COLOURS), 3, 0),
    "webp": ("a.webp", Image.fromarray(COLOURS), 3, 0),
    "tiff": ("a.tiff", Image.fromarray(COLOURS), 3, 0),
    "jpeg": ("a.jpg", Image.fromarray(COLOURS), 3, 45),
    "upper case": ("a.JPEG", Image.fromarray(COLOURS), 3, 45),
    "gif": ("a.gif", Image.fromarray(RAMP), 1, 0),
    "palette": ("a.png", Image.fromarray(RAMP).convert("P"), 1, 0),
    "alpha": ("a.png", Image.fromarray(COLOURS).convert("RGBA"), 3, 0),
    "grey and alpha": ("a.png", Image.fromarray(RAMP).convert("LA"), 1, 0),
    "cmyk": ("a.jpg", Image.fromarray(COLOURS).convert("CMYK"), 3, 45),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_mode_and_depth(kind: str, tmp_path: Path) -> None:
    name, image, channels, apart = KINDS[kind]
    more = {"lossless": True} if name.endswith("webp") else {}
    put(tmp_path, f"cat/{name}", image, **more)
    found = whole(program(tmp_path, (channels, 6, 8)).load())["x"][0]
    expected = RAMP[None] if channels == 1 else COLOURS.transpose(2, 0, 1)
    assert np.abs(found - expected).max() <= apart


def test_one_bit(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.png", Image.fromarray(RAMP > 100))
    found = whole(program(tmp_path).load())["x"][0, 0]
    assert (found == np.where(RAMP > 100, 255, 0)).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_rotation_is_applied(turn: int, tmp_path: Path) -> None:
    """The eight ways in which a camera may have been held."""
    upright = Image.fromarray(RAMP).resize((64, 48))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(back[turn]) if turn in back else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    put(tmp_path, "cat/a.jpg", stored, exif=exif, quality=95)
    found = whole(program(tmp_path, (1, 48, 64)).load())["x"][0, 0]
    assert np.abs(found - np.asarray(upright, dtype=float)).mean() < 3


REFUSED: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "floats": ("a.tif", Image.fromarray(RAMP.astype(np.float32)), {}, "has floating-point pixels"),
    "32 bits": ("a.tif", Image.fromarray(RAMP.astype(np.int32) * 10**6), {}, "has pixels of 32 bits"),
    "moving": (
        "a.gif", Image.fromarray(RAMP),
        {"save_all": True, "append_images": [Image.fromarray(255 - RAMP)]}, "several pictures",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    name, image, options, expected = REFUSED[kind]
    path = put(tmp_path, f"cat/{name}", image, **options)
    module = program(tmp_path)
    with pytest.raises(module.DataError) as caught:
        whole(module.load())
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_what_lies_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Deeper pictures count, hidden things don't, and what is left out is said."""
    for name in ("cat/a.png", "cat/deep/er/b.png", "dog/c.png"):
        put(tmp_path, name, Image.fromarray(RAMP))
    hidden = ("cat/._a.png", "cat/.DS_Store", ".ipynb_checkpoints/a.png", "__MACOSX/cat/a.png")
    others = ("dog/.ipynb_checkpoints/c.png", "cat/notes.txt", "cat/more.TXT", "dog/README")
    for name in (*hidden, *others):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"?")
    put(tmp_path, "loose.png", Image.fromarray(RAMP))
    module = program(tmp_path)
    data = module.load()
    assert whole(data)["y"].tolist() == [0, 0, 1]
    assert data.fitted["y.class"]["classes"] == ["cat", "dog"]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"{tmp_path}/set/cat: left out what is no picture: 2 .txt",
        f"{tmp_path}/set/dog: left out what is no picture: 1 ?",
        f"{tmp_path}/set: left out 1 pictures of no class",
    ]
    found = module.load_inputs(tmp_path / "set")
    names = module.name_pictures(found.columns["x"], tmp_path / "set")
    assert names.tolist() == ["cat/a.png", "cat/deep/er/b.png", "dog/c.png", "loose.png"]


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_wrong_size_names_the_file(place: int, tmp_path: Path) -> None:
    for number_ in range(5):
        size = (9, 9) if number_ == place else (8, 6)
        put(tmp_path, f"cat/{number_}.png", Image.fromarray(RAMP).resize(size))
    module = program(tmp_path)
    with pytest.raises(module.DataError) as caught:
        whole(module.load())
    expected = 1 if place == 0 else place  # the first that is not like the first
    assert f"set/cat/{expected}.png: a picture of" in str(caught.value)
    with pytest.raises(module.DataError, match=rf"cat/{place}\.png: expected pictures of"):
        list(module.load().batches("train", 1))


def test_one_file_to_predict(tmp_path: Path) -> None:
    path = put(tmp_path, "cat/a.png", Image.fromarray(RAMP))
    module = program(tmp_path)
    found = module.load_inputs(path)
    assert module.name_pictures(found.columns["x"], path).tolist() == [str(path)]
    with pytest.raises(module.DataError, match=r"none\.png: no such file or folder"):
        module.load_inputs(tmp_path / "none.png")
