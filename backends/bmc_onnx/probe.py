"""Runs the graph of a generated ONNX model.py on arrays."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from bmc.verify.probe import serve

LARGEST = 2**30  # bytes of weights in a message that is checked


class Model:
    """The graph of a program, checked in full, with weights by canonical name."""

    def __init__(self, module: ModuleType, name: str, weights: dict[str, np.ndarray], dtype: Any):
        self.graph = getattr(module, f"build_{name.lower()}")()
        self.shapes = {t.name: tuple(t.dims) for t in self.graph.graph.initializer}
        if sum(weights[key].nbytes for key in self.shapes) < LARGEST:
            self._check(weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))  # 0: all
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[key]) for key in self.shapes]
        if values:
            options.add_external_initializers(list(self.shapes), values)
        self.options = options
        self.session = onnxruntime.InferenceSession(self.graph.SerializeToString(), options)

    def _check(self, weights: dict[str, np.ndarray]) -> None:
        """Checks the graph in full, its weights in it."""
        bound = onnx.ModelProto()
        bound.CopyFrom(self.graph)
        del bound.graph.initializer[:]
        bound.graph.initializer.extend(
            numpy_helper.from_array(weights[key], key) for key in self.shapes
        )
        onnx.checker.check_model(bound, full_check=True)

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs."""
        names = [one.name for one in self.session.get_inputs()]
        made: list[np.ndarray] = self.session.run(None, dict(zip(names, arrays, strict=True)))
        return made

    def layers(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        """What every node puts out, by its name, in order."""
        tapped = onnx.ModelProto()
        tapped.CopyFrom(self.graph)
        given = {one.name for one in self.graph.graph.output}
        names = [n for node in tapped.graph.node for n in node.output if n and n not in given]
        tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        session = onnxruntime.InferenceSession(tapped.SerializeToString(), self.options)
        inputs = [one.name for one in session.get_inputs()]
        made = session.run(names, dict(zip(inputs, arrays, strict=True)))
        return dict(zip(names, made, strict=True))

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what a weights file would hold."""
        return self.shapes


if __name__ == "__main__":
    serve(Model)
