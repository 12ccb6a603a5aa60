# Written by bmc from a .bm file; the file is yours to edit.
"""ResNet-50 (He et al. 2015): 25,557,032 parameters.

Source: resnet50.bm. 25,557,032 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

CLASSES = 1000


@keras.saving.register_keras_serializable("ResNet50")
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
        kernel_initializer="glorot_uniform",
        name=name,
    )


def norm(name: str) -> layers.Layer:
    return BatchNorm(momentum=0.9, epsilon=1e-5, name=name)


def conv_norm(
    x: keras.KerasTensor, out: int, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    y = conv(
        out,
        kernel_size=kernel,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        name=f"{name}.conv",
    )(x if stride == 1 else layers.ZeroPadding2D(kernel // 2)(x))
    y = norm(name=f"{name}.norm")(y)
    return y


def bottleneck(
    x: keras.KerasTensor, in_channels: int, width: int, stride: int, name: str
) -> keras.KerasTensor:
    body = conv_norm(x, out=width, kernel=1, stride=1, name=f"{name}.conv_norm1")
    body = ops.relu(body)
    body = conv_norm(
        body, out=width, kernel=3, stride=stride, name=f"{name}.conv_norm2"
    )
    body = ops.relu(body)
    body = conv_norm(body, out=4 * width, kernel=1, stride=1, name=f"{name}.conv_norm3")

    if in_channels == 4 * width and stride == 1:
        shortcut = x
    else:
        shortcut = conv_norm(
            x, out=4 * width, kernel=1, stride=stride, name=f"{name}.conv_norm4"
        )

    y = body + shortcut
    y = ops.relu(y)
    return y


def stage(
    x: keras.KerasTensor,
    in_channels: int,
    width: int,
    depth: int,
    stride: int,
    name: str,
) -> keras.KerasTensor:
    y = bottleneck(
        x,
        in_channels=in_channels,
        width=width,
        stride=stride,
        name=f"{name}.bottleneck",
    )
    for i in range(depth - 1):
        y = bottleneck(
            y,
            in_channels=4 * width,
            width=width,
            stride=1,
            name=f"{name}.bottlenecks.{i}",
        )
    return y


def build_resnet50() -> keras.Model:
    image = keras.Input(shape=(3, 224, 224), name="image")

    x = layers.Permute((2, 3, 1))(image)  # (B, 224, 224, 3): channels last
    x = conv_norm(x, out=64, kernel=7, stride=2, name="conv_norm")  # (B, 112, 112, 64)
    x = ops.relu(x)
    stem = layers.MaxPooling2D(pool_size=3, strides=2)(
        ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=float("-inf"))
    )  # (B, 56, 56, 64)

    x = stage(stem, in_channels=64, width=64, depth=3, stride=1, name="stage1")
    x = stage(x, in_channels=256, width=128, depth=4, stride=2, name="stage2")
    x = stage(x, in_channels=512, width=256, depth=6, stride=2, name="stage3")
    x = stage(x, in_channels=1024, width=512, depth=3, stride=2, name="stage4")
    x = layers.GlobalAveragePooling2D()(x)  # (B, 2048)
    logits = layers.Dense(
        CLASSES,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name="dense",
    )(x)  # (B, 1000)

    return keras.Model(inputs=image, outputs=logits, name="resnet50")


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
