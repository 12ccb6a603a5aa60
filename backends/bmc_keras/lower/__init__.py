"""The Keras lowerings; importing this package fills the table."""

from bmc_keras.lower import activation, arithmetic, conv, dropout, linear, norm, pool, shape
from bmc_keras.lower.table import LAYOUTS, LOWERINGS

__all__ = [
    "LAYOUTS",
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
