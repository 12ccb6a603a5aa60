# Written by bmc from a .bm file; the file is yours to edit.
"""DenseNet-121 (Huang et al. 2017): 7,978,856 parameters.

Source: densenet121.bm. 7,978,856 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

GROWTH = 32
CLASSES = 1000


@keras.saving.register_keras_serializable("DenseNet121")
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


def norm(name: str) -> layers.Layer:
    return BatchNorm(momentum=0.9, epsilon=1e-5, name=name)


def conv(
    filters: int, kernel_size: int, strides: int, padding: str, name: str
) -> layers.Layer:
    return layers.Conv2D(
        filters,
        kernel_size=kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="glorot_uniform",
        name=name,
    )


def dense_layer(x: keras.KerasTensor, growth: int, name: str) -> keras.KerasTensor:
    new = norm(name=f"{name}.norm1")(x)
    new = ops.relu(new)
    new = conv(
        4 * growth, kernel_size=1, strides=1, padding="valid", name=f"{name}.conv1"
    )(new)  # (B, height, width, 4 * growth)
    new = norm(name=f"{name}.norm2")(new)
    new = ops.relu(new)
    new = conv(growth, kernel_size=3, strides=1, padding="same", name=f"{name}.conv2")(
        new
    )  # (B, height, width, growth)

    y = ops.concatenate([x, new], axis=-1)  # (B, height, width, in_channels + growth)
    return y


def transition(x: keras.KerasTensor, in_channels: int, name: str) -> keras.KerasTensor:
    y = norm(name=f"{name}.norm")(x)
    y = ops.relu(y)
    y = conv(
        in_channels // 2, kernel_size=1, strides=1, padding="valid", name=f"{name}.conv"
    )(y)  # (B, height, width, in_channels // 2)
    y = layers.AveragePooling2D(pool_size=2)(y)
    return y


def build_densenet121() -> keras.Model:
    image = keras.Input(shape=(3, 224, 224), name="image")

    x = layers.Permute((2, 3, 1))(image)  # (B, 224, 224, 3): channels last
    x = conv(2 * GROWTH, kernel_size=7, strides=2, padding="valid", name="conv")(
        layers.ZeroPadding2D(3)(x)
    )  # (B, 112, 112, 64)
    x = norm(name="norm1")(x)
    x = ops.relu(x)
    x = layers.MaxPooling2D(pool_size=3, strides=2)(
        ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=float("-inf"))
    )  # (B, 56, 56, 64)

    for j in range(3):
        for i in range(6 * 2**j):
            x = dense_layer(x, growth=GROWTH, name=f"dense_layers1.{j}.{i}")
        x = transition(x, in_channels=8 * 2**j * GROWTH, name=f"transitions.{j}")

    logits = x
    for i in range(16):
        logits = dense_layer(logits, growth=GROWTH, name=f"dense_layers2.{i}")
    logits = norm(name="norm2")(logits)
    logits = ops.relu(logits)
    logits = layers.GlobalAveragePooling2D()(logits)  # (B, 1024)
    logits = layers.Dense(
        CLASSES,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name="dense",
    )(logits)  # (B, 1000)

    return keras.Model(inputs=image, outputs=logits, name="densenet121")


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
        if isinstance(layer, BatchNorm):
            weights[f"{name}.weight"] = Place(layer.gamma, (0,))
            weights[f"{name}.bias"] = Place(layer.beta, (0,))
            weights[f"{name}.running_mean"] = Place(layer.moving_mean, (0,))
            weights[f"{name}.running_var"] = Place(layer.moving_variance, (0,))
        elif isinstance(layer, layers.Conv2D):
            # HWIO -> OIHW
            weights[f"{name}.weight"] = Place(layer.kernel, (3, 2, 0, 1))
        elif isinstance(layer, layers.Dense):
            # (in, out) -> (out, in)
            weights[f"{name}.weight"] = Place(layer.kernel, (1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
    return weights
