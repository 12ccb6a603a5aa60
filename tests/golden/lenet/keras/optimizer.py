# Written by bmc from a .bm file; the file is yours to edit.
"""Optimisers with the papers' and PyTorch's update rules, as Keras optimisers."""

import keras
import tensorflow as tf
from keras import ops


class Adam(keras.optimizers.Optimizer):
    """Adam with epsilon outside the bias correction (Kingma & Ba 2015), as in PyTorch.

    `keras.optimizers.Adam` adds epsilon before it corrects the second moment, which
    gives other updates wherever gradients are small. Decay is added to the gradient.
    """

    def __init__(
        self,
        learning_rate: float,
        betas: tuple[float, float],
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)  # its own decay is decoupled
        self.betas = betas
        self.epsilon = epsilon
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def decayed(self, gradient, variable, rate):
        """Return the gradient after the decay of the weight."""
        if self.decay and self._use_weight_decay(variable):
            gradient += ops.convert_to_tensor(self.decay, variable.dtype) * variable
        return gradient

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        beta_1 = ops.convert_to_tensor(self.betas[0], dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        root = ops.sqrt(1 - ops.power(beta_2, step))
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        gradient = self.decayed(gradient, variable, rate)
        index = self._get_variable_index(variable)
        m, v = self.m[index], self.v[index]

        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(v, v + (1 - beta_2) * (gradient * gradient - v))
        corrected = rate * root / (1 - ops.power(beta_1, step))
        self.assign_sub(variable, corrected * m / (ops.sqrt(v) + epsilon * root))
