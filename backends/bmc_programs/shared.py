"""Program text that every backend's model.py may have: plain Python, of no framework."""

from __future__ import annotations

from pathlib import Path

from bmc.emit.parts import Stock

SHARED = Stock(Path(__file__).parent / "model_parts", "bmc_programs.model_parts")
