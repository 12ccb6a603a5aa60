# Written by bmc from a .bm file; the file is yours to edit.
"""What a training run needs beside its model: its folder, its records."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Array = NDArray[Any]
METRICS = "metrics.jsonl"
ABOUT = "run.json"
CARD = "README.md"


def positive(text: str) -> int:
    """A whole number from 1, as an argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, found {text}")
    return number


def natural(text: str) -> int:
    """A whole number from 0 that 32 bits hold, as an argument."""
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"expected a number from 0, found {text}")
    return number


def begin_run(
    out: Path, files: Sequence[str], data: Path, overwrite: bool, resume: bool
) -> None:
    """Make the folder of a run; files of an earlier one go only where that is asked."""
    if out.exists() and not out.is_dir():
        raise SystemExit(f"{out}: is a file, and a folder is needed")
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = [out / file for file in files if (out / file).exists()]
        found += (out / "states").glob("step-*.safetensors")
        if overwrite:
            for file in found:
                file.unlink(missing_ok=True)
        elif found and not resume:
            raise FileExistsError
        (out / files[0]).touch(exist_ok=resume)  # two runs can't begin at once
        about = {
            "program": str(Path(sys.argv[0]).resolve().parent),
            "data": str(data.resolve()),
            "command": shlex.join(["python", *sys.argv]),
        }
        (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    except FileExistsError:
        raise SystemExit(
            f"{out}: an earlier run is there; give another --out, --overwrite, or "
            "--resume to go on with it"
        ) from None
    except OSError as error:
        raise SystemExit(f"{out}: {error.strerror}") from None


def how_to_resume() -> str:
    """The command that goes on with this run."""
    given = [word for word in sys.argv[1:] if word not in ("--overwrite", "--resume")]
    return shlex.join(["python", sys.argv[0], *given, "--resume"])


def cut_records(path: Path, size: int) -> None:
    """Leave out records that came after a state: they come again."""
    if path.stat().st_size > size:
        os.truncate(path, size)


def catch_signals() -> list[int]:
    """A list in which Ctrl-C and SIGTERM are noted, so that a step is not cut in two.

    The second one ends the program at once.
    """
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return caught


def check_losses(
    losses: Array,
    order: Callable[[int], Array],
    batch: int,
    epoch: int,
    largest: dict[str, float] | None,
    before: int = 0,
    lone: bool = False,
) -> None:
    """End a run at a loss that is not finite: say of which batch, and of which rows.

    `order` gives the rows of an epoch, whose last batch is left out if it is a `lone`
    row; `before` batches of this one came before the losses, which reach further back
    where it is negative.
    `largest` are the largest gradients of the last sound update, None if none looked.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if not len(bad):
        return
    number = before + int(bad[0])
    ordered = order(epoch)
    while number < 0:  # the losses of a record may be of several epochs
        epoch -= 1
        ordered = order(epoch)
        number += math.ceil((len(ordered) - lone) / batch)
    rows = ordered[number * batch : (number + 1) * batch].tolist()
    told = ", ".join(map(str, rows[:16])) + (", ..." if len(rows) > 16 else "")
    advice = "A smaller learning rate, a warm-up or clip_norm may help."
    if largest:
        name = max(largest, key=largest.__getitem__)
        advice += f" The largest gradient before was {largest[name]:.3g}, in {name}."
    elif largest is not None:
        advice += " No sound gradient was seen before."
    else:
        advice += f" The gradient that grew is named by\n  {how_to_resume()} --watch"
    raise SystemExit(
        f"epoch {epoch}, batch {number + 1}: the loss of rows {told} is "
        f"{losses[bad[0]]}; the states of before are kept. {advice}"
    )


def write_card(out: Path, model: str, facts: dict[str, Any]) -> None:
    """Write README.md of a run: what was trained, on what and how, and its scores."""
    records = (out / METRICS).read_text().splitlines()
    scores: dict[str, float] = json.loads(records[-1]) if records else {}
    rows = [f"| {name} | {value} |" for name, value in facts.items()]
    rows += [f"| {name} | {value:.6g} |" for name, value in scores.items()]
    about = json.loads((out / ABOUT).read_text())
    program, data = shlex.quote(about["program"]), shlex.quote(about["data"])
    given = f"--weights {shlex.quote(str(out.resolve() / 'weights.safetensors'))}"
    text = [
        f"# A run of {model}",
        "",
        "| | |",
        "|---|---|",
        *rows,
        "",
        "The last rows are the last record of `metrics.jsonl`. Made by, and used with:",
        "",
        "```sh",
        about["command"],
        f"python {program}/evaluate.py {given} --data {data}",
        f"python {program}/predict.py {given} --data {data} -o predictions.csv",
        "```",
    ]
    path = out / CARD
    if not path.exists() or path.read_bytes().startswith(b"# A run of "):  # of ours
        path.write_text("\n".join(text) + "\n", encoding="utf-8")


def report(record: dict[str, float], path: Path, quiet: bool) -> None:
    """Print a record unless all shall be quiet; append it to a file and its table.

    A number that is not finite ends the run.
    """
    where, number = next(iter(record.items()))
    for name, value in record.items():
        if not math.isfinite(value):
            raise SystemExit(f"{where} {number}: {name} is {value}, nothing saved")
    shown = [v if isinstance(v, int) else f"{v:.4g}" for v in record.values()]
    line = "  ".join(f"{key} {value}" for key, value in zip(record, shown, strict=True))
    try:
        if not quiet:
            tqdm.write(line)
            sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on; the run does not end for it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with open(path, "a") as file:
        file.write(json.dumps(record) + "\n")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    with open(path.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, list(record))
        writer.writeheader()
        writer.writerows(records)
