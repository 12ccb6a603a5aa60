"""Operators in NumPy, which are Python's."""

from __future__ import annotations

from bmc.emit.rows import arithmetic, negate, take
from bmc.ops.arithmetic import Arithmetic, Negate, Take
from bmc_programs.lower.table import lower

lower(Arithmetic)(arithmetic)
lower(Negate)(negate)
lower(Take)(take)
