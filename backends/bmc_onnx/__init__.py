"""ONNX programs from the IR, run by onnxruntime."""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Program


class OnnxBackend:
    """Writes a folder of programs that build an ONNX graph, evaluate it and predict with it."""

    name = "onnx"
    title = "ONNX"
    package = "bmc_onnx"
    single = True

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """model.py, and with data and training sections the programs around it."""
        from bmc_onnx.model import ModelFile

        files = {"model.py": ModelFile(program, problems).emit()}
        if program.data is None or program.train is None or not self.check(program, problems):
            return files
        import bmc_programs
        from bmc.emit.function_file import function_name
        from bmc_onnx import programs
        from bmc_programs.run import Run

        run = Run(program, program.train, program.data)
        files["data.py"] = bmc_programs.emit_for(run)
        return files | programs.emit(run, function_name(program.main))

    def check(self, program: Program, problems: Problems) -> bool:
        """Whether losses, metrics and data all have rules; ONNX graphs train nothing."""
        from bmc_onnx.lower.table import LOWERINGS
        from bmc_programs.run import Run, refuse

        run = Run(program, program.train, program.data)
        return refuse(run, self.name, problems, LOWERINGS, trains=False)


BACKEND = OnnxBackend()
