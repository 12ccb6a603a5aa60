"""What is wrong with a data section is said while compiling, at its place, with a way out."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

from typing import Any

import pytest
from tests.data.making import T, build, ids, messages, number, ragged, target

from bmc.ir.data import Wanted
from bmc.ops.base import alias_of
from bmc.ops.data import LATER
from bmc.ops.data_steps import UNBUILT_TOKENS
from bmc.ops.kinds import REGISTRY

CSV = 'source = csv("a.csv")\n '
TEXT = 'source = text("a.txt")\n '
NPZ = 'source = npz("a.npz")\n '
FOLDER = 'source = folder("set")\n '
X = {"x": number()}

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown step": (CSV + 'x = "a" -> standardise2', X, "did you mean `standardize`"),
    "step by another name": (CSV + 'x = "a" -> zscore', X, "did you mean `standardize`"),
    "unknown source": ('source = cvs("a.csv")\n x = "a"', X, "did you mean `csv`"),
    "unknown split": (CSV + 'x = "a"\n split = randm(train=1)', X, "did you mean `random`"),
    "no source": ('x = "a"', X, '`source = csv("rows.csv")`'),
    "source twice": (CSV + CSV + 'x = "a"', X, "source"),
    "source that is a text": ('source = "a.csv"\n x = "a"', X, "`source` is one of"),
    "empty path": ('source = csv("")\n x = "a"', X, "must not be empty"),
    "unknown setting": (CSV + 'x = "a" -> scale(factr=2)', X, "factr"),
    "missing setting": (CSV + 'x = "a" -> scale', X, "factor"),
    "word for a number": (CSV + 'x = "a" -> scale(half)', X, "half"),
    "no entry for an input": (CSV + 'z = "a"', X, "no data for the input `x`"),
    "no entry for a target": (CSV + 'x = "a"', {**X, "y": target()}, "there is no output or data entry `y`"),
    "entry twice": (CSV + 'x = "a"\n x = "b"', X, "declared twice"),
    "entry used before": (CSV + "x = y -> standardize", X, "`y`"),
    "key that data does not have": (CSV + 'loss x = "a"', X, "loss"),
    "text into numbers": (CSV + 'x = "a" -> lowercase', X, "text"),
    "numbers into ids": (CSV + 'x = "a" -> standardize', {"x": ids()}, "int[] is needed"),
    "ids into numbers": (CSV + 'x = "a" -> category', X, "float[] is needed"),
    "too few columns": (CSV + 'x = ["a", "b"] -> standardize', {"x": number(3)}, "float[3] is needed"),
    "one number for a list": (CSV + 'x = "a" -> standardize', {"x": number(3)}, "float[3] is needed"),
    "list for one number": (CSV + 'x = ["a"] -> standardize', X, "float[] is needed"),
    "type against the model": (CSV + 'x: float[3] = ["a"]', {"x": number(2)}, "float[3]"),
    "target without a type": (CSV + 'x = "a"\n y = "b"', {**X, "y": Wanted()}, "`y: float[] = …`"),
    "array without a type": (NPZ + 'y = "b"', {"y": Wanted()}, "`y: int[] = …`"),
    "tokens without pad": (CSV + 'x = "a" -> tokenize(words)', {"x": ids(T)}, "pad="),
    "tokens twice": (CSV + 'x = "a" -> tokenize(words) -> tokenize(words)', {"x": ragged()}, "lists of token ids"),
    "truncate of numbers": (CSV + 'x = "a" -> standardize -> truncate(3)', X, "takes lists of token ids"),
    "words for median": (CSV + 'x = "a" -> impute(median) -> category', {"x": ids()}, "use `impute(most)`"),
    "value without constant": (CSV + 'x = "a" -> impute(mean, value=3)', X, "`value` goes with `constant`"),
    "sizes for other columns": (CSV + 'x = ["a", "b"] -> category(sizes=[3])', {"x": ids(2)}, "1 sizes for 2 columns"),
    "alphabet for words": (CSV + 'x = "a" -> tokenize(words, alphabet="ab")', {"x": ragged()}, "is for characters"),
    "letter twice": (CSV + 'x = "a" -> tokenize(characters, alphabet="aa")', {"x": ragged()}, "a character twice"),
    "unknown id not reserved": (CSV + 'x = "a" -> tokenize(characters, unknown=0)', {"x": ragged()}, "below `first` = 0"),
    "vocab of reserved ids": (CSV + 'x = "a" -> tokenize(words, vocab=4)', {"x": ragged()}, "leaves no id for a token"),
    "normalize after scale": (FOLDER + 'x = "image" -> scale(1) -> normalize(imagenet)', {"x": number(3, 8, 8)}, "which were scaled before"),
    "resize after scale": (FOLDER + 'x = "image" -> scale(1) -> resize(8)', {"x": number(3, 8, 8)}, "turned into numbers before"),
    "two sizes": (FOLDER + 'x = "image" -> resize(8, height=8)', {"x": number(3, 8, 8)}, "a size or a height"),
    "means without deviations": (FOLDER + 'x = "image" -> normalize(mean=0.5)', {"x": number(1, 8, 8)}, "needs the deviations"),
    "column that a folder has not": (FOLDER + 'x = "file"', {"x": number(3, 8, 8)}, '"image" and "class"'),
    "column that a text has not": (TEXT + 'x = "line" -> tokenize(words) -> windows(3)', {"x": ids(3)}, 'only "text"'),
    "list of arrays": (NPZ + 'x = ["a", "b"]', {"x": number(2)}, "needs a table"),
    "arithmetic on columns": (CSV + 'x = ["a" + "b"]', {"x": number(1)}, "names in quotes"),
    "learning step in one branch": (CSV + 'x = "a" -> (if training then standardize else identity)', X, "can differ in training"),
    "condition of no meaning": (CSV + 'x = "a" -> (if 3 then standardize else identity)', X, "not a condition"),
    "repeated step": (CSV + 'x = "a" -> standardize * 2', X, "do not repeat"),
    "two names for one": (CSV + 'x, y = "a" -> standardize', X, "this makes 1 entry, and 2 names take it"),
    "one name for two": (CSV + 'x = "a" -> standardize -> windows(3, then=2)', {"x": number(3)}, "this makes 2 entries"),
    "shares over the whole": (CSV + 'x = "a"\n split = random(train=80%, test=30%)', X, "add up to 110%"),
    "shares and counts": (CSV + 'x = "a"\n split = random(train=80%, test=30)', X, "not both"),
    "stratified groups": (CSV + 'x = "a"\n split = random(train=80%, test=20%, stratify="a", group="b")', X, "at once"),
    "stratify by nothing": (CSV + 'x = "a"\n split = random(train=80%, test=20%, stratify=y)', X, "`y`"),
    "stratify by columns": (CSV + 'x = ["a", "b"]\n split = random(train=80%, test=20%, stratify=x)', {"x": number(2)}, "several"),
    "share that the source has": (
        'source = csv("a.csv", test="b.csv")\n x = "a"\n split = random(train=80%, test=20%)', X, "which the source has of its own",
    ),
    "parts without training": ('source = npz("a.npz", test="*_test")\n x = "x"', X, "which is the training part"),
    "long text at random": (
        TEXT + 'x = "text" -> tokenize(words) -> windows(3)\n split = random(train=80%, test=20%)', {"x": ids(3)}, "use `contiguous(…)`",
    ),
    "long text without windows": (TEXT + 'x = "text" -> tokenize(words)', {"x": ids(T)}, "`-> windows(…)`"),
    "windows at random": (
        CSV + 'x = "a" -> standardize -> windows(3)\n split = random(train=80%, test=20%)', {"x": number(3)}, "use `split = contiguous(…)`",
    ),
    "windows beside rows": (
        CSV + 'x = "a" -> standardize -> windows(3)\n y = "b"', {"x": number(3), "y": target("float")}, "needs them too",
    ),
    "windows that start apart": (
        CSV + 's = "a" -> standardize\n x = s -> windows(3)\n y = s -> windows(3, stride=1)',
        {"x": number(3), "y": target("float", 3)}, "the same `stride`",
    ),
    "lead without windows": (CSV + 'x = "a" -> standardize -> lead(1)', X, "`lead` needs `windows`"),
    "step for all rows after one for batches": (
        CSV + 'x = "a" -> category -> one_hot(3) -> standardize', {"x": number(3)}, "is done for each batch",
    ),
    "separator of two": ('source = csv("a.csv", separator="::")\n x = "a"', X, "a separator is one character"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    body, wanted, expected = CASES[name]
    found = messages(body, wanted)
    assert any(expected in text for text in found), found
    assert len(found) <= 2, found  # one cause, one error


def test_named_for_later() -> None:
    """Steps, sources and splits that are known and not built are refused by name."""
    for step in LATER["step"].names:
        assert f"`{step}` is not supported yet" in messages(CSV + f'x = "a" -> {step}', X)[0]
    for source in LATER["source"].names:
        body = f'source = {source}("a")\n x = "a"'
        assert f"`{source}` is not supported yet" in messages(body, X)[0]
    for split in LATER["split"].names:
        body = CSV + f'x = "a"\n split = {split}(5)'
        assert f"`{split}` is not supported yet" in messages(body, X)[0]
    for unit in UNBUILT_TOKENS:
        body = CSV + f'x = "a" -> tokenize({unit}, file="t.json")'
        assert f"`{unit}` is not supported yet" in messages(body, {"x": ragged()})[0]
    found = messages(CSV + 'x = "a" -> read_image(mode=labels, ignore=255)', {"x": number(3, 8, 8)})
    assert "`labels` is not supported yet" in found[0]
    found = messages(CSV + "x = random_normal(20)", {"x": number(20)})
    assert "`random_normal` is not supported yet" in found[0]


def test_nothing_is_both_built_and_for_later() -> None:
    for family, later in LATER.items():
        assert not set(later.names) & set(REGISTRY[family])


def test_everything_is_documented() -> None:
    for family in ("source", "step", "split"):
        for name, declared in REGISTRY[family].items():
            assert declared.__doc__, name
            assert all(setting.doc for setting in declared.settings.values()), name
            for alias in declared.aliases:
                assert alias_of(family, alias) == name, f"{alias} means two things"


def test_settings_of_the_file() -> None:
    body = CSV + 'x = "a" -> standardize -> windows(lookback)'
    program, problems = build(body, {"x": number(6)}, {"lookback": 6})
    assert not len(problems)
    assert program is not None and program.entry("x").shape == (6,)


def test_a_constant_condition_is_settled_while_compiling() -> None:
    body = CSV + 'x = "a" -> (if wide then scale(2) else scale(3))'
    program, _ = build(body, X, {"wide": False})
    assert program is not None
    assert [use.step.values()["factor"] for use in program.entry("x").uses()] == [3.0]


def test_only_what_is_needed_is_kept() -> None:
    body = CSV + 'unused = "z" -> category\n s = ["a", "b"] -> standardize\n x = s'
    program, _ = build(body, {"x": number(2)})
    assert program is not None
    assert [entry.name for entry in program.entries] == ["s", "x"]
