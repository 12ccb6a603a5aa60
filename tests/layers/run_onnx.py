"""Runs the graph of a generated ONNX model.py on arrays."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper


class Model:
    """The graph of a program, checked in full, with weights by canonical name."""

    def __init__(self, module: ModuleType, name: str, weights: dict[str, np.ndarray], dtype: Any):
        self.graph = getattr(module, f"build_{name.lower()}")()
        self.shapes = {t.name: tuple(t.dims) for t in self.graph.graph.initializer}
        bound = onnx.ModelProto()
        bound.CopyFrom(self.graph)
        del bound.graph.initializer[:]
        bound.graph.initializer.extend(
            numpy_helper.from_array(weights[key], key) for key in self.shapes
        )
        onnx.checker.check_model(bound, full_check=True)
        options = onnxruntime.SessionOptions()
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[key]) for key in self.shapes]
        if values:
            options.add_external_initializers(list(self.shapes), values)
        self.session = onnxruntime.InferenceSession(self.graph.SerializeToString(), options)

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs."""
        names = [one.name for one in self.session.get_inputs()]
        made: list[np.ndarray] = self.session.run(None, dict(zip(names, arrays, strict=True)))
        return made

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what a weights file would hold."""
        return self.shapes
