"""Steps on numbers, categories, texts and series."""

from __future__ import annotations

from typing import Any

from bmc.ops.base import param
from bmc.ops.data import Carried, Carrying, Step
from bmc.ops.kinds import Float, Int, Kind, ListOf, OneOf, Refusal, Str, Word, Words
from bmc.records import replace

NUMBERS: tuple[Carried, ...] = ("numbers", "ids", "array")


class Scale(Step, name="scale", aliases=("rescale", "rescaling", "multiply", "to_float", "divide")):
    """`x * factor + offset`."""

    when = "either"
    accepts = (*NUMBERS, "images", "paths")

    factor: float = param(Float(), "what every number is multiplied by")
    offset: float = param(Float(), "what is added afterwards", 0.0)

    def infer(self, value: Carrying) -> Carrying:
        """Numbers of the same shape."""
        self.require(value)
        if value.kind in ("images", "array", "paths"):
            kind: Carried = "images" if value.kind == "paths" else value.kind
            return Carrying(kind, value.shape, value.windowed, value.shift, scaled=True)
        return value.as_kind("numbers")


class Standardize(
    Step,
    name="standardize",
    aliases=("standard_scaler", "standardscaler", "zscore", "z_score", "standardise"),
):
    """`(x - mean) / deviation`, each column by itself, as the training rows have them.

    The deviation is the population's (divided by n); a column that never changes is only shifted.
    """

    learns = ("mean", "deviation")
    accepts = NUMBERS

    def infer(self, value: Carrying) -> Carrying:
        """Numbers of the same shape."""
        self.require(value)
        return value.as_kind("numbers")


class MinMax(Step, name="minmax", aliases=("min_max", "minmaxscaler", "min_max_scaler")):
    """`(x - low) / (high - low)`: the training rows' lowest and highest of each column."""

    learns = ("low", "range")
    accepts = NUMBERS

    def infer(self, value: Carrying) -> Carrying:
        """Numbers of the same shape."""
        self.require(value)
        return value.as_kind("numbers")


class Log(Step, name="log", aliases=("ln", "logarithm")):
    """The natural logarithm. Numbers of 0 or less are refused when the data is read."""

    accepts = NUMBERS

    def infer(self, value: Carrying) -> Carrying:
        """Numbers of the same shape."""
        self.require(value)
        return value.as_kind("numbers")


class Impute(Step, name="impute", aliases=("fillna", "fill", "imputer", "simple_imputer")):
    """Fills missing values, each column by itself, with what the training rows say.

    `median` and `mean` are for numbers; `most` takes the most frequent value (of equals the
    smallest); `constant` takes `value`.
    """

    learns = ("fill",)
    accepts = ("text", "numbers", "array")

    by: str = param(Words("median", "mean", "most", "constant"), "what is put in", "median")
    value: Any = param(OneOf(Float(), Str()), "what `constant` puts in", None)

    def check(self) -> None:
        """`constant` and `value` go together."""
        if (self.by == "constant") != (self.value is not None):
            raise Refusal("`value` goes with `constant`, and `constant` needs it", setting="value")

    def infer(self, value: Carrying) -> Carrying:
        """The same without missing values."""
        self.require(value)
        if value.kind == "text" and self.by in ("median", "mean"):
            raise Refusal(f"can't take the {self.by} of texts", help="use `impute(most)`")
        if value.kind == "text" and isinstance(self.value, float):
            raise Refusal("fills texts here, and the value is a number", setting="value")
        if value.kind != "text" and isinstance(self.value, str):
            raise Refusal("fills numbers here, and the value is a text", setting="value")
        return value.as_kind("numbers") if value.kind == "array" else value


class Outliers(Step, name="outliers", aliases=("clip_outliers", "winsorize")):
    """Clips numbers that lie far from the middle half of the training rows.

    Bounds are `q1 - iqr * (q3 - q1)` and `q3 + iqr * (q3 - q1)` with the quartiles q1 and q3 of
    each column (Tukey, 1977).
    """

    learns = ("low", "high")
    accepts = NUMBERS

    iqr: float = param(Float(min=0), "how many widths of the middle half lie within bounds", 1.5)
    then: str = param(Words("clip"), "what happens to a number out of bounds", "clip")

    def infer(self, value: Carrying) -> Carrying:
        """Numbers of the same shape."""
        self.require(value)
        return value.as_kind("numbers")


