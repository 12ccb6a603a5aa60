"""How long `bmc check` and `bmc compile` take, as multiples of `python -c pass`.

Pairs of runs in alternation (A B A B …); the median of the ratios of user and system time.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "specs" / "vision" / "lenet.bm"
PAIRS = 15


def cpu_time(*command: str) -> float:
    """User and system seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def ratio(*command: str) -> float:
    """The median ratio to the empty program."""
    empty = (sys.executable, "-c", "pass")
    cpu_time(*command)
    cpu_time(*empty)
    return statistics.median(cpu_time(*command) / cpu_time(*empty) for _ in range(PAIRS))


def main() -> None:
    """Prints a table."""
    bmc = (sys.executable, "-m", "bmc")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPATH"] = f"{ROOT / 'compiler'}:{ROOT / 'backends'}"
    with tempfile.TemporaryDirectory() as folder:
        print("| command | times `python -c pass` |\n|---|---|")
        print(f"| bmc --version | {ratio(*bmc, '--version'):.1f} |")
        print(f"| bmc check | {ratio(*bmc, 'check', str(SPEC)):.1f} |")
        for backend in ("torch", "keras", "onnx"):
            out = ("--backend", backend, "-o", f"{folder}/{backend}", "--force")
            print(
                f"| bmc compile --backend {backend} | {ratio(*bmc, 'compile', str(SPEC), *out):.1f} |"
            )


if __name__ == "__main__":
    main()
