"""Training: generated programs against programs written by hand, in PyTorch and in Keras.

    OMP_NUM_THREADS=1 python benchmarks/training.py DATA [pairs] [TASK …] [torch | keras] [compiled]

Whole epochs with data and validation, in turn (A B A B …), without what comes before the first
batch and without the first epoch, in which Keras builds its graph. What counts is the median of
the ratios of processor times; above one, the generated program is faster. DATA has the data sets;
with `compiled` both use the framework's compiler.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HANDS = Path(__file__).resolve().parent / "training"
# name: spec, data, epochs (tenths of the steps where the spec counts those), flags
TASKS = {
    "lenet": ("specs/vision/lenet.bm", "mnist_10k/mnist_10k.npz", 4, ("--epochs", "4")),
    "adult": ("specs/tabular/adult.bm", "adult/train.csv.gz", 24, ("--epochs", "24")),
    "chargpt": ("specs/text/chargpt.bm", "tinyshakespeare/input.txt", 10, ("--steps", "300")),
    "lstm": ("benchmarks/training/lstm.bm", "sst2/train.tsv", 3, ("--epochs", "3")),
}

# Runs a program whose clock is the processor's: other processes don't count.
CLOCKED = """
import runpy, sys, time
time.perf_counter = time.process_time
del sys.argv[0]
sys.path[0] = sys.argv[0].rpartition("/")[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def said(*command: object) -> str:
    """What a Python program prints."""
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def generated(program: Path, data: Path, flags: tuple[str, ...]) -> list[float]:
    """The seconds of the epochs of a generated program."""
    out = program / "run"
    given = ("--data", data, "--out", out, "--overwrite", "--quiet", *flags)
    said("-c", CLOCKED, program / "train.py", *given)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    seconds = [record["seconds"] for record in records]
    if "step" not in records[0]:
        return seconds
    return [after - before for before, after in zip([0.0, *seconds], seconds)]


def main() -> None:
    """Prints a table."""
    data, pairs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    compiled = ["compiled"] if "compiled" in sys.argv else []
    wanted = [task for task in sys.argv[3:] if task in TASKS] or list(TASKS)
    backends = [one for one in ("torch", "keras") if one in sys.argv] or ["torch", "keras"]
    print("| task | framework | median of the ratios | all |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for task in wanted:
            spec, where, epochs, flags = TASKS[task]
            for backend in backends:
                program = Path(folder) / f"{task}_{backend}"
                rows = data / where
                if task == "chargpt":  # whose evaluations would take most of the time
                    rows = Path(folder) / "input.txt"
                    rows.write_text((data / where).read_text("utf-8")[:120_000], "utf-8")
                more = ["--set", "train.compile=true"] if compiled else []
                given = (ROOT / spec, "--backend", backend, "-o", program, *more)
                said("-m", "bmc", "compile", *given)
                ratios = []
                for _ in range(pairs):
                    mine = generated(program, rows, flags)
                    lines = said(HANDS / f"{task}_{backend}.py", rows, epochs, *compiled)
                    hand = [float(line) for line in lines.split()]
                    ratios.append(sum(hand[1:]) / sum(mine[1:]))
                shown = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
                middle = statistics.median(ratios)
                print(f"| {task} | {backend} | {middle:.2f} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
