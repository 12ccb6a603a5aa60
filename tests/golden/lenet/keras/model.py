# Written by bmc from a .bm file; the file is yours to edit.
"""LeNet-5 (LeCun et al. 1998) on handwritten digits, with ReLU and max pooling.

Source: lenet.bm. 61,706 parameters.
Input:  image, float (B, 1, 28, 28).
Output: logits, float (B, 10).
"""

import keras
import numpy as np
from keras import layers, ops

# A variable, and the order of its axes in weights.safetensors.
Place = tuple[keras.Variable, tuple[int, ...]]


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


def name_weights(model: keras.Model) -> dict[str, Place]:
    """Say where each weight of weights.safetensors lives in the model."""
    weights: dict[str, Place] = {}
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, layers.Conv2D):
            weights[f"{name}.weight"] = (layer.kernel, (3, 2, 0, 1))  # HWIO -> OIHW
            weights[f"{name}.bias"] = (layer.bias, (0,))
        elif isinstance(layer, layers.Dense):
            weights[f"{name}.weight"] = (layer.kernel, (1, 0))  # (in, out) -> (out, in)
            weights[f"{name}.bias"] = (layer.bias, (0,))
    return weights


def store(variable: keras.Variable, axes: tuple[int, ...]) -> np.ndarray:
    """Return a variable in the layout of weights.safetensors."""
    return np.ascontiguousarray(ops.convert_to_numpy(variable).transpose(axes))


def restore(
    variable: keras.Variable, axes: tuple[int, ...], tensor: np.ndarray
) -> None:
    """Set a variable from the layout of weights.safetensors."""
    variable.assign(tensor.transpose(np.argsort(axes)))
