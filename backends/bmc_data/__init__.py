"""Writes `data.py`, the program part that reads, prepares and batches data with numpy."""

from bmc_data.program import emit

__all__ = ["emit"]
