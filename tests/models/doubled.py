"""ONNX graphs in double precision, where the runtime has the kernels: is a difference rounding?"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Arrays = dict[str, np.ndarray]


def run_doubled(module: ModuleType, build: str, weights: Arrays, inputs: list[np.ndarray]) -> Any:
    """The outputs of a program's graph that calculates in double precision."""
    model: ModelProto = getattr(module, build)()
    _widen(model.graph)
    names = [tensor.name for tensor in model.graph.initializer]
    del model.graph.initializer[:]
    tensors = [numpy_helper.from_array(weights[name], name) for name in names]
    model.graph.initializer.extend(tensors)
    given = dict(zip([end.name for end in model.graph.input], inputs, strict=True))
    try:
        return onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return ReferenceEvaluator(model).run(None, given)


def _widen(graph: GraphProto) -> None:
    del graph.value_info[:]
    for end in (*graph.input, *graph.output):
        kind = end.type.tensor_type
        if kind.elem_type == TensorProto.FLOAT:
            kind.elem_type = TensorProto.DOUBLE
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.data_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            _widen_attribute(node.op_type, attribute)


def _widen_attribute(op: str, attribute: AttributeProto) -> None:
    if attribute.type == AttributeProto.GRAPH:
        _widen(attribute.g)
    elif op == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
        attribute.i = TensorProto.DOUBLE
    elif op == "Constant" and attribute.name in ("value_float", "value_floats"):
        numbers = attribute.f if attribute.name == "value_float" else list(attribute.floats)
        value = numpy_helper.from_array(np.asarray(numbers, dtype="float64"))
        attribute.CopyFrom(helper.make_attribute("value", value))
    elif attribute.type == AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
        value = numpy_helper.to_array(attribute.t).astype("float64")
        attribute.t.CopyFrom(numpy_helper.from_array(value, attribute.t.name))
