"""Pictures: height x width x channels, 8 bits, until they are numbers."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bmc_programs.parts.core import Array, DataError
from bmc_programs.parts.tables import Text

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
LISTED = "png, jpg, webp, bmp, gif or tif"
MAX_PIXELS = 89_478_485
KEEP_BYTES = 2**30
Pictures = list[Array]


class PictureFiles:
    """Pictures that are read when asked for, and kept while they take little room."""

    def __init__(self, paths: Sequence[Path], mode: str) -> None:
        self.paths = paths
        self.mode = mode
        self.kept: dict[int, Array] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: Array) -> Pictures:
        return [self.picture(int(row)) for row in rows]

    def picture(self, row: int) -> Array:
        """One picture: uint8 (height, width, channels)."""
        if row in self.kept:
            return self.kept[row]
        picture = read_picture(self.paths[row], self.mode)
        if self.bytes + picture.nbytes <= KEEP_BYTES:
            self.kept[row] = picture
            self.bytes += picture.nbytes
        return picture


def read_picture(path: Path, mode: str) -> Array:
    """A picture file as it is meant to be seen: uint8 (height, width, channels).

    The mode is "RGB" or "L". Pictures of 16 bits are brought to 8, and those that a
    camera took on its side are turned; of transparent ones the colours stay.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: more than {MAX_PIXELS} pixels")
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise DataError(f"{path}: several pictures, expected one")
            upright = ImageOps.exif_transpose(image)
            pixels = np.asarray(to_bytes(upright, path).convert(mode))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: expected a picture file: {error}") from None
    return pixels.reshape(*pixels.shape[:2], -1)


