"""Keras programs from the IR, on TensorFlow."""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Program


class KerasBackend:
    """Writes a folder of Keras programs."""

    name = "keras"
    title = "Keras"
    package = "bmc_keras"
    single = False

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """model.py, and with data and training sections the programs around it."""
        from bmc_keras.model import ModelFile

        files = {"model.py": ModelFile(program, problems).emit()}
        if program.data is None or program.train is None or not self.check(program, problems):
            return files
        import bmc_programs
        from bmc.emit.function_file import function_name
        from bmc_keras import programs
        from bmc_programs.run import Run

        run = Run(program, program.train, program.data)
        files["data.py"] = bmc_programs.emit_for(run)
        return files | programs.emit(run, function_name(program.main))

    def check(self, program: Program, problems: Problems) -> bool:
        """Whether losses, metrics, data and settings all have rules."""
        from bmc_keras.lower.table import LOWERINGS
        from bmc_programs.run import Run, refuse

        run = Run(program, program.train, program.data)
        return refuse(run, self.name, problems, LOWERINGS)


BACKEND = KerasBackend()
