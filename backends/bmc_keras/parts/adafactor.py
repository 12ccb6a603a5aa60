"""Adafactor, as a Keras optimiser."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops


class Adafactor(keras.optimizers.Optimizer):
    """Second moments as rows and columns (Shazeer & Stern 2018), as in PyTorch.

    `keras.optimizers.Adafactor` decays and clips otherwise. `places` say what a tensor
    is in weights.safetensors, whose last two axes are the columns and rows, whatever
    Keras makes of it. `pairs` hold two tensors of it, one in each row.
    """

    def __init__(
        self,
        learning_rate: float,
        decay: float,
        scale: float,
        clip: float,
        epsilon: float,
        places: Sequence[Any],
        pairs: Sequence[keras.Variable] = (),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)
        self.forgotten = decay
        self.scale = scale
        self.clip = clip
        self.epsilon = epsilon
        self.matrices = {
            id(place.variable): place for place in places if place.ndim > 1
        }
        self.pairs = {id(variable) for variable in pairs}
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.places = [self.matrices.get(id(variable)) for variable in variables]
        self.axes = [
            -1 if id(variable) in self.pairs else None for variable in variables
        ]
        made = list(map(self.slots_of, variables, self.places))
        self.rows, self.columns, self.variances = map(list, zip(*made, strict=True))

    def slots_of(self, variable, place):
        """Make what is kept of a variable: rows and columns, or all."""
        if place is None:
            return None, None, self.add_variable_from_reference(variable, "variance")
        *others, height, width = place.store().shape
        dtype = variable.dtype
        rows = self.add_variable((*others, 1, height), dtype=dtype, name="rows")
        columns = self.add_variable((*others, 1, width), dtype=dtype, name="columns")
        return rows, columns, None

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        count = ops.cast(self.iterations + 1, dtype)
        share = ops.power(count, ops.convert_to_tensor(-self.forgotten, dtype))
        index = self._get_variable_index(variable)
        axis = self.axes[index]

        size = ops.maximum(self.root(variable, axis), self.scale)
        if self.decay and self._use_weight_decay(variable):
            decay = ops.convert_to_tensor(self.decay, dtype)
            self.assign(variable, variable * (1 - rate * decay))
        if self.places[index]:
            step = self.matrix_step(gradient, index, share)
        else:
            step = self.vector_step(gradient, self.variances[index], share)
        step /= ops.maximum(self.root(step, axis) / self.clip, 1)
        self.assign_sub(variable, ops.minimum(rate, ops.rsqrt(count)) * size * step)

    def matrix_step(self, gradient, index, share):
        place, rows, columns = self.places[index], self.rows[index], self.columns[index]
        turned = ops.transpose(gradient, place.axes)
        matrix = ops.reshape(
            turned, (*rows.shape[:-2], rows.shape[-1], columns.shape[-1])
        )
        squares = matrix * matrix
        heights = ops.expand_dims(ops.mean(squares, axis=-1), -2)
        widths = ops.mean(squares, axis=-2, keepdims=True)
        self.assign(rows, rows + share * (heights - rows))
        self.assign(columns, columns + share * (widths - columns))
        size = ops.maximum(ops.mean(rows, axis=-1, keepdims=True), self.epsilon)
        estimate = ops.swapaxes(rows / size, -1, -2) * columns
        step = matrix * ops.rsqrt(ops.maximum(estimate, self.epsilon**2))
        back = [int(axis) for axis in np.argsort(place.axes)]
        return ops.transpose(ops.reshape(step, turned.shape), back)

    def vector_step(self, gradient, variance, share):
        self.assign(variance, variance + share * (gradient * gradient - variance))
        return gradient * ops.rsqrt(ops.maximum(variance, self.epsilon**2))

    def root(self, tensor, axis):
        """Return the root of the mean square: of a tensor, or of each row."""
        squares = ops.square(tensor)
        return ops.sqrt(ops.mean(squares, axis=axis, keepdims=axis is not None))