def to_bytes(image: Image.Image, path: Path) -> Image.Image:
    """The picture with 8 bits a channel."""
    if image.mode == "F":
        raise DataError(f"{path}: has floating-point pixels, expected whole numbers")
    if not image.mode.startswith("I"):
        return image
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise DataError(f"{path}: has pixels of 32 bits, expected 8 or 16")
    return Image.fromarray(((pixels * 255 + 32767) // 65535).astype(np.uint8))


@dataclass(frozen=True)
class Folder:
    """Picture files and the names of their classes."""

    paths: list[Path]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.paths)


def read_folder(path: Path) -> Folder:
    """The pictures below the sub-folders of a folder, a sub-folder a class, sorted."""
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    kinds = [kind for kind in sorted(path.iterdir()) if kind.is_dir() and shown(kind)]
    found = [(file, kind.name) for kind in kinds for file in choose_pictures(kind)]
    if not found:
        raise DataError(f"{path}: expected sub-folders with pictures ({LISTED})")
    loose = [f for f in path.iterdir() if f.is_file() and f.suffix.lower() in SUFFIXES]
    if loose:
        print(f"{path}: left out {len(loose)} pictures of no class", file=sys.stderr)
    return Folder([file for file, _ in found], [name for _, name in found])


def find_pictures(path: Path) -> Folder:
    """All pictures below a folder, sorted, or one picture file."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    paths = choose_pictures(path) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path}: expected pictures ({LISTED})")
    return Folder(paths, [file.parent.name for file in paths])


def shown(path: Path) -> bool:
    """Whether a file or folder is not one that systems and editors hide."""
    return not path.name.startswith(".") and path.name != "__MACOSX"


def choose_pictures(folder: Path) -> list[Path]:
    """The picture files below a folder, sorted; says how many files are none."""
    files: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if shown(Path(name))]
        files += [Path(place, name) for name in names if shown(Path(name))]
    chosen = sorted(file for file in files if file.suffix.lower() in SUFFIXES)
    kinds = Counter(file.suffix.lower() for file in files) - Counter(
        file.suffix.lower() for file in chosen
    )
    if kinds:
        listed = ", ".join(f"{count} {kind or '?'}" for kind, count in kinds.items())
        print(f"{folder}: left out what is no picture: {listed}", file=sys.stderr)
    return chosen


def name_pictures(files: PictureFiles, path: Path) -> Array:
    """The names of picture files, as they stand below a folder."""
    inside = [file.relative_to(path) if file != path else file for file in files.paths]
    return np.array([file.as_posix() for file in inside])


def join_folders(parts: dict[str, Folder]) -> tuple[Folder, dict[str, Array]]:
    """The pictures of all parts one after the other, and the rows of each part."""
    paths: list[Path] = []
    labels: list[str] = []
    rows = {}
    for split, folder in parts.items():
        rows[split] = np.arange(len(paths), len(paths) + len(folder))
        paths += folder.paths
        labels += folder.labels
    return Folder(paths, labels), rows


def class_numbers(folder: Folder, train: Array, learned: dict[str, list[str]]) -> Array:
    """The number of each picture's class among the sorted names: int64 (pictures,)."""
    if not learned:
        learned["classes"] = sorted({folder.labels[row] for row in train})
    number = {name: place for place, name in enumerate(learned["classes"])}
    for path, label in zip(folder.paths, folder.labels, strict=True):
        if label not in number:
            raise DataError(f"{path}: no picture of class {label!r} is for training")
    return np.array([number[label] for label in folder.labels], dtype=np.int64)


def picture_paths(text: Text, folder: Path) -> list[Path]:
    """The files that a column names, relative to the table's folder and inside it."""
    paths = []
    root = folder.resolve()
    for row, value in enumerate(text.values):
        path = root / value
        if not path.resolve().is_relative_to(root):
            raise DataError(f"{text.place(row)}: {value[:80]!r} is outside {folder}")
        if not path.is_file():
            raise DataError(f"{text.place(row)}: no such picture file: {value[:80]!r}")
        paths.append(path)
    return paths


def as_list(array: Array) -> Pictures:
    """An array of 8-bit pictures, (n, h, w) or (n, h, w, channels), as a list."""
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise DataError(
            f"expected 8-bit pictures, found {array.dtype} rows of shape "
            f"{list(array.shape[1:])}"
        )
    return [picture.reshape(*picture.shape[:2], -1) for picture in array]


def resize(pictures: Pictures, height: int, width: int) -> Pictures:
    """Pictures of exactly that size (bilinear, antialiased)."""
    return [resize_one(picture, height, width) for picture in pictures]


def resize_shorter(pictures: Pictures, side: int) -> Pictures:
    """Pictures whose shorter side has that length, their proportions kept."""
    resized = []
    for picture in pictures:
        height, width = picture.shape[:2]
        ratio = side / min(height, width)
        resized.append(
            resize_one(picture, int(height * ratio + 0.5), int(width * ratio + 0.5))
        )
    return resized


def resize_height(pictures: Pictures, height: int) -> Pictures:
    """Pictures of that height, their proportions kept."""
    return [
        resize_one(
            picture, height, max(1, round(picture.shape[1] * height / picture.shape[0]))
        )
        for picture in pictures
    ]


def resize_one(picture: Array, height: int, width: int) -> Array:
    """One picture in another size."""
    image = Image.fromarray(picture.squeeze(2) if picture.shape[2] == 1 else picture)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return pixels.reshape(height, width, -1)


def large_enough(
    pictures: Pictures, height: int, width: int, files: PictureFiles, rows: Array
) -> Pictures:
    """The pictures, checked to be no smaller than what is cut from them."""
    for picture, row in zip(pictures, rows, strict=True):
        high, wide, _ = picture.shape
        if high < height or wide < width:
            raise DataError(
                f"{files.paths[row]}: a picture of {high} x {wide} is too small to cut "
                f"{height} x {width} from it"
            )
    return pictures


def center_crop(pictures: Pictures, height: int, width: int) -> Pictures:
    """The middle of each picture."""
    cropped = []
    for picture in pictures:
        top = round((picture.shape[0] - height) / 2)
        left = round((picture.shape[1] - width) / 2)
        if top < 0 or left < 0:
            raise DataError(
                f"a picture of {picture.shape[0]} x {picture.shape[1]} is too small to "
                f"cut {height} x {width} from it"
            )
        cropped.append(picture[top : top + height, left : left + width])
    return cropped


def flip(pictures: Pictures, drawn: Array, probability: float) -> Pictures:
    """Left and right swapped where the number drawn, (n, 1), is below `probability`."""
    return [
        picture[:, ::-1] if number < probability else picture
        for picture, number in zip(pictures, drawn[:, 0], strict=True)
    ]


def crop(
    pictures: Pictures, drawn: Array, height: int, width: int, padding: int
) -> Pictures:
    """A piece from where the numbers drawn, (n, 2), say; the border added is black."""
    cropped = []
    border = ((padding, padding), (padding, padding), (0, 0))
    for picture, (down, right) in zip(pictures, drawn, strict=True):
        padded = np.pad(picture, border)
        room = (padded.shape[0] - height + 1, padded.shape[1] - width + 1)
        if min(room) < 1:
            raise DataError(
                f"a picture of {picture.shape[0]} x {picture.shape[1]} is too small to "
                f"cut {height} x {width} from it"
            )
        top, left = int(down * room[0]), int(right * room[1])
        cropped.append(padded[top : top + height, left : left + width])
    return cropped


def crop_resized(
    pictures: Pictures,
    drawn: Array,
    height: int,
    width: int,
    least: float,
    most: float,
) -> Pictures:
    """A piece of each picture, resized.

    The numbers drawn, (n, 4), give its share of the area, its proportions (3/4 to 4/3)
    and its place.
    """
    cropped = []
    for picture, (share, shape, down, right) in zip(pictures, drawn, strict=True):
        rows, columns = picture.shape[:2]
        area = rows * columns * (least + share * (most - least))
        ratio = 0.75 * (16 / 9) ** shape
        high = min(rows, max(1, round((area / ratio) ** 0.5)))
        wide = min(columns, max(1, round((area * ratio) ** 0.5)))
        top, left = int(down * (rows - high + 1)), int(right * (columns - wide + 1))
        piece = picture[top : top + high, left : left + wide]
        cropped.append(resize_one(piece, height, width))
    return cropped


def stack(pictures: Pictures) -> Array:
    """Pictures of one size as an array (n, channels, height, width), 8 bits."""
    sizes = sorted({picture.shape for picture in pictures})
    if len(sizes) > 1:
        raise DataError(
            f"pictures in one batch differ in size: {sizes[0]} and {sizes[-1]}"
        )
    return np.stack(pictures).transpose(0, 3, 1, 2)


def stack_files(pictures: Pictures, files: PictureFiles, rows: Array) -> Array:
    """Pictures of one size as an array (n, channels, height, width), 8 bits."""
    for picture, row in zip(pictures, rows, strict=True):
        if picture.shape != pictures[0].shape:
            high, wide, _ = picture.shape
            others = f"{pictures[0].shape[0]} x {pictures[0].shape[1]}"
            raise DataError(
                f"{files.paths[row]}: a picture of {high} x {wide}, beside others of "
                f"{others}; resize or crop them"
            )
    return np.stack(pictures).transpose(0, 3, 1, 2)


def check_files(
    pictures: Array, shape: tuple[int | None, ...], files: PictureFiles, rows: Array
) -> Array:
    """The pictures, checked to have that shape, None being any size."""
    found = pictures.shape[1:]
    if any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
        raise DataError(
            f"{files.paths[rows[0]]}: expected pictures of {list(shape)} (channels, "
            f"height, width), found {list(found)}"
        )
    return pictures


def check_pictures(pictures: Array, shape: tuple[int | None, ...]) -> Array:
    """The pictures, checked to have that shape, None being any size."""
    found = pictures.shape[1:]
    if any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
        raise DataError(
            f"expected pictures of {list(shape)} (channels, height, width), "
            f"found {list(found)}"
        )
    return pictures


def normalize(
    pictures: Array, mean: Sequence[float], deviation: Sequence[float]
) -> Array:
    """`(pictures / 255 - mean) / deviation`, each channel by itself, as float32."""
    shape = (1, len(mean), 1, 1)
    means = np.array(mean, dtype=np.float32).reshape(shape)
    deviations = np.array(deviation, dtype=np.float32).reshape(shape)
    return (pictures.astype(np.float32) / np.float32(255) - means) / deviations
