"""How the time and memory of `bmc compile` grow with the number of layers in one pipeline.

CPU seconds are of this machine and moment: the last column, the growth for twice the layers, is
what matters.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1250, 2500, 5000, 10000)


def cost(*command: str) -> tuple[float, float]:
    """CPU seconds and the largest resident size in MiB of one run."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "use = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(use.ru_utime + use.ru_stime, use.ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    seconds, size = map(float, done.stdout.split())
    return seconds, size


def main() -> None:
    """Prints a table."""
    os.environ["PYTHONPATH"] = f"{ROOT / 'compiler'}:{ROOT / 'backends'}"
    print("| backend | layers | CPU seconds | MiB | growth |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "long.bm"
        for backend in ("torch", "keras", "onnx"):
            before = 0.0
            for size in SIZES:
                layers = "".join("    -> dense(8)\n" for _ in range(size))
                spec.write_text(f"model Net {{\n  input x: float[8]\n  output y = x\n{layers}}}\n")
                out = ("--backend", backend, "-o", f"{folder}/{backend}", "--force")
                seconds, mib = cost(sys.executable, "-m", "bmc", "compile", str(spec), *out)
                growth = f"{seconds / before:.2f}" if before else ""
                print(f"| {backend} | {size} | {seconds:.2f} | {mib:.0f} | {growth} |", flush=True)
                before = seconds


if __name__ == "__main__":
    main()
