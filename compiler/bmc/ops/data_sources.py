"""Where data comes from. Paths are relative to where the program runs; parts to the first path."""

from __future__ import annotations

from bmc.ops.base import param
from bmc.ops.data import Carrying, Source
from bmc.ops.kinds import Bool, Int, ListOf, Refusal, Str


class Npz(Source, name="npz", aliases=("numpy", "np", "npy")):
    """Named arrays of a NumPy `.npz` file, one row each along the first axis.

    A column is the name of an array. A file that has its own splits names its arrays
    `x_train`, `x_test`: then `train="*_train", test="*_test"` says which names belong to which
    split, and the column is just `"x"`. A `split` then cuts the training part. A file to predict
    has arrays of the last part's names, or just of the columns' names.
    Object arrays are refused.
    """

    columns = "array"
    paths = False

    path: str = param(Str(), "the file")
    train: str = param(Str(), "names of the training arrays, `*` for the column", "")
    validation: str = param(Str(), "names of the validation arrays", "")
    test: str = param(Str(), "names of the test arrays", "")

    def check(self) -> None:
        """Parts come with the training part, and each says where the column's name goes."""
        for key in ("train", "validation", "test"):
            pattern = getattr(self, key)
            if pattern and pattern.count("*") != 1:
                raise Refusal(
                    f"expected one `*` for the column's name, found `{pattern}`",
                    setting=key,
                    help=f'write "*{pattern.replace("*", "")}"',
                )
        if (self.validation or self.test) and not self.train:
            raise Refusal(
                "names parts, and does not say which is the training part", setting="train"
            )

    def holds(self, column: str) -> Carrying:
        """Whatever the array has."""
        return Carrying("array", None)


class Csv(Source, name="csv", aliases=("tsv", "table", "read_csv")):
    """A table in a text file, one row a line (RFC 4180); `.gz` files are unpacked.

    The first line names the columns; with `header=false` they are "1", "2", and so on. A range
    `["age".."height"]` means the columns that stand so in the training file; every later file is
    read by their names, in whatever order it has them and with whatever others.
    The path is the training part when `validation=` or `test=` name further files, which stand in
    the same folder and have the same columns. A `split` then cuts the training part.
    A number is written in ASCII digits, with a sign, a point and an exponent where it needs them
    (`3`, `-.5`, `1e-3`); spaces around it do not count, and `1_000`, `1,5` or `inf` are no numbers.
    Values in `missing` count as missing; other steps than `impute` and `category` refuse those.
    With `time=` the rows must be in ascending order of that column (ISO dates).
    """

    columns = "text"
    tabular = True

    path: str = param(Str(), "the file")
    separator: str = param(Str(), "what stands between two values", ",")
    validation: str = param(Str(), "file with the validation rows, in the same folder", "")
    test: str = param(Str(), "file with the test rows, in the same folder", "")
    header: bool = param(Bool(), "whether the first line names the columns", True)
    quotes: bool = param(Bool(), 'whether values may stand in "quotes"', True)
    missing: tuple[str, ...] = param(
        ListOf(Str(), single=True), "texts that mean a missing value", ("", "NA", "NaN", "nan")
    )
    time: str = param(Str(), "column that must ascend", "")
    rows: int = param(Int(min=1), "use the first so many rows only", None)

    def check(self) -> None:
        """A separator is one character."""
        if len(self.separator) != 1:
            raise Refusal("a separator is one character", setting="separator")

    def parts(self) -> dict[str, str]:
        """The path is the training part of a source with further files."""
        others = {"validation": self.validation, "test": self.test}
        named = {name: path for name, path in others.items() if path}
        return {"train": self.path, **named} if named else {}


class Text(Source, name="text", aliases=("txt", "corpus")):
    """A UTF-8 text file: one long text, or with `lines=true` one row a line.

    The only column is `"text"`. One long text is cut into tokens by `tokenize`, split by
    `contiguous`, and made into samples by `windows`. Empty lines are no rows.
    """

    columns = "text"
    known = ("text",)

    path: str = param(Str(), "the file")
    validation: str = param(Str(), "file with the validation text, in the same folder", "")
    test: str = param(Str(), "file with the test text, in the same folder", "")
    lines: bool = param(Bool(), "whether every line is a row", False)

    @property
    def document(self) -> bool:
        """One long text, unless every line is a row."""
        return not self.lines

    def holds(self, column: str) -> Carrying | None:
        """A document, or texts."""
        return Carrying("document", ()) if self.document else None

    def parts(self) -> dict[str, str]:
        """The path is the training part of a source with further files."""
        others = {"validation": self.validation, "test": self.test}
        named = {name: path for name, path in others.items() if path}
        return {"train": self.path, **named} if named else {}


class Folder(Source, name="folder", aliases=("image_folder", "imagefolder", "images", "directory")):
    """Pictures in one sub-folder a class: `cat/001.jpg`, `dog/017.jpg`.

    Files are PNG, JPEG, WebP, BMP, GIF or TIFF, also in deeper folders; what else lies there is
    left out, with a message, and what is hidden without one. Pictures of 16 bits are brought to 8;
    cameras' notes on rotation are followed; of transparent ones the colours stay. Predictions of a
    folder name the files.

    The columns are `"image"` and `"class"` (numbers by the sorted names of the sub-folders).
    With `train="train"` and so on the classes stand inside sub-folders for the splits; a `split`
    then cuts the training part.
    """

    columns = "paths"
    known = ("image", "class")

    path: str = param(Str(), "the folder")
    train: str = param(Str(), "sub-folder with the training pictures", "")
    validation: str = param(Str(), "sub-folder with the validation pictures", "")
    test: str = param(Str(), "sub-folder with the test pictures", "")

    def check(self) -> None:
        """Sub-folders come with the training part's."""
        if (self.validation or self.test) and not self.train:
            raise Refusal(
                "names parts, and does not say which is the training part", setting="train"
            )

    def holds(self, column: str) -> Carrying:
        """Pictures, and the numbers of their classes."""
        return Carrying("ids", ()) if column == "class" else Carrying("paths", None)
