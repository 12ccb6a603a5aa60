# Written by bmc from a .bm file; the file is yours to edit.
"""Sentences of films as praise or not, by windows of words (after Kim 2014).

Source: sst2.bm. 545,154 parameters.
Input:  words, int (B, T), filled up with 0 at the end.
Output: logits, float (B, 2).
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

VOCAB = 8000
WIDTH = 64
FILTERS = 64
DROPOUT = 0.5


def conv1d(filters: int, kernel_size: int, name: str) -> layers.Layer:
    return layers.Conv1D(
        filters,
        kernel_size=kernel_size,
        padding="same",
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name=name,
    )


def build_textcnn() -> keras.Model:
    words = keras.Input(shape=(None,), dtype="int64", name="words")

    words_mask = ops.not_equal(words, 0)

    x = layers.Embedding(
        VOCAB,
        WIDTH,
        embeddings_initializer=keras.initializers.RandomNormal(mean=0.0, stddev=0.02),
        name="embedding",
    )(words)  # (B, T, 64)
    x = layers.Dropout(0.2, name="dropout1")(x)

    x_2 = ops.where(ops.expand_dims(words_mask, 2), x, 0.0)
    three = conv1d(FILTERS, kernel_size=3, name="conv1")(x_2)
    three = ops.relu(three)
    three = ops.where(ops.expand_dims(words_mask, 2), three, np.finfo(np.float32).min)
    three = layers.GlobalMaxPooling1D()(three)  # (B, 64)
    three = ops.where(ops.expand_dims(ops.any(words_mask, axis=1), 1), three, 0.0)

    x = ops.where(ops.expand_dims(words_mask, 2), x, 0.0)
    x = conv1d(FILTERS, kernel_size=5, name="conv2")(x)
    x = ops.relu(x)
    x = ops.where(ops.expand_dims(words_mask, 2), x, np.finfo(np.float32).min)
    x = layers.GlobalMaxPooling1D()(x)  # (B, 64)
    four = ops.where(ops.expand_dims(ops.any(words_mask, axis=1), 1), x, 0.0)

    x = ops.concatenate([three, four], axis=-1)  # (B, 128)
    x = layers.Dropout(DROPOUT, name="dropout2")(x)
    logits = layers.Dense(
        2, kernel_initializer="glorot_uniform", bias_initializer="zeros", name="dense"
    )(x)  # (B, 2)

    return keras.Model(inputs=words, outputs=logits, name="textcnn")


@dataclass(frozen=True)
class Place:
    """A variable, and the order of its axes in weights.safetensors."""

    variable: keras.Variable
    axes: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.axes)

    def store(self) -> np.ndarray:
        """Return the variable in the layout of weights.safetensors."""
        array = ops.convert_to_numpy(self.variable)
        return np.asarray(array.transpose(self.axes), order="C")

    def restore(self, tensor: np.ndarray) -> None:
        """Set the variable from the layout of weights.safetensors."""
        self.variable.assign(tensor.transpose(np.argsort(self.axes)))


def name_weights(model: keras.Model) -> dict[str, Place]:
    """Say where each weight of weights.safetensors lives in the model."""
    weights: dict[str, Place] = {}
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, layers.Embedding):
            weights[f"{name}.weight"] = Place(layer.embeddings, (0, 1))
        elif isinstance(layer, layers.Conv1D):
            # TIO -> OIT
            weights[f"{name}.weight"] = Place(layer.kernel, (2, 1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
        elif isinstance(layer, layers.Dense):
            # (in, out) -> (out, in)
            weights[f"{name}.weight"] = Place(layer.kernel, (1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
    return weights
