"""`data.py` as a file: lint and types clean, formatted, stable, free of what it does not need."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.making import (
    FIXTURES,
    REAL,
    ROOT,
    T,
    build,
    ids,
    make,
    number,
    ragged,
    real,
    target,
    text_of,
    whole,
)  # fmt: skip

import bmc_programs
from bmc.emit.gate import check_program
from bmc_programs.library import stock

SPECS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "digits": (
        f'source = npz("{FIXTURES}/optdigits.npz", train="*_train", test="*_test")\n image = "x" -> scale(1 / 16)\n digit = "y"\n'
        " split = random(train=90%, validation=10%, stratify=digit, seed=0)",
        {"image": number(1, 8, 8), "digit": target(count=10)}, ("digit",),
    ),
    "penguins": (
        f'source = csv("{FIXTURES}/penguins.csv")\n'
        ' numbers = ["bill_length_mm".."body_mass_g"] -> impute(median) -> outliers(iqr=1.5, then=clip) -> standardize\n'
        ' kinds = ["island", "sex"] -> impute(most) -> category(sizes=[4, 3], unknown=0)\n'
        ' species = "species" -> category\n split = random(train=70%, validation=15%, test=15%, stratify=species, seed=3)',
        {"numbers": number(4), "kinds": ids(2), "species": target(count=3)}, ("species", "numbers", "kinds"),
    ),
    "names": (
        f'source = text("{FIXTURES}/names.txt", lines=true)\n'
        ' name = "text" -> tokenize(characters, first=2) -> append(1)\n prefix = name -> lag(1, fill=1)\n'
        " split = random(train=90%, validation=10%, seed=0)",
        {"prefix": ragged(16, 28), "name": target("int", T)}, ("name",),
    ),
    "titanic": (
        f'source = csv("{REAL}/titanic/titanic.csv")\n'
        ' numbers = ["Age", "Fare", "SibSp", "Parch", "Pclass"] -> impute(median) -> standardize\n'
        ' port = "Embarked" -> category(unknown="?")\n name = "Name" -> lowercase -> tokenize(words, vocab=4000) -> truncate(24)\n'
        ' survived = "Survived"\n split = random(train=70%, validation=15%, test=15%, stratify=survived, seed=7)',
        {"numbers": number(5), "port": ids(count=4), "name": ragged(24, 4000), "survived": target("float")}, ("name",),
    ),
    "adult": (
        f'source = csv("{REAL}/adult/train.csv.gz", test="test.csv.gz")\n'
        ' numbers = ["age", "fnlwgt", "capital_gain"] -> impute(median) -> minmax\n'
        ' kinds = ["workclass", "education", "sex"] -> category(sizes=[9, 17, 3], unknown=0)\n'
        ' income = "income" -> equals(">50K")\n split = random(train=90%, validation=10%, stratify=income, seed=1)',
        {"numbers": number(3), "kinds": ids(3), "income": target("float", 1)}, (),
    ),
    "etth1": (
        f'source = csv("{REAL}/etth1/ETTh1.csv.gz", time="date")\n series = ["HUFL".."OT"] -> standardize\n'
        " history, future = series -> windows(96, then=96)\n split = contiguous(train=8640, validation=2880, test=2880)",
        {"history": number(96, 7), "future": target("float", 96, 7)}, ("series",),
    ),
    "tinyshakespeare": (
        f'source = text("{REAL}/tinyshakespeare/input.txt")\n stream = "text" -> tokenize(characters)\n'
        " tokens = stream -> windows(64)\n target = stream -> lead(1) -> windows(64)\n"
        " split = contiguous(train=90%, validation=10%)",
        {"tokens": ids(64, count=65), "target": target("int", 64)}, ("tokens",),
    ),
    "cifar10_jpg": (
        f'source = folder("{REAL}/cifar10_jpg", train="train", test="test")\n'
        ' image = "image" -> (if training then random_crop(32, padding=4) -> random_flip else identity) -> normalize(cifar10)\n'
        ' label = "class"\n split = random(train=90%, validation=10%, stratify=label, seed=1)',
        {"image": number(3, 32, 32), "label": target(count=10)}, ("label",),
    ),
    "sst2": (
        f'source = csv("{REAL}/sst2/train.tsv", separator="\\t", quotes=false, validation="dev.tsv", test="test.tsv")\n'
        ' tokens = "sentence" -> tokenize(words, vocab=8000) -> truncate(40)\n label = "label"',
        {"tokens": ragged(40, 8000), "label": target(count=2)}, (),
    ),
    "mnist_10k": (
        f'source = npz("{REAL}/mnist_10k/mnist_10k.npz", train="*_train", test="*_test")\n'
        ' image = "x" -> scale(1 / 255)\n digit = "y"\n split = random(train=90%, validation=10%, stratify=digit, seed=1)',
        {"image": number(1, 28, 28), "digit": target(count=10)}, ("digit",),
    ),
}  # fmt: skip
OFFICIAL = {
    "titanic": {"train": 624, "validation": 133, "test": 134},
    "adult": {"train": 29305, "validation": 3256, "test": 16281},
    "etth1": {"train": 8640 - 191, "validation": 2880 - 95, "test": 2880 - 95},
    "tinyshakespeare": {"train": 15685, "validation": 1742},
    "cifar10_jpg": {"train": 1800, "validation": 200, "test": 1000},
    "sst2": {"train": 6920, "validation": 872, "test": 1821},
    "mnist_10k": {"train": 9000, "validation": 1000, "test": 10000},
}


def tool(*command: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `data.py` of every spec."""
    folder = tmp_path_factory.mktemp("written")
    for name, (body, wanted, undo) in SPECS.items():
        (folder / f"{name}_data.py").write_text(text_of(body, wanted, undo=undo))
    return folder


