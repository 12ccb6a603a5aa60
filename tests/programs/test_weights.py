"""Weights that do not fit or are damaged are refused by name, in every program."""

from __future__ import annotations

import importlib.util
import json
import random
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file
from tests.programs.project import BACKENDS, DATA, SPECS, compiled, run, succeed, written

SPEC = SPECS / "vision" / "digits.bm"
PENGUINS = SPECS / "tabular" / "mlp.bm"
EACH = [pytest.param(b, marks=getattr(pytest.mark, b)) for b in BACKENDS]
SHAPES = {"a.weight": (4, 4), "a.bias": (4,), "b.weight": (4, 4)}


def weights(spec: Path = SPEC) -> dict[str, np.ndarray]:
    """Random weights of the spec, named as the compiler names them."""
    from bmc import driver
    from bmc.diagnostics.diagnostic import Problems
    from bmc.project import open_project
    from bmc.weights.files import expected

    project, source = open_project(str(spec))
    program = driver.load(source, project, Problems())
    assert program is not None
    random = np.random.default_rng(0)
    shapes = expected(program.main)
    return {name: random.normal(size=shape).astype("f") for name, shape in shapes.items()}


@pytest.mark.parametrize("backend", EACH)
def test_weights_that_do_not_fit_are_named(backend: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "program", SPEC, backend)
    tensors = weights()
    first, second, *_ = tensors
    wrong = {**tensors, first: tensors[first][:-1], "spare": np.zeros(3, "f")}
    del wrong[second]
    path = tmp_path / "weights.safetensors"
    save_file(wrong, path)
    command = ("predict.py", "--weights", path, "--data", DATA / "optdigits.npz", "-o", "out.csv")
    done = run(folder, *command)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{second} is missing" in done.stderr
    assert "spare is no weight of the model" in done.stderr
    shape = tuple(tensors[first].shape)
    assert f"{first} is {(shape[0] - 1, *shape[1:])}, and the model has {shape}" in done.stderr
    save_file(tensors, path)
    assert run(folder, *command).returncode == 0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The weights.py that every program has."""
    texts = {compiled(PENGUINS, backend)["weights.py"] for backend in ("torch", "keras")}
    assert len(texts) == 1
    path = tmp_path_factory.mktemp("program") / "weights.py"
    path.write_text(texts.pop())
    spec = importlib.util.spec_from_file_location("weights_of_a_program", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tensors() -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(0)
    return {name: numbers.normal(size=shape).astype("f") for name, shape in SHAPES.items()}


def refused(program: ModuleType, path: Path) -> str:
    with pytest.raises(SystemExit) as caught:
        program.read_weights(path, SHAPES)
    assert isinstance(caught.value.code, str)
    return caught.value.code


def test_every_flipped_bit_is_found(program: ModuleType, tmp_path: Path) -> None:
    """Or changes no tensor: bits of what the file says of itself."""
    path = tmp_path / "weights.safetensors"
    program.write_weights(path, tensors())
    content = path.read_bytes()
    begins = 8 + struct.unpack("<Q", content[:8])[0]
    chance = random.Random(0)
    places = [chance.randrange(len(content) * 8) for _ in range(60)]
    places += [chance.randrange(begins * 8, len(content) * 8) for _ in range(60)]
    for bit in places:
        wrong = bytearray(content)
        wrong[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(wrong))
        if bit // 8 >= begins:
            assert "damaged" in refused(program, path)
            continue
        try:
            found = program.read_weights(path, SHAPES)
        except SystemExit:
            continue
        assert all((found[name] == tensor).all() for name, tensor in tensors().items())


def test_swapped_and_transposed_tensors(program: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    program.write_weights(path, tensors())
    notes = program.read_notes(path)
    good = tensors()
    swapped = {**good, "a.weight": good["b.weight"], "b.weight": good["a.weight"]}
    turned = {**good, "a.weight": np.ascontiguousarray(good["a.weight"].T)}
    for wrong in (swapped, turned):
        path.write_bytes(save(wrong, notes))
        assert (
            refused(program, path)
            == f"{path}: damaged: its tensors are not those that were written"
        )


KINDS: dict[str, tuple[Any, str]] = {
    "nan": (lambda a: np.where(a > 0, np.nan, a), "a.bias holds numbers that are not finite"),
    "infinity": (lambda a: np.where(a > 0, np.inf, a), "a.bias holds numbers that are not finite"),
    "int": (lambda a: a.astype("int64"), "a.bias holds int64, and a weight is a float"),
    "bool": (lambda a: a > 0, "a.bias holds bool, and a weight is a float"),
    "shape": (lambda a: a[:3], "a.bias is (3,), and the model has (4,)"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_others(program: ModuleType, kind: str, tmp_path: Path) -> None:
    """They have no digest: what can be seen is checked."""
    change, expected = KINDS[kind]
    path = tmp_path / "weights.safetensors"
    save_file(
        {
            **tensors(),
            "a.bias": change(tensors()["a.bias"]).astype(None or change(tensors()["a.bias"]).dtype),
        },
        path,
    )
    assert expected in refused(program, path)


@pytest.mark.parametrize("kind", ["float16", "float64", "bfloat16"])
def test_other_floats_become_float32(program: ModuleType, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    good = tensors()
    if kind == "bfloat16":
        torch = pytest.importorskip("torch")
        from safetensors.torch import save_file as save_torch

        save_torch({k: torch.from_numpy(v).bfloat16() for k, v in good.items()}, path)
    else:
        save_file({k: v.astype(kind) for k, v in good.items()}, path)
    found = program.read_weights(path, SHAPES)
    for name, tensor in good.items():
        assert found[name].dtype == np.float32 and found[name].flags.writeable
        assert np.abs(found[name] - tensor).max() <= 0.01 * np.abs(tensor).max()


@pytest.mark.parametrize("size", [0, 5, 8, 40, -1])
def test_truncated(program: ModuleType, size: int, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    program.write_weights(path, tensors())
    path.write_bytes(path.read_bytes()[:size])
    assert "not a .safetensors file" in refused(program, path)


def test_no_file(program: ModuleType, tmp_path: Path) -> None:
    assert refused(program, tmp_path / "none.safetensors").endswith(
        "none.safetensors: no such file"
    )
    assert "can't be read" in refused(program, tmp_path)


def test_what_was_learned_belongs_to_the_weights(program: ModuleType, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mean in ((first, 1.0), (second, 2.0)):
        folder.mkdir()
        program.write_weights(folder / "weights.safetensors", tensors(), {"x.mean": mean})
    path = first / "weights.safetensors"
    assert program.read_learned(path) == {"x.mean": 1.0}
    learned = first / "learned.json"
    for content, expected in (
        (
            (second / "learned.json").read_bytes(),
            "not what training wrote with weights.safetensors",
        ),
        (learned.read_bytes()[:-3], "not what training wrote with weights.safetensors"),
        (b"", "not what training wrote with weights.safetensors"),
    ):
        kept = learned.read_bytes()
        learned.write_bytes(content)
        with pytest.raises(SystemExit, match=expected):
            program.read_learned(path)
        learned.write_bytes(kept)
    learned.unlink()
    with pytest.raises(SystemExit, match=r"learned\.json: no such file"):
        program.read_learned(path)
    save_file(tensors(), path)  # of others: no digest
    learned.write_bytes(b"{")
    with pytest.raises(SystemExit, match="not JSON"):
        program.read_learned(path)


@pytest.mark.parametrize("backend", EACH)
def test_programs_say_what_is_wrong(backend: str, tmp_path: Path) -> None:
    """Each way to go wrong is one line, and no traceback."""
    folder = written(tmp_path / "program", PENGUINS, backend)
    data = DATA / "penguins.csv"
    given = ("--data", data)
    for script in ("evaluate.py", "predict.py"):
        more = ("-o", "out.csv") if script == "predict.py" else ()
        done = run(folder, script, "--weights", "none.safetensors", *given, *more)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == "none.safetensors: no such file"
        assert "Traceback" not in done.stderr
        save_file(weights(PENGUINS), folder / "bare.safetensors")
        done = run(folder, script, "--weights", "bare.safetensors", *given, *more)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == "learned.json: no such file"


@pytest.mark.torch
@pytest.mark.keras
def test_half_precision_from_elsewhere(tmp_path: Path) -> None:
    """`bmc weights` reads what others publish; its file is read by programs."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    good = weights()
    path = tmp_path / "published.safetensors"
    save_torch({k: torch.from_numpy(v).bfloat16() for k, v in good.items()}, path)
    out = tmp_path / "fitted.safetensors"
    command = [
        sys.executable,
        "-m",
        "bmc",
        "weights",
        str(SPEC),
        "--from",
        str(path),
        "-o",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = load_file(out)
    assert all(found[name].dtype == np.float32 for name in good)
    folder = written(tmp_path / "program", SPEC, "torch")
    scores = json.loads(
        succeed(folder, "evaluate.py", "--weights", out, "--data", DATA / "optdigits.npz")
    )
    assert 0 <= scores["accuracy"] <= 1
