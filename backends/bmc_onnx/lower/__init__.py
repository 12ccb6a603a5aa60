"""The ONNX lowerings; importing this package fills the table."""

from bmc_onnx.lower import activation, arithmetic, conv, dropout, linear, norm, pool, shape
from bmc_onnx.lower.table import LOWERINGS

__all__ = [
    "LOWERINGS",
    "activation",
    "arithmetic",
    "conv",
    "dropout",
    "linear",
    "norm",
    "pool",
    "shape",
]
