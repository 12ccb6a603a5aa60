"""Runs of generated programs: one after the other, and again from the folder of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from bmc.diagnostics.problems.files import CannotRead, FileRefused, nowhere
from bmc.exits import FINE
from bmc.records import record

ABOUT = "run.json"
WEIGHTS = "weights.safetensors"
MARK = "# Written by bmc"
LARGEST = 2**20  # bytes of a run.json


@record
class Steps:
    """What a training project has: its folder, whether rows are left for a test, a table's name."""

    folder: Path
    test: bool
    table: str


def train(steps: Steps, given: Mapping[str, str | None], more: list[str]) -> int:
    """Trains, scores the test rows, predicts, draws, and says where everything lies."""
    flags = [word for key, value in given.items() if value for word in (f"--{key}", value)]
    code, _ = wait(steps.folder / "train.py", [*flags, *more])
    if code != FINE:
        return code
    out, data = Path(str(given["out"])), str(given["data"])
    common = ["--weights", str(out / WEIGHTS), "--data", data]
    common += ["--device", str(given["device"])] if given["device"] else []
    rows = [("program", str(steps.folder)), ("run", str(out)), ("weights", str(out / WEIGHTS))]
    if steps.test:
        code, text = wait(steps.folder / "evaluate.py", common, kept=True)
        if code != FINE:
            return code
        (out / "test.json").write_text(text, encoding="utf-8")
        scores = json.loads(text)
        told = "  ".join(f"{name} {value:.4g}" for name, value in scores.items())
        rows.append(("test", f"{told}  ({out / 'test.json'})"))
    table = out / Path(steps.table).name
    code, _ = wait(steps.folder / "predict.py", [*common, "-o", str(table)])
    if code != FINE:
        return code
    rows.append(("predictions", str(table)))
    if (steps.folder / "report.py").exists():
        code, text = wait(steps.folder / "report.py", common, kept=True)
        if code != FINE:
            return code
        rows.append(("report", "  ".join(text.split("\n")).strip()))
    print("\n" + "\n".join(f"{name:12} {text}" for name, text in rows), flush=True)
    return FINE


def again(run: Path, file: str, data: str | None, more: list[str]) -> int:
    """Runs a file of the program that made a run, on its data or on other.

    Raises FileRefused where the folder is no run, or its program is gone.
    """
    about = _about(run)
    program = Path(about["program"]) / file
    flags = ["--weights", str(run / WEIGHTS), "--data", data or about["data"], *more]
    if not _ours(program):
        reason = f"{run / ABOUT} names it, and it is no program that bmc has written"
        raise FileRefused(CannotRead(nowhere(str(program)), str(program), reason))
    if program.resolve().is_relative_to(run.resolve()):
        reason = "a run does not bring the program that reads it"
        raise FileRefused(CannotRead(nowhere(str(program)), str(program), reason))
    return wait(program, flags)[0]


def _about(run: Path) -> dict[str, str]:
    """What a run says of its program and its data."""
    path = run / ABOUT
    reason = "there is no run: `python train.py --out RUN` and `bmc train` make one"
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError
        about = json.loads(path.read_text(encoding="utf-8"))
        found = {key: about[key] for key in ("program", "data")}
        if not all(isinstance(value, str) for value in found.values()):
            raise ValueError
    except FileNotFoundError:
        raise FileRefused(CannotRead(nowhere(str(path)), str(path), reason)) from None
    except OSError as error:
        told = error.strerror or str(error)
        raise FileRefused(CannotRead(nowhere(str(path)), str(path), told)) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        told = "it is not what a run writes"
        raise FileRefused(CannotRead(nowhere(str(path)), str(path), told)) from None
    return found


def _ours(program: Path) -> bool:
    try:
        with program.open(encoding="utf-8") as file:
            return file.readline().startswith(MARK)
    except (OSError, UnicodeError):
        return False


def wait(program: str | Path, flags: list[str], *, kept: bool = False) -> tuple[int, str]:
    """Runs a program to its end; hands interrupts on. Returns its exit code, and what it printed
    if that is kept.
    """
    import signal
    import subprocess

    sys.stdout.flush()
    child = subprocess.Popen(
        [sys.executable, str(program), *flags], stdout=subprocess.PIPE if kept else None, text=True
    )
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                text = child.communicate()[0] or ""
                code = child.returncode
                return (code if code >= 0 else 128 - code), text
            except KeyboardInterrupt:
                # The terminal has told the child as well; it saves its work and ends by itself.
                continue
    finally:
        signal.signal(signal.SIGTERM, before)
