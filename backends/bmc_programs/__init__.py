"""Writes what the programs of all backends share: `data.py`, `evaluate.py`, `predict.py`."""

from bmc_programs.data_file import emit, emit_for

__all__ = ["emit", "emit_for"]