class Category(
    Step,
    name="category",
    aliases=("categorical", "label_encoder", "ordinal", "string_lookup", "factor"),
):
    """A number for each different value of the training rows, each column by itself.

    Values are numbered in order (as numbers where all are whole numbers, else as text). With
    `unknown` the number 0 stands for missing values and for values that training did not show,
    and `unknown="?"` says how that is written when undone; without it such values are refused.
    `size` (or `sizes`, one a column) is the most numbers there may be, that of 0 included.
    """

    learns = ("classes",)
    accepts = ("text",)
    as_text = True

    size: int = param(Int(min=1), "most different numbers", None)
    unknown: Any = param(OneOf(Int(min=0, max=0), Str()), "what unknown values become", None)
    sizes: tuple[int, ...] = param(ListOf(Int(min=1)), "`size` of each column", None)

    def check(self) -> None:
        """One of `size` and `sizes`."""
        if self.size is not None and self.sizes is not None:
            raise Refusal(
                "has `size` for all columns or `sizes` for each, not both", setting="sizes"
            )

    def infer(self, value: Carrying) -> Carrying:
        """Ids of the same shape."""
        self.require(value)
        columns = value.shape[0] if value.shape else 1
        if self.sizes is not None and columns is not None and len(self.sizes) != columns:
            raise Refusal(f"has {len(self.sizes)} sizes for {columns} columns", setting="sizes")
        return value.as_kind("ids")


class Equals(Step, name="equals", aliases=("is", "binary", "equal")):
    """1 where the text is `text`, else 0."""

    accepts = ("text",)
    as_text = True

    text: str = param(Str(), "the text")

    def infer(self, value: Carrying) -> Carrying:
        """Ids of the same shape."""
        self.require(value)
        return value.as_kind("ids")


class OneHot(Step, name="one_hot", aliases=("onehot", "to_categorical", "one_hot_encoder")):
    """A row of zeros with a one at the id's place."""

    when = "batch"
    accepts = ("ids", "array")

    size: int = param(Int(min=1), "length of the row")

    def infer(self, value: Carrying) -> Carrying:
        """One axis more."""
        self.require(value)
        shape = None if value.shape is None else (*value.shape, int(self.size))
        return Carrying("numbers", shape, value.windowed, value.shift)


class Balance(Step, name="balance", aliases=("balanced", "class_balance", "class_weights")):
    """The weight of each row's class: rows / (classes * rows of the class), as training has them.

    `cross_entropy(weight=data.w)` with `w = label -> balance(3)` weighs every class alike, which
    `class_weight=balanced` says in short.
    """

    learns = ("weights",)
    accepts = NUMBERS

    classes: int = param(Int(min=2), "how many classes there are")

    def infer(self, value: Carrying) -> Carrying:
        """A number for each class number."""
        self.require(value)
        return value.as_kind("numbers")


class Identity(Step, name="identity", aliases=("none", "pass")):
    """Nothing: for the other branch of `if training then … else identity`."""

    when = "either"
    accepts = ("text", "document", "array", "numbers", "ids", "tokens", "paths", "images")


class Lowercase(Step, name="lowercase", aliases=("lower", "to_lower", "casefold")):
    """Small letters only."""

    accepts = ("text", "document")
    as_text = True


UNBUILT_TOKENS = ("bpe", "wordpiece", "sentencepiece", "unigram")


class TokenUnit(Kind):
    """`characters` or `words`; the trained tokenisers are named to be refused with a reason."""

    description = "`characters` or `words`"

    def convert(self, value: Any) -> Any:
        """The word as a `str`."""
        if isinstance(value, Word) and value.id in self.words():
            return value.id
        raise Refusal(f"expected {self.description}")

    def words(self) -> tuple[str, ...]:
        """Those built, and those that come later."""
        return ("characters", "words", *UNBUILT_TOKENS)


