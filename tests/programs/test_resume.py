"""A run that is cut goes on bit for bit, in its framework; and in the other one it goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from tests.programs.project import DATA, QUIET, SPECS, run, succeed, written
from tests.programs.test_keys import BOTH, TABLE, program, records

# A signal that comes after so many batches, wherever that is.
CUT = """
import signal, sys, train
class Signals(list):
    left = int(sys.argv.pop(1))
    def __bool__(self):
        self.left -= 1
        if self.left < 0:
            self[:] = [signal.SIGTERM]
        return self.left < 0
train.catch_signals = Signals
sys.argv[0] = "train.py"
train.main()
"""
DROPOUT = ("-> relu", "-> relu -> dropout(0.3)")
LENGTHS = {"epochs": "epochs = 4", "steps": "steps = 30"}
VARIANTS = {
    "plain": "",
    "rules": "ema = 0.9\n  accumulate = 3\n  stop = patience(9)\n  schedule = plateau(patience=1)",
    "often": "checkpoint = every(5 steps, keep=3)\n  schedule = cosine(warmup=2 steps)",
    "seldom": "checkpoint = every(3 epochs)",
}


def dropped(folder: Path, backend: str, more: str, length: str, optimizer: str = "") -> Path:
    """A program whose model drops out."""
    made = program(folder / "plain", backend, more, length)
    spec = folder / "plain" / "net.bm"
    text = spec.read_text().replace(*DROPOUT)
    text = text.replace("adamw(lr=1e-2)", optimizer) if optimizer else text
    spec.write_text(text)
    shutil.rmtree(made)
    return written(folder / backend, spec, backend)


def same(one: Path, other: Path) -> bool:
    """Whether two files of tensors hold the same bits."""
    left, right = load_file(one), load_file(other)
    return left.keys() == right.keys() and all(
        left[k].tobytes() == right[k].tobytes() for k in left
    )


def told(out: Path) -> list[dict[str, float]]:
    """The records, without the clock."""
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records(out)]


DAILY = (("epochs", "plain"), ("steps", "rules"), ("epochs", "often"))
KINDS = [
    pytest.param(length, variant, marks=[] if (length, variant) in DAILY else pytest.mark.nightly)
    for length in LENGTHS
    for variant in VARIANTS
]


@pytest.mark.parametrize(("length", "variant"), KINDS)
@pytest.mark.parametrize("backend", BOTH)
def test_a_cut_run_goes_on_bit_for_bit(
    backend: str, length: str, variant: str, tmp_path: Path
) -> None:
    folder = dropped(tmp_path, backend, VARIANTS[variant], LENGTHS[length])
    (folder / "cut.py").write_text(CUT)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    succeed(folder, "train.py", *TABLE, "--out", whole)
    more: list[str] = []
    for left in (9, 14):  # once in the first epoch, once at the turn of another
        done = run(folder, "cut.py", left, *TABLE, "--out", cut, *more)
        assert done.returncode == 143, done.stderr
        more = ["--resume"]
        assert done.stderr.endswith(f"--out {cut} --resume\n") and "go on with" in done.stderr
    succeed(folder, "train.py", *TABLE, "--out", cut, "--resume")
    assert same(whole / "weights.safetensors", cut / "weights.safetensors")
    assert told(whole) == told(cut)
    if variant == "rules":
        assert same(whole / "last.safetensors", cut / "last.safetensors")
    kept = 3 if variant == "often" else 2
    assert len(list((cut / "states").iterdir())) <= kept


@pytest.mark.parametrize("backend", BOTH)
def test_texts_of_different_lengths_go_on(backend: str, tmp_path: Path) -> None:
    """What a batch is computed with does not depend on the shapes that came before it."""
    settings = {"train__accumulate": "2", "train__schedule": "cosine(warmup=2 steps)"}
    folder = written(tmp_path / backend, SPECS / "text" / "reviews.bm", backend, **settings)
    (folder / "cut.py").write_text(CUT)
    given = ("--data", DATA / "reviews.csv", "--epochs", "2")
    succeed(folder, "train.py", *given, "--out", tmp_path / "whole")
    done = run(folder, "cut.py", 3, *given, "--out", tmp_path / "cut")
    assert done.returncode == 143, done.stderr
    succeed(folder, "train.py", *given, "--out", tmp_path / "cut", "--resume")
    assert same(tmp_path / "whole/weights.safetensors", tmp_path / "cut/weights.safetensors")


@pytest.mark.torch
def test_a_longer_run_goes_on(tmp_path: Path) -> None:
    folder = program(tmp_path, "torch", length="epochs = 3")
    run_ = ("train.py", *TABLE, "--out", tmp_path / "run")
    succeed(folder, *run_)
    succeed(folder, *run_, "--epochs", "5", "--resume")
    succeed(folder, "train.py", *TABLE, "--out", tmp_path / "five", "--epochs", "5")
    assert same(tmp_path / "run/weights.safetensors", tmp_path / "five/weights.safetensors")
    assert [record["epoch"] for record in records(tmp_path / "run")] == [1, 2, 3, 4, 5]


OPTIMIZERS = [
    "sgd(lr=0.05, momentum=0.9)", "sgd(lr=0.05)", "sgd(lr=0.05, momentum=0.9, dampening=0.1)",
    "sgdw(lr=0.05, momentum=0.9)", "adam(lr=1e-2, amsgrad=true)", "adamw(lr=1e-2)",
    "nadam(lr=1e-2)", "radam(lr=1e-2)", "adamax(lr=1e-2)", "adadelta(lr=1.0)", "adagrad(lr=0.1)",
    "rmsprop(lr=1e-2, momentum=0.9, centered=true)", "lamb(lr=1e-2)", "lion(lr=1e-3)", "muon(lr=1e-2)",
    "adafactor(lr=0.05)",
]  # fmt: skip
QUICK = ("adamw(lr=1e-2)", "sgd(lr=0.05, momentum=0.9)")


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(one, marks=[] if one in QUICK else [pytest.mark.nightly], id=one.split("(")[0])
        for one in OPTIMIZERS
    ],
)
@pytest.mark.parametrize(("first", "second"), [("torch", "keras"), ("keras", "torch")])
def test_the_other_framework_goes_on(
    first: str, second: str, optimizer: str, tmp_path: Path
) -> None:
    """Without dropout both programs compute the same: so does a run that changes between them."""
    folders = {}
    for backend in (first, second):
        made = program(tmp_path / backend, backend, length="epochs = 6")
        spec = tmp_path / backend / "net.bm"
        spec.write_text(spec.read_text().replace("adamw(lr=1e-2)", optimizer))
        shutil.rmtree(made)
        folders[backend] = written(made, spec, backend)
    for name in ("begun", "whole"):
        succeed(folders[first], "train.py", *TABLE, "--out", tmp_path / name, "--epochs", "3")
    for backend, name in ((second, "begun"), (first, "whole")):
        command = ("train.py", *TABLE, "--out", tmp_path / name, "--resume", "--epochs", "6")
        succeed(folders[backend], *command)
    left, right = told(tmp_path / "begun"), told(tmp_path / "whole")
    assert [record["epoch"] for record in left] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(left, right, strict=True):
        # Noise moves the bias before batch norm, of which training sees nothing.
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4), (one, other)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A program, and a run of it with two states."""
    folder = tmp_path_factory.mktemp("begun")
    made = program(folder, "torch", length="epochs = 3")
    succeed(made, "train.py", *TABLE, "--out", folder / "run")
    return made, folder / "run"


