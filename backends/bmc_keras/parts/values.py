"""What programs in Keras bring of their own: values."""

from __future__ import annotations

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class Parameter(layers.Layer):
    """A learned tensor, given to every sample of a batch."""

    def __init__(self, value_shape: tuple[int, ...], initializer, **settings):
        super().__init__(**settings)
        self.value_shape = value_shape
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        self.value = self.add_weight(
            shape=self.value_shape, initializer=self.initializer, name="value"
        )

    def call(self, x):
        return ops.broadcast_to(self.value, (ops.shape(x)[0], *self.value_shape))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.value_shape)

    def get_config(self):
        return super().get_config() | {
            "value_shape": self.value_shape,
            "initializer": keras.initializers.serialize(self.initializer),
        }
