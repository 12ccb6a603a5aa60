"""Optimisers with the papers' and PyTorch's update rules, as Keras optimisers."""

from collections.abc import Sequence

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


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), as in PyTorch."""

    def decayed(self, gradient, variable, rate):
        """Shrink the weight; the gradient stays as it is."""
        if self.decay and self._use_weight_decay(variable):
            decay = ops.convert_to_tensor(self.decay, variable.dtype)
            self.assign_sub(variable, rate * decay * variable)
        return gradient


class DampenedSGD(SGD):
    """Gradient descent whose momentum takes in a part of each gradient."""

    def __init__(
        self,
        learning_rate: float,
        momentum: float,
        dampening: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, momentum, weight_decay=weight_decay)
        self.dampening = dampening

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        momentum = ops.convert_to_tensor(self.momentum, dtype)
        share = 1 - ops.convert_to_tensor(self.dampening, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        if self.decay and self._use_weight_decay(variable):
            gradient += ops.convert_to_tensor(self.decay, dtype) * variable
        buffer = self.buffers[self._get_variable_index(variable)]

        share = ops.where(self.iterations == 0, 1, share)  # the first counts in full
        self.assign(buffer, momentum * buffer + share * gradient)
        self.assign_sub(variable, rate * buffer)


class SGDW(SGD):
    """Gradient descent with decoupled weight decay (Loshchilov & Hutter 2019)."""

    def __init__(
        self,
        learning_rate: float,
        momentum: float,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, momentum, nesterov)
        self.shrinking = weight_decay

    def update_step(self, gradient, variable, learning_rate):
        if self.shrinking and self._use_weight_decay(variable):
            rate = ops.cast(learning_rate, variable.dtype)
            decay = ops.convert_to_tensor(self.shrinking, variable.dtype)
            self.assign_sub(variable, rate * decay * variable)
        super().update_step(gradient, variable, learning_rate)


class AMSGrad(Adam):
    """Adam whose second moment never falls (Reddi et al. 2018), as in PyTorch."""

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            (self.largest,) = self.add_optimizer_variables(variables, ["largest"])

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
        m, v, largest = self.m[index], self.v[index], self.largest[index]

        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(v, v + (1 - beta_2) * (gradient * gradient - v))
        self.assign(largest, ops.maximum(largest, v))
        corrected = rate * root / (1 - ops.power(beta_1, step))
        self.assign_sub(variable, corrected * m / (ops.sqrt(largest) + epsilon * root))


class AMSGradW(AMSGrad, AdamW):
    """AMSGrad with decoupled weight decay, as in PyTorch."""


class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat 2016), as in PyTorch."""

    def __init__(
        self,
        learning_rate: float,
        betas: tuple[float, float],
        epsilon: float,
        momentum_decay: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, betas, epsilon, weight_decay)
        self.momentum_decay = momentum_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            self.products = [
                self.add_variable(
                    (), initializer="ones", dtype=variable.dtype, name="product"
                )
                for variable in variables
            ]

    def momentum(self, step):
        """Return the momentum of a step."""
        share = ops.convert_to_tensor(0.96, step.dtype)
        speed = ops.convert_to_tensor(self.momentum_decay, step.dtype)
        beta_1 = ops.convert_to_tensor(self.betas[0], step.dtype)
        return beta_1 * (1 - ops.power(share, step * speed) / 2)

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        beta_1 = ops.convert_to_tensor(self.betas[0], dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        gradient = self.decayed(gradient, variable, rate)
        index = self._get_variable_index(variable)
        m, v, product = self.m[index], self.v[index], self.products[index]
        now, after = self.momentum(step), self.momentum(step + 1)

        self.assign(product, product * now)
        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(v, v + (1 - beta_2) * (gradient * gradient - v))
        ahead = after * m / (1 - product * after) + (1 - now) * gradient / (1 - product)
        root = ops.sqrt(v / (1 - ops.power(beta_2, step)))
        self.assign_sub(variable, rate * ahead / (root + epsilon))


class RAdam(Adam):
    """Adam that waits until variances are known (Liu et al. 2020), as in PyTorch."""

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        beta_1 = ops.convert_to_tensor(self.betas[0], dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        gradient = self.decayed(gradient, variable, rate)
        index = self._get_variable_index(variable)
        m, v = self.m[index], self.v[index]

        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(v, v + (1 - beta_2) * (gradient * gradient - v))
        power = ops.power(beta_2, step)
        longest = 2 / (1 - beta_2) - 1
        length = longest - 2 * step * power / (1 - power)  # of the average of squares
        share = (length - 4) * (length - 2) * longest
        share /= (longest - 4) * (longest - 2) * length
        adaptive = ops.sqrt(ops.maximum(share, 0) * (1 - power)) / (
            ops.sqrt(v) + epsilon
        )
        factor = ops.where(length > 5, adaptive, ops.ones_like(adaptive))
        self.assign_sub(variable, rate * m / (1 - ops.power(beta_1, step)) * factor)


class Adamax(Adam):
    """Adam with the largest gradient for the root (Kingma & Ba 2015), as in PyTorch."""

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        beta_1 = ops.convert_to_tensor(self.betas[0], dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        gradient = self.decayed(gradient, variable, rate)
        index = self._get_variable_index(variable)
        m, u = self.m[index], self.v[index]

        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(u, ops.maximum(beta_2 * u, ops.abs(gradient) + epsilon))
        self.assign_sub(variable, rate / (1 - ops.power(beta_1, step)) * m / u)


class LAMB(Adam):
    """Adam's step at the length of the weight (You et al. 2020).

    `pairs` are variables that hold two tensors of weights.safetensors, one in each row.
    """

    def __init__(
        self,
        learning_rate: float,
        betas: tuple[float, float],
        epsilon: float,
        pairs: Sequence[keras.Variable] = (),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, betas, epsilon, weight_decay)
        self.pairs = {id(variable) for variable in pairs}

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        self.axes = [
            -1 if id(variable) in self.pairs else None for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        beta_1 = ops.convert_to_tensor(self.betas[0], dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        index = self._get_variable_index(variable)
        m, v = self.m[index], self.v[index]

        self.assign(m, m + (1 - beta_1) * (gradient - m))
        self.assign(v, v + (1 - beta_2) * (gradient * gradient - v))
        root = ops.sqrt(v / (1 - ops.power(beta_2, step))) + epsilon
        update = m / (1 - ops.power(beta_1, step)) / root
        if self.decay and self._use_weight_decay(variable):
            update += ops.convert_to_tensor(self.decay, dtype) * variable
        axis = self.axes[index]
        length = ops.sqrt(ops.sum(ops.square(variable), axis, keepdims=True))
        norm = ops.sqrt(ops.sum(ops.square(update), axis, keepdims=True))
        known = ops.logical_and(length > 0, norm > 0)
        ratio = ops.where(known, length / ops.where(known, norm, 1), 1)
        self.assign_sub(variable, rate * ratio * update)


class Lion(keras.optimizers.Optimizer):
    """Steps of one size, by the sign of a momentum (Chen et al. 2023)."""

    def __init__(
        self,
        learning_rate: float,
        betas: tuple[float, float],
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)
        self.betas = betas
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            (self.m,) = self.add_optimizer_variables(variables, ["m"])

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        beta_1 = ops.convert_to_tensor(self.betas[0], dtype)
        beta_2 = ops.convert_to_tensor(self.betas[1], dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        m = self.m[self._get_variable_index(variable)]

        if self.decay and self._use_weight_decay(variable):
            decay = ops.convert_to_tensor(self.decay, dtype)
            self.assign_sub(variable, rate * decay * variable)
        self.assign_sub(variable, rate * ops.sign(m + (1 - beta_1) * (gradient - m)))
        self.assign(m, m + (1 - beta_2) * (gradient - m))


class RMSprop(keras.optimizers.Optimizer):
    """RMSprop with epsilon outside the root (Tieleman & Hinton 2012), as in PyTorch."""

    def __init__(
        self,
        learning_rate: float,
        decay: float,
        momentum: float,
        epsilon: float,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)  # its own decay is decoupled
        self.average = decay
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            self.squares = self.add_optimizer_variables(variables, "squares")
            if self.momentum:
                self.buffers = self.add_optimizer_variables(variables, "buffer")
            if self.centered:
                self.means = self.add_optimizer_variables(variables, "mean")

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        share = 1 - ops.convert_to_tensor(self.average, dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        if self.decay and self._use_weight_decay(variable):
            gradient += ops.convert_to_tensor(self.decay, dtype) * variable
        index = self._get_variable_index(variable)
        squares = self.squares[index]

        self.assign(squares, squares + share * (gradient * gradient - squares))
        variance = squares
        if self.centered:
            mean = self.means[index]
            self.assign(mean, mean + share * (gradient - mean))
            variance = squares - mean * mean
        step = gradient / (ops.sqrt(variance) + epsilon)
        if self.momentum:
            momentum = ops.convert_to_tensor(self.momentum, dtype)
            buffer = self.buffers[index]
            self.assign(buffer, momentum * buffer + step)
            step = buffer
        self.assign_sub(variable, rate * step)


class Adagrad(keras.optimizers.Optimizer):
    """Adagrad with epsilon outside the root (Duchi et al. 2011), as in PyTorch."""

    def __init__(
        self,
        learning_rate: float,
        initial: float,
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)  # its own decay is decoupled
        self.initial = initial
        self.epsilon = epsilon
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            start = keras.initializers.Constant(self.initial)
            self.sums = self.add_optimizer_variables(
                variables, "sum", initializer=start
            )

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        if self.decay and self._use_weight_decay(variable):
            gradient += ops.convert_to_tensor(self.decay, dtype) * variable
        total = self.sums[self._get_variable_index(variable)]

        self.assign(total, total + gradient * gradient)
        self.assign_sub(variable, rate * gradient / (ops.sqrt(total) + epsilon))


class Adadelta(keras.optimizers.Optimizer):
    """Adadelta (Zeiler 2012), as in PyTorch."""

    def __init__(
        self,
        learning_rate: float,
        decay: float,
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate=learning_rate)  # its own decay is decoupled
        self.average = decay
        self.epsilon = epsilon
        self.decay = weight_decay

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            names = ["squares", "steps"]
            self.squares, self.steps = self.add_optimizer_variables(variables, names)

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        share = 1 - ops.convert_to_tensor(self.average, dtype)
        epsilon = ops.convert_to_tensor(self.epsilon, dtype)
        rate = ops.cast(learning_rate, dtype)
        gradient = tf.convert_to_tensor(gradient)  # dense, also for embeddings
        if self.decay and self._use_weight_decay(variable):
            gradient += ops.convert_to_tensor(self.decay, dtype) * variable
        index = self._get_variable_index(variable)
        squares, steps = self.squares[index], self.steps[index]

        self.assign(squares, squares + share * (gradient * gradient - squares))
        step = ops.sqrt(steps + epsilon) / ops.sqrt(squares + epsilon) * gradient
        self.assign(steps, steps + share * (step * step - steps))
        self.assign_sub(variable, rate * step)


class Parts(keras.optimizers.Optimizer):
    """Optimisers for parts of a model, which learn as one.

    Each has its variables, and the rate of this one times its share.
    """

    def __init__(
        self,
        learning_rate: float,
        optimizers: list[keras.optimizers.Optimizer],
        shares: list[float],
        variables: list[list[keras.Variable]],
    ) -> None:
        super().__init__(learning_rate=learning_rate)
        self.parts = list(zip(optimizers, shares, variables, strict=True))

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            for optimizer, _, learned in self.parts:
                optimizer.build(learned)

    def apply(self, grads, trainable_variables=None) -> None:
        gradients = {id(v): g for v, g in zip(trainable_variables, grads, strict=True)}
        for optimizer, share, learned in self.parts:
            optimizer.learning_rate = self.learning_rate * share
            optimizer.apply([gradients[id(v)] for v in learned], learned)
        self.iterations.assign_add(1)
