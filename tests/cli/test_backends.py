"""What a backend lacks is said early, and a backend of somebody else's is one like ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.programs.project import SPECS

DIGITS = SPECS / "vision" / "digits.bm"
TOY = """
from bmc_torch import TorchBackend


class Toy(TorchBackend):
    name, title, package = "toy", "Toy", "bmc_toy"


BACKEND = Toy()
"""


def bmc(*command: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    found = os.pathsep.join([str(path or ""), *sys.path])
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, "PYTHONPATH": found},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


# A layer that nothing does outside a model.
POOLED = "train.loss=0 * (image -> max_pool(2) -> mean) + ((logits, digit) -> cross_entropy)"


def test_check_warns_of_what_no_backend_does() -> None:
    done = bmc("-m", "bmc", "check", DIGITS, "--set", POOLED)
    assert done.returncode == 0
    assert "BM505" in done.stderr and "no backend does `max_pool` yet" in done.stderr
    assert "BM505" not in bmc("-m", "bmc", "check", DIGITS).stderr


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_check_for_a_backend_reports_what_it_refuses(backend: str) -> None:
    given = ("check", DIGITS, "--backend", backend)
    done = bmc("-m", "bmc", *given, "--set", POOLED)
    assert done.returncode == 1 and "BM501" in done.stderr
    assert bmc("-m", "bmc", *given).returncode == 0
    assert "BM502" in bmc("-m", "bmc", "check", DIGITS, "--backend", "troch").stderr


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A folder with an installed package that brings a backend."""
    package = tmp_path / "bmc_toy"
    (package / "lower").mkdir(parents=True)
    (package / "__init__.py").write_text(TOY)
    probe = (
        "from bmc_torch.probe import Model\nfrom bmc.verify.probe import serve\n\nserve(Model)\n"
    )
    (package / "probe.py").write_text(probe)
    (package / "lower" / "__init__.py").write_text("")
    (package / "lower" / "table.py").write_text("from bmc_torch.lower.table import LOWERINGS\n")
    info = tmp_path / "bmc_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bmc-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bmc.backends]\ntoy = bmc_toy:BACKEND\n")
    return tmp_path


def test_another_backend_compiles_and_is_listed(toy: Path, tmp_path: Path) -> None:
    done = bmc("-m", "bmc", "compile", DIGITS, "--emit", "toy", path=toy)
    assert done.returncode == 0 and "class Digits(nn.Module)" in done.stdout
    given = ("compile", DIGITS, "--backend", "toy", "-o", tmp_path / "out")
    assert bmc("-m", "bmc", *given, path=toy).returncode == 0
    page = bmc("-m", "bmc.support", "toy", path=toy).stdout
    assert "| layer | PyTorch | Keras | ONNX | Toy |" in page
    unknown = bmc("-m", "bmc", "compile", DIGITS, "--emit", "toys", path=toy)
    assert unknown.returncode == 1 and "did you mean `toy`" in unknown.stderr


@pytest.mark.torch
def test_another_backend_is_verified(toy: Path) -> None:
    done = bmc("-m", "bmc", "verify", DIGITS, "--backends", "torch,toy", path=toy)
    assert done.returncode == 0, done.stderr
    assert "toy against torch" in done.stdout
