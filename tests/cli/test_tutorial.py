"""The tutorial, followed to the letter in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODEL = re.compile(r"^model Penguins.*?^}\n", re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    """One line of the tutorial, with this Python as `python` and its bmc as `bmc`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command.split(), cwd=folder, env={**os.environ, "PATH": path}, capture_output=True,
        text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.mark.torch
@pytest.mark.onnx
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bmc", path=Path(sys.executable).parent) is None, reason="no bmc")
def test_the_tutorial_works(tmp_path: Path) -> None:
    printed: dict[str, str] = {}
    for language, text in FENCE.findall(PAGE):
        spec = tmp_path / "penguins.bm"
        if language == "bm":
            changed = MODEL.sub(lambda _, text=text: text, spec.read_text("utf-8"), count=1)
            assert text in changed
            spec.write_text(changed, "utf-8")
        if language == "text":
            wrong = tmp_path / "wrong" / "penguins.bm"
            wrong.parent.mkdir()
            wrong.write_text(_model(text), "utf-8")
            shown = run("bmc check penguins.bm", wrong.parent).stderr
            assert text.splitlines()[0] in shown and text.splitlines()[-1] in shown
        for line in text.splitlines() if language == "sh" else ():
            done = run(line, tmp_path)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            printed[line] = done.stdout
    rows = (tmp_path / "predictions.csv").read_text("utf-8").splitlines()
    assert rows[0].startswith("species,probability_Adelie") and rows[1].startswith("Adelie,")
    torch, onnx = (json.loads(text) for line, text in printed.items() if "evaluate.py" in line)
    assert torch["accuracy"] == onnx["accuracy"] > 0.9
    assert torch["loss"] == pytest.approx(onnx["loss"], rel=1e-4)


def _model(message: str) -> str:
    """The tutorial's model with the mistake that its message is about."""
    assert "`Linear`" in message
    model = next(text for language, text in FENCE.findall(PAGE) if language == "bm")
    return model.replace("dense(3)", "Linear(3)")