def resumed(folder: Path, out: Path, *more: str) -> tuple[int, str]:
    """How `--resume` ends, and what it says."""
    done = run(folder, "train.py", *TABLE, "--out", out, "--resume", "--epochs", "4", *more)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.torch
def test_a_damaged_state_leaves_the_one_before(begun: tuple[Path, Path], tmp_path: Path) -> None:
    folder, first = begun
    out = tmp_path / "run"
    shutil.copytree(first, out)
    older, newer = sorted((out / "states").iterdir())
    newer.write_bytes(newer.read_bytes()[:-100])
    code, told = resumed(folder, out)
    assert code == 0 and f"damaged: {newer}; going on from {older}" in told
    for state in (out / "states").iterdir():
        state.write_bytes(b"nothing")
    code, told = resumed(folder, out)
    assert code == 1 and "no state is whole" in told


@pytest.mark.torch
def test_a_damaged_state_takes_no_ones_place(begun: tuple[Path, Path], tmp_path: Path) -> None:
    """Where one state is kept, it is the one that a run has written last, whatever is beside it."""
    folder, first = begun
    shutil.copytree(first / "states", tmp_path / "states")
    newer = max((tmp_path / "states").iterdir())
    newer.write_bytes(b"nothing")
    code = (
        "import sys; from pathlib import Path; from weights import read_state, write_state\n"
        "out = Path(sys.argv[1]); tensors, notes = read_state(out, {})\n"
        "write_state(out, tensors, {**notes, 'step': notes['step'] + 1}, 1)\n"
        "print(read_state(out, {})[1]['step'] - notes['step'])"
    )
    assert succeed(folder, "-c", code, tmp_path) == "1\n"
    assert len(list((tmp_path / "states").iterdir())) == 1 and not newer.exists()