def test_lint(written: Path) -> None:
    # The coding line is there to stop any other one; ruff holds it to be needless (UP009).
    rules = ("--isolated", "--line-length", "88", "--select", "E,F,I,UP,B", "--ignore", "UP009")
    tool("ruff", "check", "--no-cache", *rules, ".", folder=written)


def test_format(written: Path) -> None:
    tool(
        "ruff",
        "format",
        "--no-cache",
        "--isolated",
        "--check",
        "--line-length",
        "88",
        ".",
        folder=written,
    )


def test_types(written: Path) -> None:
    pytest.importorskip("mypy")
    tool("mypy", "--strict", "--no-error-summary", ".", folder=written)


@pytest.mark.parametrize("name", SPECS)
def test_gate(written: Path, name: str) -> None:
    assert check_program((written / f"{name}_data.py").read_text()) == []


@pytest.mark.parametrize("name", SPECS)
def test_header_and_imports(written: Path, name: str) -> None:
    text = (written / f"{name}_data.py").read_text()
    assert text.startswith("# Written by bmc from a .bm file; the file is yours to edit.\n")
    assert text.isascii()
    allowed = {
        "__future__", "collections", "csv", "dataclasses", "gzip", "math", "numpy", "os", "pathlib", "sys",
        "PIL", "re", "typing", "zipfile", "zlib",
    }  # fmt: skip
    tree = ast.parse(text)
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert modules <= allowed
    if "image" not in text:
        assert "PIL" not in modules


