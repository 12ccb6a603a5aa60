"""PyTorch programs from the IR."""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Program


class TorchBackend:
    """Writes a folder of PyTorch programs."""

    name = "torch"
    title = "PyTorch"

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """model.py, and with data and training sections the programs around it."""
        from bmc_torch.model import ModelFile

        return {"model.py": ModelFile(program, problems).emit()}


BACKEND = TorchBackend()
