# Written by bmc from a .bm file; the file is yours to edit.
"""MobileNetV2.

Source: mobilenetv2.bm. 3,504,872 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

CLASSES = 1000


@keras.saving.register_keras_serializable("MobileNetV2")
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


def depthwise(
    depth_multiplier: int,
    kernel_size: int,
    strides: int,
    padding: str,
    depthwise_initializer: keras.Initializer,
    name: str,
) -> layers.Layer:
    return layers.DepthwiseConv2D(
        depth_multiplier=depth_multiplier,
        kernel_size=kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        depthwise_initializer=depthwise_initializer,
        name=name,
    )


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


def conv_norm_2(
    x: keras.KerasTensor,
    in_channels: int,
    out: int,
    kernel: int,
    stride: int,
    groups: int,
    name: str,
) -> keras.KerasTensor:
    y = depthwise(
        depth_multiplier=out // in_channels,
        kernel_size=kernel,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        depthwise_initializer=keras.initializers.RandomUniform(
            -math.sqrt(
                6.0
                / (in_channels // groups * (kernel * kernel) + out * (kernel * kernel)),
            ),
            math.sqrt(
                6.0
                / (in_channels // groups * (kernel * kernel) + out * (kernel * kernel)),
            ),
        ),
        name=f"{name}.conv",
    )(x if stride == 1 else layers.ZeroPadding2D(kernel // 2)(x))
    y = norm(name=f"{name}.norm")(y)
    return y


def inverted(
    x: keras.KerasTensor,
    in_channels: int,
    out: int,
    expand: int,
    stride: int,
    name: str,
) -> keras.KerasTensor:
    if expand == 1:
        wide = x
    else:
        wide = conv_norm(
            x, out=expand * in_channels, kernel=1, stride=1, name=f"{name}.widen"
        )  # (B, height, width, expand * in_channels)
        wide = ops.relu6(wide)

    body = conv_norm_2(
        wide,
        in_channels=expand * in_channels,
        out=expand * in_channels,
        kernel=3,
        stride=stride,
        groups=expand * in_channels,
        name=f"{name}.depthwise",
    )
    body = ops.relu6(body)
    body = conv_norm(body, out=out, kernel=1, stride=1, name=f"{name}.narrow")

    if stride == 1 and in_channels == out:
        y = x + body  # (B, height, width, out)
    else:
        y = body
    return y


def build_mobilenetv2() -> keras.Model:
    image = keras.Input(shape=(3, 224, 224), name="image")

    x = layers.Permute((2, 3, 1))(image)  # (B, 224, 224, 3): channels last
    x = conv_norm(x, out=32, kernel=3, stride=2, name="conv_norm1")  # (B, 112, 112, 32)
    x = ops.relu6(x)

    x = inverted(x, in_channels=32, out=16, expand=1, stride=1, name="inverteds1.0")

    x = inverted(x, in_channels=16, out=24, expand=6, stride=2, name="inverteds1.1")
    x = inverted(x, in_channels=24, out=24, expand=6, stride=1, name="inverteds2.0.0")

    x = inverted(x, in_channels=24, out=32, expand=6, stride=2, name="inverteds1.2")
    for i in range(2):
        x = inverted(
            x, in_channels=32, out=32, expand=6, stride=1, name=f"inverteds2.1.{i}"
        )

    x = inverted(x, in_channels=32, out=64, expand=6, stride=2, name="inverteds1.3")
    for i in range(3):
        x = inverted(
            x, in_channels=64, out=64, expand=6, stride=1, name=f"inverteds2.2.{i}"
        )

    x = inverted(x, in_channels=64, out=96, expand=6, stride=1, name="inverteds1.4")
    for i in range(2):
        x = inverted(
            x, in_channels=96, out=96, expand=6, stride=1, name=f"inverteds2.3.{i}"
        )

    x = inverted(x, in_channels=96, out=160, expand=6, stride=2, name="inverteds1.5")
    for i in range(2):
        x = inverted(
            x, in_channels=160, out=160, expand=6, stride=1, name=f"inverteds2.4.{i}"
        )

    x = inverted(x, in_channels=160, out=320, expand=6, stride=1, name="inverteds1.6")

    logits = conv_norm(x, out=1280, kernel=1, stride=1, name="conv_norm2")
    logits = ops.relu6(logits)
    logits = layers.GlobalAveragePooling2D()(logits)  # (B, 1280)
    logits = layers.Dropout(0.2, name="dropout")(logits)
    logits = layers.Dense(
        CLASSES,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name="dense",
    )(logits)  # (B, 1000)

    return keras.Model(inputs=image, outputs=logits, name="mobilenetv2")


@dataclass(frozen=True)
class Place:
    """A variable, the order of its axes in weights.safetensors, and its shape there."""

    variable: keras.Variable
    axes: tuple[int, ...]
    shape: tuple[int, ...] | None = None

    @property
    def ndim(self) -> int:
        """The number of axes in weights.safetensors."""
        return len(self.shape or self.axes)

    def store(self) -> np.ndarray:
        """Return the variable in the layout of weights.safetensors."""
        array = ops.convert_to_numpy(self.variable).transpose(self.axes)
        return np.asarray(array.reshape(self.shape or array.shape), order="C")

    def restore(self, tensor: np.ndarray) -> None:
        """Set the variable from the layout of weights.safetensors."""
        turned = [self.variable.shape[axis] for axis in self.axes]
        array = tensor.reshape(turned).transpose(np.argsort(self.axes))
        self.variable.assign(array)


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
        elif isinstance(layer, layers.DepthwiseConv2D):
            weights[f"{name}.weight"] = Place(
                layer.kernel,
                (2, 3, 0, 1),
                (-1, 1, layer.kernel.shape[0], layer.kernel.shape[1]),
            )
        elif isinstance(layer, layers.Dense):
            # (in, out) -> (out, in)
            weights[f"{name}.weight"] = Place(layer.kernel, (1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
    return weights
