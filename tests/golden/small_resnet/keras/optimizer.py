# Written by bmc from a .bm file; the file is yours to edit.
"""Optimisers with the papers' and PyTorch's update rules, as Keras optimisers."""

import keras
import tensorflow as tf
from keras import ops


class SGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent with momentum, as PyTorch defines it.

    The buffer keeps gradients, not steps: a change of the rate acts at once. Decay is
    added to the gradient, so that momentum sees it.
    """

    def __init__(
        self,
        learning_rate: float,
        momentum: float,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)  # its own decay is decoupled
        self.momentum = momentum
        self.nesterov = nesterov
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            (self.buffers,) = self.add_optimizer_variables(variables, ["momentum"])

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        momentum = ops.convert_to_tensor(self.momentum, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        if self.decay and self._use_weight_decay(variable):
            gradient += ops.convert_to_tensor(self.decay, dtype) * variable
        buffer = self.buffers[self._get_variable_index(variable)]

        self.assign(buffer, momentum * buffer + gradient)
        step = gradient + momentum * buffer if self.nesterov else buffer
        self.assign_sub(variable, rate * step)
