"""Weights that do not fit are refused by name, in every program and before anything runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.programs.project import BACKENDS, DATA, SPECS, run, written

SPEC = SPECS / "vision" / "digits.bm"


def weights(folder: Path) -> dict[str, np.ndarray]:
    """Random weights of the spec, named as the compiler names them."""
    from bmc import driver
    from bmc.diagnostics.diagnostic import Problems
    from bmc.project import open_project
    from bmc.weights.files import expected

    project, source = open_project(str(SPEC))
    program = driver.load(source, project, Problems())
    assert program is not None
    random = np.random.default_rng(0)
    shapes = expected(program.main)
    return {name: random.normal(size=shape).astype("f") for name, shape in shapes.items()}


@pytest.mark.parametrize(
    "backend", [pytest.param(b, marks=getattr(pytest.mark, b)) for b in BACKENDS]
)
def test_weights_that_do_not_fit_are_named(backend: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "program", SPEC, backend)
    tensors = weights(tmp_path)
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
