"""What programs in Keras bring of their own: norm."""

from __future__ import annotations

import math

import keras
from keras import layers, ops


def standardize_series(
    x: keras.KerasTensor, axis: int, epsilon: float
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Give each series mean 0 and deviation 1; return it, and both of before."""
    mean, variance = ops.moments(x, axes=axis, keepdims=True)
    deviation = ops.sqrt(variance + epsilon)
    return (x - mean) / deviation, ops.concatenate((mean, deviation), axis=axis)


@keras.saving.register_keras_serializable()
class BatchNorm(layers.BatchNormalization):
    """Batch normalisation that keeps the unbiased variance, as PyTorch does.

    `layers.BatchNormalization` keeps (n - 1) / n of it, which it normalises with.
    """

    def call(self, inputs, training=None):
        kept = self.momentum * self.moving_variance
        outputs = super().call(inputs, training=training)
        if training and self.trainable:
            n = math.prod(ops.shape(inputs)[:-1])  # values in each channel
            added = self.moving_variance - kept
            others = ops.cast(n - 1, added.dtype)
            self.moving_variance.assign_add(ops.divide_no_nan(added, others))
        return outputs


@keras.saving.register_keras_serializable()
class PaddedBatchNorm(layers.BatchNormalization):
    """Batch normalisation of the steps that are data; padding becomes zeros.

    It keeps the unbiased variance, as PyTorch does, and counts the steps exactly, while
    a mask makes `layers.BatchNormalization` add a little to their number.
    """

    def call(self, inputs, mask, training=None):
        mask = ops.expand_dims(ops.broadcast_to(mask, ops.shape(inputs)[:-1]), -1)
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training and self.trainable:
            over = tuple(range(len(inputs.shape) - 1))
            n = ops.sum(ops.cast(mask, inputs.dtype))  # values in each channel
            mean = ops.sum(ops.where(mask, inputs, 0.0), axis=over) / n
            distance = ops.where(mask, inputs - mean, 0.0)
            variance = ops.sum(ops.square(distance), axis=over) / n
            self.keep(self.moving_mean, mean)
            self.keep(self.moving_variance, ops.divide_no_nan(variance * n, n - 1))
        outputs = ops.batch_normalization(
            inputs, mean, variance, -1, self.beta, self.gamma, self.epsilon
        )
        return ops.where(mask, outputs, 0.0)

    def keep(self, moving, batch):
        moving.assign(self.momentum * moving + (1 - self.momentum) * batch)

    def compute_mask(self, inputs, previous_mask):
        return None  # masks are given to each layer that needs one


def kernel_lengths(kernel: keras.KerasTensor) -> keras.KerasTensor:
    """The length of what makes each output, the last axis of a kernel."""
    axes = tuple(range(len(kernel.shape) - 1))
    return ops.sqrt(ops.sum(ops.square(kernel), axis=axes))
