"""What programs in Keras bring of their own: values."""

from __future__ import annotations

import keras
from keras import layers, ops


class Parameter(layers.Layer):
    """A learned tensor, given to every sample of a batch."""

    def __init__(self, value_shape: tuple[int, ...], initializer, name: str):
        super().__init__(name=name)
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


class Scan(layers.Layer):
    """Run a model at every step of sequences, its states carried from step to step.

    The model takes one element of the inputs with the numbers `sequences`, the others
    whole, and its states, which begin as `starts`; it gives its outputs and the next
    states.
    """

    def __init__(
        self,
        step: keras.Model,
        sequences: tuple[int, ...],
        starts: tuple[float, ...],
        name: str,
    ):
        super().__init__(name=name)
        self.step = step
        self.sequences = sequences
        self.starts = starts

    def call(self, inputs, training=None):
        results = self.step.outputs  # the outputs, and after them the states
        count = len(results) - len(self.starts)
        batch = ops.shape(inputs[0])[0]
        first = [
            ops.full((batch, *result.shape[1:]), value, dtype=result.dtype)
            for result, value in zip(results, (0.0,) * count + self.starts, strict=True)
        ]

        def advance(carried, elements):
            given = list(inputs)
            for place, element in zip(self.sequences, elements, strict=True):
                given[place] = element
            made = self.step([*given, *carried[count:]], training=training)
            return made, made

        along = [ops.swapaxes(inputs[place], 0, 1) for place in self.sequences]
        _, made = ops.scan(advance, first, along)
        return [ops.swapaxes(output, 0, 1) for output in made[:count]]

    def compute_output_spec(self, inputs, training=None):
        lead = (inputs[0].shape[0], inputs[self.sequences[0]].shape[1])
        results = self.step.outputs
        return [
            keras.KerasTensor((*lead, *result.shape[1:]), dtype=result.dtype)
            for result in results[: len(results) - len(self.starts)]
        ]
