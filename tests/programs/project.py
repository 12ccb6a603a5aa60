"""Compiles specs into folders and runs the programs in them, as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import open_project

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
DATA = SPECS / "data"
BACKENDS = ("torch", "keras", "onnx")
# Specs of whole programs; the others are models alone, or blocks.
TRAINED = tuple(p for p in sorted(SPECS.glob("*/*.bm")) if "\ntrain {" in p.read_text("utf-8"))
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def compiled(spec: Path, backend: str, **settings: str) -> dict[str, str]:
    """The files of a program; settings are overrides, dots written as `__`."""
    project, source = open_project(str(spec))
    problems = Problems()
    chosen = {key.replace("__", "."): value for key, value in settings.items()}
    program = driver.load(source, project, problems, chosen)
    assert program is not None, render_all(problems, False)
    files = driver.compile(program, backend, problems)
    assert not problems.failed, render_all(problems, False)
    return files


def written(folder: Path, spec: Path, backend: str, **settings: str) -> Path:
    """A folder with the files of a program."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in compiled(spec, backend, **settings).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, *command: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `python COMMAND` in a folder, to its end."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env={**os.environ, **QUIET, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def succeed(folder: Path, *command: Any, **environment: str) -> str:
    """What a program prints; it must end well."""
    done = run(folder, *command, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def few_digits(path: Path, train: int = 600, test: int = 200) -> Path:
    """Some of the handwritten digits, in their official parts."""
    with np.load(DATA / "optdigits.npz") as file:
        arrays = {key: file[key][: train if "train" in key else test] for key in file}
    np.savez(path, **arrays)
    return path
