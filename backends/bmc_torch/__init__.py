"""PyTorch programs from the IR."""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Program


class TorchBackend:
    """Writes a folder of PyTorch programs."""

    name = "torch"
    title = "PyTorch"
    package = "bmc_torch"
    single = False

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """model.py, and with data and training sections the programs around it."""
        from bmc_torch.model import ModelFile

        model = ModelFile(program, problems)
        files = {"model.py": model.emit()}
        if program.data is None or program.train is None or not self.check(program, problems):
            return files
        import bmc_programs
        from bmc_programs.run import Run
        from bmc_torch import programs

        run = Run(program, program.train, program.data)
        files["data.py"] = bmc_programs.emit_for(run)
        return files | programs.emit(run, model.has_counters())

    def check(self, program: Program, problems: Problems) -> bool:
        """Whether losses, metrics, data and settings all have rules."""
        from bmc_programs.run import Run, refuse
        from bmc_torch.lower.table import LOWERINGS

        run = Run(program, program.train, program.data)
        return refuse(run, self.name, problems, LOWERINGS)


BACKEND = TorchBackend()
