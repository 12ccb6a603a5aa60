# Written by bmc from a .bm file; the file is yours to edit.
"""A residual network (He et al. 2016) for handwritten digits of 8 x 8 pixels.

Source: small_resnet.bm. 61,498 parameters.
Input:  image, float (B, 1, 8, 8).
Output: logits, float (B, 10).
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

WIDTH = 16
DEPTH = 2


@keras.saving.register_keras_serializable("SmallResNet")
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


def conv(
    filters: int, kernel_size: int, strides: int, padding: str, name: str
) -> layers.Layer:
    return layers.Conv2D(
        filters,
        kernel_size=kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            scale=2.0, mode="fan_in", distribution="untruncated_normal"
        ),
        name=name,
    )


def norm(name: str) -> layers.Layer:
    return BatchNorm(momentum=0.9, epsilon=1e-5, name=name)


def residual(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Two convolutions, and the input added to what they give."""
    body = conv(
        filters, kernel_size=3, strides=1, padding="same", name=f"{name}.conv1"
    )(x)  # (B, height, width, filters)
    body = norm(name=f"{name}.norm1")(body)
    body = ops.relu(body)
    body = conv(
        filters, kernel_size=3, strides=1, padding="same", name=f"{name}.conv2"
    )(body)
    body = norm(name=f"{name}.norm2")(body)

    y = body + x  # (B, height, width, in_channels)
    y = ops.relu(y)
    return y


def downsample(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Half the size and other channels; the shortcut is a convolution."""
    body = conv(
        filters, kernel_size=3, strides=2, padding="valid", name=f"{name}.conv1"
    )(layers.ZeroPadding2D(1)(x))
    body = norm(name=f"{name}.norm1")(body)
    body = ops.relu(body)
    body = conv(
        filters, kernel_size=3, strides=1, padding="same", name=f"{name}.conv2"
    )(body)
    body = norm(name=f"{name}.norm2")(body)

    shortcut = conv(
        filters, kernel_size=1, strides=2, padding="valid", name=f"{name}.conv3"
    )(x)  # (B, (height - 1) // 2 + 1, (width - 1) // 2 + 1, filters)
    shortcut = norm(name=f"{name}.norm3")(shortcut)

    y = body + shortcut
    y = ops.relu(y)
    return y


def build_smallresnet() -> keras.Model:
    image = keras.Input(shape=(1, 8, 8), name="image")

    x = layers.Permute((2, 3, 1))(image)  # (B, 8, 8, 1): channels last
    x = conv(WIDTH, kernel_size=3, strides=1, padding="same", name="conv")(x)
    x = norm(name="norm")(x)
    stem = ops.relu(x)

    x = stem
    for i in range(DEPTH):
        x = residual(x, filters=WIDTH, name=f"residuals1.{i}")
    x = downsample(x, filters=2 * WIDTH, name="downsample")  # (B, 4, 4, 32)
    features = x
    for i in range(DEPTH):
        features = residual(features, filters=2 * WIDTH, name=f"residuals2.{i}")

    x = layers.GlobalAveragePooling2D()(features)  # (B, 32)
    logits = layers.Dense(
        10, kernel_initializer="glorot_uniform", bias_initializer="zeros", name="dense"
    )(x)  # (B, 10)

    return keras.Model(inputs=image, outputs=logits, name="smallresnet")


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
