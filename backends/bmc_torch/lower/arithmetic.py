"""Operators in PyTorch, which are Python's."""

from __future__ import annotations

from bmc.emit.rows import arithmetic, negate, take
from bmc.ops.arithmetic import Arithmetic, Negate, Take
from bmc_torch.lower.table import lower

lower(Arithmetic, fresh=lambda op, types: op.operator in ("+", "-", "*"))(arithmetic)
lower(Negate)(negate)
lower(Take)(take)
