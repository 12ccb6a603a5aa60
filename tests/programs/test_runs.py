"""Runs: their folder, their length, and how they end before their time."""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file
from tests.programs.project import DATA, QUIET, SPECS, run, succeed, written

TRAINED = [pytest.param(b, marks=getattr(pytest.mark, b)) for b in ("torch", "keras")]
SPEC = SPECS / "tabular" / "mlp.bm"
PENGUINS = DATA / "penguins.csv"


@pytest.fixture(scope="module", params=TRAINED)
def program(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program whose length is counted in steps."""
    return written(tmp_path_factory.mktemp(request.param), SPEC, request.param)


def train(folder: Path, out: Any, *more: Any) -> Any:
    return run(folder, "train.py", "--data", PENGUINS, "--out", out, *more)


@pytest.mark.parametrize(
    "more",
    [("--steps", "0"), ("--steps", "-1"), ("--seed", "-1"), ("--seed", str(2**70)),
     ("--steps", "many")],
    ids=str,
)  # fmt: skip
def test_lengths_and_seeds_that_are_none(program: Path, more: Any, tmp_path: Path) -> None:
    done = train(program, tmp_path / "run", *more)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and more[0] in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_earlier_run_stays(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    succeed(program, "train.py", "--data", PENGUINS, "--out", out, "--steps", "20")
    kept = {path: path.read_bytes() for path in out.rglob("*.*")}
    names = {path.name for path in out.iterdir()}
    assert names == {
        "weights.safetensors",
        "metrics.jsonl",
        "metrics.csv",
        "learned.json",
        "run.json",
        "README.md",
        "states",
    }
    done = train(program, out, "--steps", "20")
    assert done.returncode == 1
    end = "an earlier run is there; give another --out, --overwrite, or --resume to go on with it"
    assert done.stderr.strip().splitlines()[-1] == f"{out}: {end}"
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == kept
    succeed(program, "train.py", "--data", PENGUINS, "--out", out, "--steps", "30", "--overwrite")
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(3, 31, 3))


def test_two_runs_do_not_begin_in_one_folder(program: Path, tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "--data", PENGUINS, "--out", tmp_path / "run"]
    environment = {**os.environ, **QUIET}
    both = [
        subprocess.Popen(
            [*map(str, command), "--steps", "20"], cwd=program, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    errors = [child.communicate(timeout=200)[1] for child in both]
    assert sorted(child.returncode for child in both) == [0, 1]
    assert any("an earlier run is there" in error for error in errors)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 10


@pytest.mark.parametrize("kind", ["file", "no permission", "below a file"])
def test_folders_that_can_not_be(program: Path, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("kept")
    elif kind == "below a file":
        out.write_text("kept")
        out = out / "run"
    else:
        out = Path("/proc/none/run")
    done = train(program, out, "--steps", "5")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(out) in done.stderr.strip().splitlines()[-1]


def begun(program: Path, out: Path, **more: Any) -> subprocess.Popen[str]:
    """A long run that has written its first record."""
    child = subprocess.Popen(
        [sys.executable, "train.py", "--data", str(PENGUINS), "--out", str(out), "--steps", "40000"],
        cwd=program, env={**os.environ, **QUIET}, stderr=subprocess.PIPE, text=True, **more,
    )  # fmt: skip
    waited = time.monotonic()
    records = out / "metrics.jsonl"
    while not records.exists() or not records.stat().st_size:
        assert child.poll() is None and time.monotonic() - waited < 200
        time.sleep(0.05)
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_its_weights(
    program: Path, number: signal.Signals, tmp_path: Path
) -> None:
    child = begun(program, tmp_path / "run", stdout=subprocess.DEVNULL)
    child.send_signal(number)
    _, errors = child.communicate(timeout=100)
    assert child.returncode == 128 + number
    assert "Traceback" not in errors and "has the weights so far" in errors
    weights = tmp_path / "run" / "weights.safetensors"
    assert load_file(weights)
    given = ("--weights", weights, "--data", PENGUINS)
    assert json.loads(succeed(program, "evaluate.py", *given))["accuracy"] > 0.5


def test_a_closed_pipe_ends_no_run(program: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "train.py", "--data", str(PENGUINS), "--out", str(tmp_path / "run")]
    child = subprocess.Popen(
        [*command, "--steps", "40"], cwd=program, env={**os.environ, **QUIET},
        stdout=writing, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    os.close(reading)
    _, errors = child.communicate(timeout=200)
    assert child.returncode == 0 and "Traceback" not in errors and "BrokenPipe" not in errors
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_a_loss_that_is_not_finite_in_validation(program: Path, tmp_path: Path) -> None:
    """Also where only the validation rows have it; the record is JSON in any case."""
    text = (program / "evaluate.py").read_text()
    broken = program / "evaluate.py"
    try:
        broken.write_text(
            text.replace(
                "def main()",
                "def compute_metrics(arrays: Arrays)"
                " -> dict[str, float]:\n    return {'loss': float('nan')}\n\n\ndef main()",
            )
        )
        done = train(program, tmp_path / "run", "--steps", "10")
    finally:
        broken.write_text(text)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "step 1: validation_loss is nan, nothing saved"
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert all(math.isfinite(json.loads(line)["loss"]) for line in lines)


def test_what_is_scored_is_said(program: Path, tmp_path: Path) -> None:
    """Also of a file that the model was not made from: no share of it passes for the whole."""
    out = tmp_path / "run"
    succeed(program, "train.py", "--data", PENGUINS, "--out", out, "--steps", "60")
    lines = PENGUINS.read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join(lines[:1] + lines[1::3]) + "\n")
    given = ("evaluate.py", "--weights", out / "weights.safetensors", "--data", other)
    total = len(lines[1::3])
    for more, said in (
        ((), f"test: {round(0.15 * total)} of {total} rows"),
        (("--split", "train"), f"train: {round(0.7 * total)} of {total} rows"),
        (("--all",), f"all: {total} of {total} rows"),
    ):
        done = run(program, *given, *more)
        assert done.returncode == 0, done.stderr
        assert done.stderr.strip().splitlines()[-1] == said
        assert 0 < json.loads(done.stdout)["accuracy"] <= 1
    done = run(program, *given, "--split", "none")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_predictions_that_can_not_be_written(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    succeed(program, "train.py", "--data", PENGUINS, "--out", out, "--steps", "10")
    given = ("predict.py", "--weights", out / "weights.safetensors", "--data", PENGUINS)
    done = run(program, *given, "-o", tmp_path / "none" / "out.csv")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "out.csv: can't be written: No such file or directory" in done.stderr


def test_steps_are_whole_numbers(program: Path, tmp_path: Path) -> None:
    done = succeed(
        program, "train.py", "--data", PENGUINS, "--out", tmp_path / "run", "--steps", "12000",
    )  # fmt: skip
    assert done.splitlines()[-1].startswith("step 12000  epoch ")


def test_a_quiet_run_has_a_card(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    text = ("--data", PENGUINS, "--out", out, "--steps", "10", "--quiet")
    assert succeed(program, "train.py", *text) == ""
    card = (out / "README.md").read_text()
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert card.startswith("# A run of Mlp\n") and "| train rows | " in card
    assert f"| validation_loss | {last['validation_loss']:.6g} |" in card
    command = next(line for line in card.splitlines() if "evaluate.py" in line)
    assert json.loads(succeed(tmp_path, *shlex.split(command)[1:]))["loss"] > 0
    (out / "README.md").write_text("mine")
    succeed(program, "train.py", *text, "--overwrite")
    assert (out / "README.md").read_text() == "mine"