class Tokenize(
    Step, name="tokenize", aliases=("tokenizer", "encode", "text_vectorization", "tokens")
):
    """Cuts texts into characters or words, and numbers them.

    A word is a run of letters, digits and underscores, or one other sign. Numbers start at
    `first`; those below are for other uses: for `words` 0 pads, 1 starts, 2 stops, 3 is what
    training did not show. Words are numbered by falling frequency in the training rows (of
    equals the alphabetically first), at most `vocab` numbers in all; characters by their code
    points, or by their place in `alphabet`. Without `unknown` a new character is refused.
    """

    learns = ("tokens",)
    accepts = ("text", "document")
    as_text = True

    unit: str = param(TokenUnit(), "what a text is cut into")
    vocab: int = param(Int(min=2), "most different ids, the reserved ones included", None)
    first: int = param(
        Int(min=0), "first id that stands for a token; 4 for words, 0 for characters", None
    )
    unknown: int = param(Int(min=0), "id of tokens not seen in training; 3 for words", None)
    alphabet: str = param(Str(), "the characters, instead of those of the training rows", None)
    file: str = param(Str(), "the file of a trained tokeniser", None)

    def start(self) -> int:
        """The first id that stands for a token."""
        if self.first is not None:
            return int(self.first)
        return 4 if self.unit == "words" else 0

    def unseen(self) -> int | None:
        """The id of unknown tokens, if there is one."""
        if self.unknown is not None:
            return int(self.unknown)
        return 3 if self.unit == "words" and self.start() > 3 else None

    def check(self) -> None:
        """The id of unknown tokens is a reserved one; `alphabet` is for characters."""
        if self.unknown is not None and self.unknown >= self.start():
            raise Refusal(
                f"must be a reserved id, below `first` = {self.start()}", setting="unknown"
            )
        if self.vocab is not None and self.vocab <= self.start():
            raise Refusal(
                f"leaves no id for a token: they begin at {self.start()}", setting="vocab"
            )
        if self.alphabet is not None and self.unit != "characters":
            raise Refusal("is for characters", setting="alphabet")
        if self.alphabet is not None and len(set(self.alphabet)) != len(self.alphabet):
            raise Refusal("has a character twice", setting="alphabet")

    def infer(self, value: Carrying) -> Carrying:
        """A list of ids for each text, or one id for each token of the document."""
        self.require(value)
        if value.shape:
            raise Refusal("takes one column")
        if value.kind == "document":
            return Carrying("ids", (), document=True)
        return Carrying("tokens", (None,))


class Truncate(Step, name="truncate", aliases=("cut", "max_length", "head")):
    """The first `n` tokens."""

    accepts = ("tokens",)

    n: int = param(Int(min=1), "most tokens that stay")


class Append(Step, name="append", aliases=("add_token", "end")):
    """One more token at the end, such as the one that says stop."""

    accepts = ("tokens",)

    id: int = param(Int(min=0), "the token")


class Lag(Step, name="lag", aliases=("shift", "shift_right", "delay")):
    """What came `n` places before; the first `n` places hold `fill`. The length stays.

    In a list of tokens the places are its tokens; elsewhere they are the rows.
    """

    accepts = ("tokens", "ids", "numbers")

    n: int = param(Int(min=1), "how many places")
    fill: float = param(Float(), "what stands where nothing came before")


class Lead(Step, name="lead", aliases=("shift_left", "next")):
    """What comes `n` rows later. Used before `windows`: the samples end `n` rows earlier."""

    when = "batch"
    accepts = ("ids", "numbers")

    n: int = param(Int(min=1), "how many rows")

    def infer(self, value: Carrying) -> Carrying:
        """The same, later."""
        self.require(value)
        if value.windowed:
            raise Refusal("comes before `windows`")
        return replace(value, shift=value.shift + int(self.n))


class Windows(Step, name="windows", aliases=("window", "sliding_window", "chunks", "blocks")):
    """Samples of `n` rows that follow each other. With `then=m` a second entry has the `m` after.

    Starts are `stride` rows apart: by default `n` (side by side), and 1 with `then`. Windows are
    views, not copies. A sample lies within its split; with `then`, in the second and third
    split, its first `n` rows may reach back into the rows before, which are known by then. With
    `then=1` the second entry is `int[]` or `float[D]`, without an axis, where that is what its loss
    or its type asks for.
    """

    when = "batch"
    accepts = ("ids", "numbers")

    n: int = param(Int(min=1), "rows of a sample")
    stride: int = param(Int(min=1), "rows from one start to the next", None)
    then: int = param(Int(min=1), "rows of the second entry, which follow", None)

    def step(self) -> int:
        """Rows from one start to the next."""
        if self.stride is not None:
            return int(self.stride)
        return 1 if self.then is not None else int(self.n)

    def results(self) -> int:
        """Two entries with `then`."""
        return 1 if self.then is None else 2

    def infer(self, value: Carrying) -> Carrying:
        """One axis more in front."""
        self.require(value)
        if value.windowed:
            raise Refusal("has windows already")
        shape = None if value.shape is None else (int(self.n), *value.shape)
        return Carrying(value.kind, shape, True, value.shift)
