"""Random training sections: the programs of both frameworks learn, score and predict alike."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.drawn import draw, table
from tests.programs.project import succeed, written
from tests.programs.test_keys import records
from tests.programs.test_trajectory import start

pytestmark = [pytest.mark.torch, pytest.mark.keras]
SEEDS = [2, *(pytest.param(n, marks=pytest.mark.nightly) for n in (0, 1, *range(3, 60)))]
NEAR = 2e-3  # of the largest: rounding in single precision, over twelve updates and more


def close(mine: np.ndarray, theirs: np.ndarray) -> bool:
    scale = max(float(np.abs(theirs).max(initial=0)), 1e-2)
    return bool(np.abs(mine - theirs).max(initial=0) <= NEAR * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_learn_alike(seed: int, tmp_path: Path) -> None:
    spec, data = tmp_path / "net.bm", tmp_path / "rows.csv"
    spec.write_text(draw(seed), encoding="utf-8")
    table(data)
    start(spec, tmp_path / "double.safetensors")
    first = {k: v.astype("float32") for k, v in load_file(tmp_path / "double.safetensors").items()}
    from safetensors.numpy import save_file

    save_file(first, tmp_path / "start.safetensors")
    losses, weights, scores, columns = [], [], [], []
    for backend in ("torch", "keras"):
        made, out = written(tmp_path / backend, spec, backend), tmp_path / f"run_{backend}"
        begun = ("--start", tmp_path / "start.safetensors")
        succeed(made, "train.py", "--data", data, "--out", out, *begun)
        losses.append(np.array([record["loss"] for record in records(out)]))
        weights.append(load_file(out / "weights.safetensors"))
        given = ("--weights", tmp_path / "run_torch" / "weights.safetensors", "--data", data)
        scores.append(json.loads(succeed(made, "evaluate.py", *given)))
        succeed(made, "predict.py", *given, "-o", tmp_path / f"{backend}.csv")
        rows = list(csv.reader((tmp_path / f"{backend}.csv").open()))[1:]
        columns.append(np.array(rows, dtype=float))
        succeed(made, "report.py", *given)
    assert len(losses[0]) == len(losses[1]) and close(*losses)
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        assert close(weights[1][name], tensor), name
    assert scores[1] == pytest.approx(scores[0], rel=1e-4, abs=1e-5)
    assert np.allclose(columns[0], columns[1], rtol=1e-4, atol=1e-5)
