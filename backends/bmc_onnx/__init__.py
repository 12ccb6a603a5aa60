"""ONNX programs from the IR, run by onnxruntime."""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.ir.model import Program


class OnnxBackend:
    """Writes a folder of programs that build an ONNX graph, evaluate it and predict with it."""

    name = "onnx"
    title = "ONNX"

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """model.py, and with data and training sections the programs around it."""
        from bmc_onnx.model import ModelFile

        return {"model.py": ModelFile(program, problems).emit()}


BACKEND = OnnxBackend()