@pytest.mark.torch
def test_a_run_goes_on_with_its_own_settings(begun: tuple[Path, Path], tmp_path: Path) -> None:
    folder, first = begun
    shutil.copytree(first, tmp_path / "run")
    code, told = resumed(folder, tmp_path / "run", "--seed", "3")
    assert code == 1 and "of a run whose seed is 0, and it is 3 here" in told
    edited = tmp_path / "edited"
    shutil.copytree(folder, edited)
    model = edited / "model.py"
    model.write_text(model.read_text().replace("16", "17"))
    code, told = resumed(edited, tmp_path / "run")
    assert code == 1 and "the state is of another model" in told and "dense1.weight is" in told


@pytest.mark.torch
def test_no_state_yet_is_the_beginning(begun: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = begun
    out = tmp_path / "run"
    out.mkdir()
    (out / "metrics.jsonl").touch()  # killed before there was one
    code, _ = resumed(folder, out)
    assert code == 0 and len(records(out)) == 4
    done = run(folder, "train.py", *TABLE, "--out", out, "--resume", "--overwrite")
    assert done.returncode == 2 and "not allowed with" in done.stderr


@pytest.mark.torch
@pytest.mark.nightly
def test_200_corruptions_are_found(begun: tuple[Path, Path], tmp_path: Path) -> None:
    """A bit that changed, or an end that is missing: the state before is read, or none is."""
    folder, first = begun
    code = (
        "import sys, json; from pathlib import Path; from weights import read_state\n"
        "found = read_state(Path(sys.argv[1]), {})\n"
        "print(found[1]['step'])"
    )
    draw = random.Random(0)
    wholes = sorted((first / "states").iterdir())
    steps = [int(path.stem.removeprefix("step-")) for path in wholes]
    content = wholes[-1].read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    padding = set(range(len(content[:length].rstrip(b" ")), length))
    for number in range(200):
        out = tmp_path / str(number)
        shutil.copytree(first / "states", out / "states")
        broken = bytearray(content)
        if number % 2:
            broken = broken[: draw.randrange(len(broken))]
        else:
            area = length if number % 4 else len(broken)
            place = draw.choice([n for n in range(area) if n not in padding])
            broken[place] ^= 1 << draw.randrange(8)
        (out / "states" / wholes[-1].name).write_bytes(broken)
        done = run(folder, "-c", code, out)
        assert done.returncode == 0, (number, done.stderr)
        assert int(done.stdout) == steps[-2], number
        shutil.rmtree(out)


@pytest.mark.nightly
@pytest.mark.parametrize("backend", BOTH)
def test_30_runs_that_are_killed(backend: str, tmp_path: Path) -> None:
    folder = dropped(tmp_path, backend, "checkpoint = every(3 steps)", "epochs = 12")
    command = [sys.executable, "train.py", *map(str, TABLE), "--out"]
    started = time.monotonic()
    succeed(folder, "train.py", *TABLE, "--out", tmp_path / "whole")
    whole = time.monotonic() - started
    draw = random.Random(1)
    for number in range(30):
        out = tmp_path / f"run{number}"
        more: list[str] = []
        for _ in range(4):
            process = subprocess.Popen(
                [*command, str(out), *more], cwd=folder, env={**os.environ, **QUIET},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                process.wait(whole * draw.uniform(0.4, 1.0))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            more = ["--resume"]
        succeed(folder, "train.py", *TABLE, "--out", out, "--resume")
        assert same(tmp_path / "whole" / "weights.safetensors", out / "weights.safetensors")
        assert told(out) == told(tmp_path / "whole")
        shutil.rmtree(out)
