# Written by bmc from a .bm file; the file is yours to edit.
"""WaveNet (van den Oord et al. 2016): layers whose reach doubles, each with a part in
the result.

Source: wavenet.bm. 269,248 parameters.
Input:  wave, float (B, 1, T).
Output: logits, float (B, 256, T).
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

CHANNELS = 64
DEPTH = 10  # decides more than sizes: change it in the .bm file
LEVELS = 256


def conv1d(
    filters: int, kernel_size: int, padding: str, dilation_rate: int, name: str
) -> layers.Layer:
    return layers.Conv1D(
        filters,
        kernel_size=kernel_size,
        padding=padding,
        dilation_rate=dilation_rate,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name=name,
    )


def gated(
    x: keras.KerasTensor, in_channels: int, dilation: int, name: str
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    filter_ = conv1d(
        in_channels,
        kernel_size=2,
        padding="causal",
        dilation_rate=dilation,
        name=f"{name}.conv1",
    )(x)
    filter_ = ops.tanh(filter_)

    gate = conv1d(
        in_channels,
        kernel_size=2,
        padding="causal",
        dilation_rate=dilation,
        name=f"{name}.conv2",
    )(x)
    gate = ops.sigmoid(gate)

    z = filter_ * gate

    residual = conv1d(
        in_channels,
        kernel_size=1,
        padding="valid",
        dilation_rate=1,
        name=f"{name}.conv3",
    )(z)
    residual = x + residual

    skip = conv1d(
        in_channels,
        kernel_size=1,
        padding="valid",
        dilation_rate=1,
        name=f"{name}.conv4",
    )(z)
    return residual, skip


def build_wavenet() -> keras.Model:
    wave = keras.Input(shape=(1, None), name="wave")

    x = layers.Permute((2, 1))(wave)  # (B, T, 1): channels last
    x = conv1d(CHANNELS, kernel_size=1, padding="valid", dilation_rate=1, name="conv1")(
        x
    )  # (B, T, 64)

    skips: list[keras.KerasTensor] = []
    for i in range(DEPTH):
        x, skip = gated(x, in_channels=CHANNELS, dilation=2**i, name=f"gateds.{i}")
        skips.append(skip)

    logits = x + sum(skips[1:], skips[0])
    logits = ops.relu(logits)
    logits = conv1d(
        CHANNELS, kernel_size=1, padding="valid", dilation_rate=1, name="conv2"
    )(logits)
    logits = ops.relu(logits)
    logits = conv1d(
        LEVELS, kernel_size=1, padding="valid", dilation_rate=1, name="conv3"
    )(logits)  # (B, T, 256)
    logits = layers.Permute((2, 1))(logits)  # (B, 256, T): channels first

    return keras.Model(inputs=wave, outputs=logits, name="wavenet")


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
        if isinstance(layer, layers.Conv1D):
            # TIO -> OIT
            weights[f"{name}.weight"] = Place(layer.kernel, (2, 1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
    return weights
