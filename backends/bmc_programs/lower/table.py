"""The table of rules for what programs evaluate, in NumPy: one for each declared loss."""

from __future__ import annotations

from bmc.emit.backend import Lowerings

LOWERINGS = Lowerings("evaluation", "bmc_programs.lower")
lower = LOWERINGS.rule
