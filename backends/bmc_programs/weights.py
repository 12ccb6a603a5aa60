"""weights.py and runs.py: what programs have for their files, whatever the framework."""

from __future__ import annotations

from collections.abc import Sequence

from bmc.emit.gate import HEADER
from bmc.ops.schedules import Plateau
from bmc_programs.library import import_block, needed
from bmc_programs.run import Run

RUNS = (
    "METRICS",
    "begin_run",
    "catch_signals",
    "check_losses",
    "how_to_resume",
    "natural",
    "positive",
    "report",
    "write_card",
)
STATES = ("Tensors", "check_state", "read_state", "split_state", "write_state")


def weights_file(run: Run, trains: bool) -> str:
    """weights.py"""
    roots = ["read_weights"]
    roots += ["write_weights", *STATES] if trains else []
    roots += ["read_learned"] if run.learned else []
    return _file("Read and write weights.safetensors, the same file for every framework.", roots)


def runs_file(run: Run) -> str:
    """runs.py"""
    roots = [*RUNS, "cut_records", *(["Patience"] if run.train.stop is not None else [])]
    roots += ["Plateau"] if isinstance(run.train.schedule, Plateau) else []
    roots += ["prepare_ahead"] if run.pictures else []
    roots += ["share_of"] if run.train.accumulate > 1 else []
    return _file("What a training run needs beside its model: its folder, its records.", roots)


def _file(doc: str, roots: Sequence[str]) -> str:
    """Definitions of the stock, and all that they need, as a file."""
    helpers = needed(roots, drawn=False)
    used: set[str] = set()
    for helper in helpers:
        used |= helper.names
    constants = "\n".join(helper.text for helper in helpers if helper.constant)
    blocks = [constants] if constants else []
    blocks += [helper.text for helper in helpers if not helper.constant]
    gap = "\n\n" if constants else "\n\n\n"
    head = f'{HEADER}"""{doc}"""\n\n{import_block(used)}{gap}'
    return head + "\n\n\n".join(blocks) + "\n"
