"""How far the losses of the PyTorch and the Keras program drift apart in twenty steps.

The cases of tests/programs/test_trajectory.py, with the numbers that the test only bounds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "compiler"), str(ROOT / "backends")]

from tests.programs.project import succeed, written  # noqa: E402
from tests.programs.test_trajectory import CASES, SCRIPT, SPEC, STEPS, start  # noqa: E402


def main() -> None:
    """Prints a table."""
    print("| spec | optimizer | numbers | largest relative difference |\n|---|---|---|---|")
    for name, optimizer, dtype in CASES:
        spec, data, settings = SPEC[name]
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "start.safetensors"
            start(spec, weights)
            losses = []
            for backend in ("torch", "keras"):
                more = {**settings, "train__optimizer": optimizer, "train__schedule": "constant"}
                program = written(Path(folder) / backend, spec, backend, **more)
                given = (backend, program, weights, data, dtype, STEPS)
                printed = succeed(Path(folder), SCRIPT, *given)
                losses.append(np.array(json.loads(printed.splitlines()[-1])))
        gap = (np.abs(losses[1] - losses[0]) / np.abs(losses[0])).max()
        print(f"| {name} | `{optimizer}` | {dtype} | {gap:.1e} |", flush=True)


if __name__ == "__main__":
    main()
