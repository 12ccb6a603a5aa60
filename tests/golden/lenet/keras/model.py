# Written by bmc from a .bm file; the file is yours to edit.
"""LeNet-5 (LeCun et al. 1998) on handwritten digits, with ReLU and max pooling.

Source: lenet.bm. 61,706 parameters.
Input:  image, float (B, 1, 28, 28).
Output: logits, float (B, 10).
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops


def conv(filters: int, padding: str, name: str) -> layers.Layer:
    return layers.Conv2D(
        filters,
        kernel_size=5,
        padding=padding,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name=name,
    )


def dense(units: int, name: str) -> layers.Layer:
    return layers.Dense(
        units, kernel_initializer="glorot_uniform", bias_initializer="zeros", name=name
    )


def build_lenet() -> keras.Model:
    image = keras.Input(shape=(1, 28, 28), name="image")

    x = layers.Permute((2, 3, 1))(image)  # (B, 28, 28, 1): channels last
    x = conv(6, padding="same", name="conv1")(x)  # (B, 28, 28, 6)
    x = ops.relu(x)
    x = layers.MaxPooling2D(pool_size=2)(x)  # (B, 14, 14, 6)
    x = conv(16, padding="valid", name="conv2")(x)  # (B, 10, 10, 16)
    x = ops.relu(x)
    features = layers.MaxPooling2D(pool_size=2)(x)  # (B, 5, 5, 16)

    x = layers.Permute((3, 1, 2))(features)  # (B, 16, 5, 5): channels first
    x = layers.Flatten()(x)  # (B, 400)
    x = dense(120, name="dense1")(x)  # (B, 120)
    x = ops.relu(x)
    x = dense(84, name="dense2")(x)  # (B, 84)
    x = ops.relu(x)
    logits = dense(10, name="dense3")(x)  # (B, 10)

    return keras.Model(inputs=image, outputs=logits, name="lenet")


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
        if isinstance(layer, layers.Conv2D):
            # HWIO -> OIHW
            weights[f"{name}.weight"] = Place(layer.kernel, (3, 2, 0, 1))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
        elif isinstance(layer, layers.Dense):
            # (in, out) -> (out, in)
            weights[f"{name}.weight"] = Place(layer.kernel, (1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
    return weights
