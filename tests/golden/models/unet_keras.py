# Written by bmc from a .bm file; the file is yours to edit.
"""U-Net (Ronneberger et al. 2015) with padded convolutions and batch norm: 31,037,698
parameters.

Source: unet.bm. 31,037,698 parameters.
Input:  image, float (B, 3, 256, 256).
Output: logits, float (B, 2, 256, 256).
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

WIDTH = 64
CLASSES = 2


@keras.saving.register_keras_serializable("UNet")
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


def conv_without_bias(filters: int, name: str) -> layers.Layer:
    return layers.Conv2D(
        filters,
        kernel_size=3,
        padding="same",
        use_bias=False,
        kernel_initializer="glorot_uniform",
        name=name,
    )


def norm(name: str) -> layers.Layer:
    return BatchNorm(momentum=0.9, epsilon=1e-5, name=name)


def conv_transpose(filters: int, name: str) -> layers.Layer:
    return layers.Conv2DTranspose(
        filters,
        kernel_size=2,
        strides=2,
        output_padding=0,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name=name,
    )


def double_conv(x: keras.KerasTensor, out: int, name: str) -> keras.KerasTensor:
    """(B, height, width, in_channels) -> (B, height, width, out)."""
    y = conv_without_bias(out, name=f"{name}.conv1")(x)  # (B, height, width, out)
    y = norm(name=f"{name}.norm1")(y)
    y = ops.relu(y)
    y = conv_without_bias(out, name=f"{name}.conv2")(y)
    y = norm(name=f"{name}.norm2")(y)
    y = ops.relu(y)
    return y


def build_unet() -> keras.Model:
    image = keras.Input(shape=(3, 256, 256), name="image")

    x = layers.Permute((2, 3, 1))(image)  # (B, 256, 256, 3): channels last
    skips: list[keras.KerasTensor] = []
    for i in range(4):
        skip = double_conv(x, out=WIDTH * 2**i, name=f"double_convs1.{i}")
        skips.append(skip)
        x = layers.MaxPooling2D(pool_size=2)(skip)

    x = double_conv(x, out=16 * WIDTH, name="double_conv")  # (B, 16, 16, 1024)
    for i in range(4):
        up = conv_transpose(8 * WIDTH // 2**i, name=f"conv_transposes.{i}")(x)
        x = ops.concatenate([skips[3 - i], up], axis=-1)
        x = double_conv(x, out=8 * WIDTH // 2**i, name=f"double_convs2.{i}")
    logits = layers.Conv2D(
        CLASSES,
        kernel_size=1,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name="conv",
    )(x)  # (B, 256, 256, 2)
    logits = layers.Permute((3, 1, 2))(logits)  # (B, 2, 256, 256): channels first

    return keras.Model(inputs=image, outputs=logits, name="unet")


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
            if layer.use_bias:
                weights[f"{name}.bias"] = Place(layer.bias, (0,))
        elif isinstance(layer, layers.Conv2DTranspose):
            weights[f"{name}.weight"] = Place(layer.kernel, (3, 2, 0, 1))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
    return weights
