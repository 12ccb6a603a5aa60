"""The table of ONNX lowerings: one rule for each declared layer.

A rule gives a `Function` whose arguments are the inputs and, last, the name of the node.
"""

from __future__ import annotations

from bmc.emit.backend import Lowerings

LOWERINGS = Lowerings("onnx", "bmc_onnx.lower")
lower = LOWERINGS.rule