@pytest.mark.parametrize("name", SPECS)
def test_every_helper_is_used(written: Path, name: str) -> None:
    tree = ast.parse((written / f"{name}_data.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    offered = {"load", "load_inputs", "name_pictures"} | {
        name for name in defined if name.startswith("undo_")
    }
    assert defined - used <= offered


@pytest.mark.parametrize("name", [name for name in SPECS if name in OFFICIAL])
def test_real_data(tmp_path: Path, name: str) -> None:
    real(name)
    body, wanted, undo = SPECS[name]
    data = make(tmp_path, body, wanted, undo=undo).load()
    assert data.sizes == OFFICIAL[name]
    again = make(tmp_path, body, wanted, undo=undo).load(
        **({"fitted": data.fitted} if data.fitted else {})
    )
    for split in data.sizes:
        one = next(data.batches(split, 8, seed=1))
        other = next(again.batches(split, 8, seed=1))
        assert set(one) == set(wanted)
        for entry, array in one.items():
            assert array.dtype in (np.float32, np.int64)
            assert np.isfinite(array).all()
            assert (array == other[entry]).all()


def test_etth1_is_scaled_by_its_training_part(tmp_path: Path) -> None:
    real("etth1")
    body, wanted, undo = SPECS["etth1"]
    module = make(tmp_path, body, wanted, undo=undo)
    data = module.load()
    series = data.columns["series"]
    assert np.allclose(series[:8640].mean(axis=0), 0, atol=1e-5)
    assert np.allclose(series[:8640].std(axis=0), 1, atol=1e-5)
    future = whole(data, "test", 1)["future"]
    assert np.allclose(future[0], series[8640 + 2880 : 8640 + 2880 + 96])


def test_shakespeare_target_is_the_next_character(tmp_path: Path) -> None:
    real("tinyshakespeare")
    body, wanted, undo = SPECS["tinyshakespeare"]
    module = make(tmp_path, body, wanted, undo=undo)
    data = module.load()
    batch = next(data.batches("validation", 16, seed=0))
    assert (batch["tokens"][:, 1:] == batch["target"][:, :-1]).all()
    assert module.undo_tokens(whole(data, size=1)["tokens"], data.fitted)[0].startswith(
        "First Citizen:"
    )


def test_same_bytes_under_any_hash_seed() -> None:
    program = (
        "import sys; from tests.data.test_generated import SPECS; from tests.data.making import text_of\n"
        "for body, wanted, undo in SPECS.values(): sys.stdout.write(text_of(body, wanted, undo=undo))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "compiler"), str(ROOT / "backends"), *sys.path])
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(texts) == 1


HOSTILE = ['a"b', "a'b", 'a"""b', "a\\", "a\nimport os", "{0}", "${x}", "a' + str(1) + '"]


@pytest.mark.parametrize("name", HOSTILE)
def test_texts_of_a_spec_stay_texts(tmp_path: Path, name: str) -> None:
    """Whatever a column is called, it is data in the program."""
    written = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    body = f'source = csv("rows.csv")\n x = "{written}" -> category(unknown="{written}")'
    text = text_of(body, {"x": ids()}, undo=("x",))
    assert text.isascii()
    literals = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert literals.count(name) >= 3
    plain = text_of(
        'source = csv("rows.csv")\n x = "c" -> category(unknown="c")', {"x": ids()}, undo=("x",)
    )
    assert len(list(ast.walk(ast.parse(text)))) == len(list(ast.walk(ast.parse(plain))))


@pytest.mark.parametrize(
    "name", ["scale", "path", "rows", "batch", "lambda_", "np", "len", "table", "stack"]
)
def test_entries_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n2\n")
    body = f'source = csv("{tmp_path}/a.csv")\n {name} = "a" -> scale(2)'
    data = make(tmp_path, body, {name: number()}, undo=(name,)).load()
    assert whole(data)[name].tolist() == [2, 4]


def test_predicting_needs_only_its_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("en,fr\na b,c d\nb,d\n")
    (tmp_path / "new.csv").write_text("en\nb a\n")
    body = (
        f'source = csv("{tmp_path}/a.csv")\n english = "en" -> tokenize(words)\n'
        ' french = "fr" -> tokenize(words) -> append(2)\n prefix = french -> lag(1, fill=1)'
    )
    wanted = {"english": ragged(), "prefix": ragged(), "french": target("int", T)}
    module = make(tmp_path, body, wanted, predict=("english",), undo=("french",))
    data = module.load()
    assert set(whole(data)) == {"english", "prefix", "french"}
    batch = whole(module.load_inputs(tmp_path / "new.csv", data.fitted), "predict")
    assert set(batch) == {"english"}


def test_pad_of_a_target_is_known() -> None:
    body = 'source = csv("a.csv")\n y: int[L <= 9, pad=5] = "a" -> tokenize(characters)'
    program, _ = build(body, {"y": target("int", T)})
    assert program is not None
    assert (program.entry("y").pad, program.entry("y").longest) == (5, 9)


def test_what_the_author_wrote_travels_along() -> None:
    body = (
        'source = csv("a.csv")\n ## How long the bill is, in mm. """ \\ x\n x = "a" -> standardize'
    )
    program, _ = build(body, {"x": number()})
    assert program is not None
    text = bmc_programs.emit(program)
    if program.entry("x").doc:
        assert "How long the bill is, in mm." in text
    assert '"""' not in text.split("How long")[-1].split("\n")[0]
    ast.parse(text)


def test_helpers_need_no_other_module() -> None:
    """Copied text stands alone: what it names is a builtin, an import or another helper."""
    import builtins

    definitions, imports = stock()
    known = set(definitions) | set(imports) | set(dir(builtins)) | {"annotations"}
    for name, choices in definitions.items():
        for definition in choices:
            tree = ast.parse(definition.text)
            bound = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
            bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
            bound |= {
                n.id
                for n in ast.walk(tree)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
            bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
            assert definition.names - bound <= known, name


def test_compiling_imports_no_numpy() -> None:
    program = "import bmc_programs, bmc.sections.data, sys; sys.exit('numpy' in sys.modules)"
    path = os.pathsep.join([str(ROOT / "compiler"), str(ROOT / "backends"), *sys.path])
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": path}
    )
