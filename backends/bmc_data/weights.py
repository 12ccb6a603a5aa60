"""weights.py: reads and writes weights, and what belongs to them."""

from __future__ import annotations

from bmc.emit.gate import HEADER
from bmc_data.library import import_block, needed
from bmc_data.run import Run

DOC = '"""Read and write weights.safetensors, the same file for every framework."""'


def weights_file(run: Run, trains: bool) -> str:
    """weights.py"""
    roots = ["read_weights"]
    roots += ["write_weights"] if trains else []
    roots += ["read_learned"] if run.learned else []
    helpers = needed(roots, drawn=False)
    used: set[str] = set()
    for helper in helpers:
        used |= helper.names
    lines = "\n".join(helper.text for helper in helpers if helper.constant)
    blocks = [lines, *(helper.text for helper in helpers if not helper.constant)]
    return f"{HEADER}{DOC}\n\n{import_block(used)}\n\n" + "\n\n\n".join(blocks) + "\n"
