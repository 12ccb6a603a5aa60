"""Muon, as a Keras optimiser."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops


def orthogonal(matrix):
    """Return nearly the nearest orthogonal matrix: five Newton-Schulz steps."""
    rows, columns = matrix.shape
    if rows > columns:
        return ops.transpose(orthogonal(ops.transpose(matrix)))
    x = matrix / ops.maximum(ops.norm(matrix), 1e-7)
    for _ in range(5):
        gram = x @ ops.transpose(x)
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x


class Muon(keras.optimizers.Optimizer):
    """Orthogonal steps for matrices (Jordan et al. 2024), AdamW's for the rest.

    Steps are as long as AdamW's (Liu et al. 2025): one rate does for both. `matrices`
    are the places of what is a matrix in weights.safetensors, whatever Keras makes of
    it.
    """

    def __init__(
        self,
        learning_rate: float,
        momentum: float,
        nesterov: bool,
        betas: tuple[float, float],
        epsilon: float,
        matrices: Sequence[Any],
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)
        self.momentum = momentum
        self.nesterov = nesterov
        self.betas = betas
        self.epsilon = epsilon
        self.matrices = matrices
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            known = {id(place.variable): place for place in self.matrices}
            self.places = [known.get(id(variable)) for variable in variables]
            (self.m,) = self.add_optimizer_variables(variables, ["m"])
            self.v = [
                None if place else self.add_variable_from_reference(variable, "v")
                for variable, place in zip(variables, self.places, strict=True)
            ]

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        if self.decay and self._use_weight_decay(variable):
            decay = ops.convert_to_tensor(self.decay, dtype)
            self.assign(variable, variable * (1 - rate * decay))
        index = self._get_variable_index(variable)
        if place := self.places[index]:
            step = self.matrix_step(gradient, self.m[index], place)
        else:
            step = self.adam_step(gradient, self.m[index], self.v[index])
        self.assign_sub(variable, rate * step)

    def matrix_step(self, gradient, m, place):
        momentum = ops.convert_to_tensor(self.momentum, m.dtype)
        self.assign(m, m + (1 - momentum) * (gradient - m))
        step = gradient + momentum * (m - gradient) if self.nesterov else m
        turned = ops.transpose(ops.convert_to_tensor(step), place.axes)
        two = len(turned.shape) == 2
        matrix = turned if two else ops.reshape(turned, place.shape)
        found = 0.2 * max(matrix.shape) ** 0.5 * orthogonal(matrix)
        back = [int(axis) for axis in np.argsort(place.axes)]
        return ops.transpose(ops.reshape(found, turned.shape), back)

    def adam_step(self, gradient, m, v):
        beta_1 = ops.convert_to_tensor(self.betas[0], m.dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], m.dtype)
        step = ops.cast(self.iterations + 1, m.dtype)
        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(v, v + (1 - beta_2) * (gradient * gradient - v))
        epsilon = ops.convert_to_tensor(self.epsilon, m.dtype)
        root = ops.sqrt(v / (1 - ops.power(beta_2, step))) + epsilon
        return m / (1 - ops.power(beta_1, step)) / root
