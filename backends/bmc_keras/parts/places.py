"""Where weights live in layers whose gates have another order."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops


@dataclass(frozen=True)
class Place:
    """A variable, and the order of its axes: as `templates/place.py.jinja` has it."""

    variable: keras.Variable
    axes: tuple[int, ...]


@dataclass(frozen=True)
class GRUPlace(Place):
    """A variable of a GRU: gates z, r, n in Keras, and r, z, n in weights.safetensors.

    `row` is the row of a variable that holds both biases.
    """

    row: int | None = None

    def store(self) -> np.ndarray:
        """Return the variable in the layout of weights.safetensors."""
        array = ops.convert_to_numpy(self.variable)
        array = array if self.row is None else array[self.row]
        z, r, n = np.split(array, 3, axis=-1)
        gates = np.concatenate((r, z, n), axis=-1)
        return np.asarray(gates.transpose(self.axes), order="C")

    def restore(self, tensor: np.ndarray) -> None:
        """Set the variable from the layout of weights.safetensors."""
        r, z, n = np.split(tensor.transpose(np.argsort(self.axes)), 3, axis=-1)
        array = np.concatenate((z, r, n), axis=-1)
        if self.row is not None:
            both = ops.convert_to_numpy(self.variable).copy()
            both[self.row] = array
            array = both
        self.variable.assign(array)
