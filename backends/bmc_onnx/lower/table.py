"""The table of ONNX lowerings: one rule for each declared layer.

A rule gives a `Function` whose arguments are the inputs and, last, the name of the node.
"""

from __future__ import annotations

from pathlib import Path

from bmc.emit.backend import Lowerings
from bmc.emit.parts import Methods
from bmc_programs.shared import SHARED

LOWERINGS = Lowerings("onnx", "bmc_onnx.lower")
lower = LOWERINGS.rule
# Methods of the class `Graph`, which has two of its own that not every program needs.
part = Methods(Path(__file__).parents[1] / "parts", ("add_several", "begin_step"), SHARED)
