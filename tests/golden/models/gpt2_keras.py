# Written by bmc from a .bm file; the file is yours to edit.
"""GPT-2 small (Radford et al. 2019): 124,439,808 parameters.

Source: gpt2.bm. 124,439,808 parameters.
Input:  tokens, int (B, T).
Output: logits, float (B, T, 50257).
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

VOCAB = 50257
CONTEXT = 1024
DIM = 768
DEPTH = 12
HEADS = 12
DROPOUT = 0.1


@keras.saving.register_keras_serializable("GPT2")
class LearnedPositions(layers.Layer):
    """Add a learned vector to each position: (..., T, width) -> (..., T, width)."""

    def __init__(self, count: int, embeddings_initializer, **settings):
        super().__init__(**settings)
        self.count = count
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            shape=(self.count, input_shape[-1]),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    def call(self, x):
        return self.embeddings[: ops.shape(x)[-2]] + x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        start = keras.initializers.serialize(self.embeddings_initializer)
        return super().get_config() | {
            "count": self.count,
            "embeddings_initializer": start,
        }


def layer_norm(name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=1e-5, name=name)


def dense(units: int, name: str) -> layers.Layer:
    return layers.Dense(
        units, kernel_initializer="glorot_uniform", bias_initializer="zeros", name=name
    )


def decoder_layer(
    x: keras.KerasTensor, dim: int, heads: int, dropout: float, name: str
) -> keras.KerasTensor:
    """(B, T, dim) -> (B, T, dim)."""
    h = layer_norm(name=f"{name}.layer_norm1")(x)
    h = layers.MultiHeadAttention(
        num_heads=heads,
        key_dim=dim // heads,
        dropout=dropout,
        kernel_initializer=keras.initializers.RandomUniform(
            -math.sqrt(3 / dim), math.sqrt(3 / dim)
        ),
        name=f"{name}.self_attention",
    )(h, h, use_causal_mask=True)  # (B, T, dim)
    h = layers.Dropout(dropout, name=f"{name}.dropout1")(h)
    h = x + h

    y = layer_norm(name=f"{name}.layer_norm2")(h)
    y = dense(4 * dim, name=f"{name}.dense1")(y)  # (B, T, 4 * dim)
    y = ops.gelu(y, approximate=True)
    y = dense(dim, name=f"{name}.dense2")(y)  # (B, T, dim)
    y = layers.Dropout(dropout, name=f"{name}.dropout2")(y)
    y = h + y
    return y


def build_gpt2() -> keras.Model:
    tokens = keras.Input(shape=(None,), dtype="int64", name="tokens")

    embed = layers.ReversibleEmbedding(
        VOCAB,
        DIM,
        embeddings_initializer=keras.initializers.RandomNormal(mean=0.0, stddev=0.02),
        name="embed",
    )
    x = embed(tokens)  # (B, T, 768)
    x = LearnedPositions(
        CONTEXT,
        embeddings_initializer=keras.initializers.RandomNormal(mean=0.0, stddev=0.02),
        name="learned_positions",
    )(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)

    for i in range(DEPTH):
        x = decoder_layer(
            x, dim=DIM, heads=HEADS, dropout=DROPOUT, name=f"decoder_layers.{i}"
        )
    x = layer_norm(name="layer_norm")(x)

    logits = embed(x, reverse=True)  # (B, T, 50257)

    return keras.Model(inputs=tokens, outputs=logits, name="gpt2")


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
        if isinstance(layer, LearnedPositions):
            weights[f"{name}.weight"] = Place(layer.embeddings, (0, 1))
        elif isinstance(layer, layers.LayerNormalization):
            weights[f"{name}.weight"] = Place(layer.gamma, (0,))
            weights[f"{name}.bias"] = Place(layer.beta, (0,))
        elif isinstance(layer, layers.MultiHeadAttention):
            for role in ("query", "key", "value"):
                part = getattr(layer, f"{role}_dense")
                shape = (-1, part.kernel.shape[0])
                weights[f"{name}.{role}.weight"] = Place(part.kernel, (1, 2, 0), shape)
                weights[f"{name}.{role}.bias"] = Place(part.bias, (0, 1), (-1,))
            part = layer.output_dense
            shape = (part.kernel.shape[-1], -1)
            weights[f"{name}.output.weight"] = Place(part.kernel, (2, 0, 1), shape)
            weights[f"{name}.output.bias"] = Place(part.bias, (0,))
        elif isinstance(layer, layers.Dense):
            # (in, out) -> (out, in)
            weights[f"{name}.weight"] = Place(layer.kernel, (1, 0))
            weights[f"{name}.bias"] = Place(layer.bias, (0,))
        elif isinstance(layer, layers.ReversibleEmbedding):
            weights[f"{name}.weight"] = Place(layer.embeddings, (0, 1))
    return weights
