"""Keras programs from the IR, on TensorFlow."""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Program


class KerasBackend:
    """Writes a folder of Keras programs."""

    name = "keras"
    title = "Keras"

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """model.py, and with data and training sections the programs around it."""
        from bmc_keras.model import ModelFile

        files = {"model.py": ModelFile(program, problems).emit()}
        if program.data is None or program.train is None:
            return files
        import bmc_programs
        from bmc.emit.function_file import function_name
        from bmc_keras import training
        from bmc_keras.lower.table import LOWERINGS
        from bmc_programs.run import Run, refuse

        run = Run(program, program.train, program.data)
        if refuse(run, self.name, problems, LOWERINGS):
            files["data.py"] = bmc_programs.emit_for(run)
            files |= training.emit(run, function_name(program.main))
        return files


BACKEND = KerasBackend()
