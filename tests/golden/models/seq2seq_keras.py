# Written by bmc from a .bm file; the file is yours to edit.
"""A translator of recurrent layers whose decoder looks at the words read (Bahdanau et
al. 2015).

Source: seq2seq.bm. 23,216,960 parameters.
Input:  source, int (B, T), filled up with 0 at the end.
Input:  prefix, int (B, U), filled up with 0 at the end.
Output: logits, float (B, U, 8000).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

VOCAB_IN = 8000
VOCAB_OUT = 8000
DIM = 256
HIDDEN = 512


@keras.saving.register_keras_serializable("Translator")
class PaddedBothWays(layers.Bidirectional):
    """A layer in both directions over sequences that are padded at the end.

    What comes out has no mask: masks are given to each layer that needs one.
    """

    def compute_mask(self, inputs, mask):
        return None


@keras.saving.register_keras_serializable("Translator")
class Scan(layers.Layer):
    """Run a model at every step of sequences, its states carried from step to step.

    The model takes one element of the inputs with the numbers `sequences`, the others
    whole, and its states, which begin as `starts`; it gives its outputs and the next
    states.
    """

    def __init__(
        self,
        step: keras.Model,
        sequences: tuple[int, ...],
        starts: tuple[float, ...],
        **settings,
    ):
        super().__init__(**settings)
        self.step = step
        self.sequences = sequences
        self.starts = tuple(starts)

    def get_config(self):
        return super().get_config() | {
            "step": keras.saving.serialize_keras_object(self.step),
            "sequences": self.sequences,
            "starts": self.starts,
        }

    @classmethod
    def from_config(cls, config):
        step = keras.saving.deserialize_keras_object(config.pop("step"))
        return cls(step, **config)

    def call(self, inputs, training=None):
        results = self.step.outputs  # the outputs, and after them the states
        count = len(results) - len(self.starts)
        batch = ops.shape(inputs[0])[0]
        first = [
            ops.full((batch, *result.shape[1:]), value, dtype=result.dtype)
            for result, value in zip(results, (0.0,) * count + self.starts, strict=True)
        ]

        def advance(carried, elements):
            given = list(inputs)
            for place, element in zip(self.sequences, elements, strict=True):
                given[place] = element
            made = self.step([*given, *carried[count:]], training=training)
            return made, made

        along = [ops.swapaxes(inputs[place], 0, 1) for place in self.sequences]
        _, made = ops.scan(advance, first, along)
        return [ops.swapaxes(output, 0, 1) for output in made[:count]]

    def compute_output_spec(self, inputs, training=None):
        lead = (inputs[0].shape[0], inputs[self.sequences[0]].shape[1])
        results = self.step.outputs
        return [
            keras.KerasTensor((*lead, *result.shape[1:]), dtype=result.dtype)
            for result in results[: len(results) - len(self.starts)]
        ]


def dense_without_bias(units: int, name: str) -> layers.Layer:
    return layers.Dense(
        units, use_bias=False, kernel_initializer="glorot_uniform", name=name
    )


def dense(units: int, name: str) -> layers.Layer:
    return layers.Dense(
        units, kernel_initializer="glorot_uniform", bias_initializer="zeros", name=name
    )


def embedding(count: int, dim: int, name: str) -> layers.Layer:
    return layers.Embedding(
        count,
        dim,
        embeddings_initializer=keras.initializers.RandomNormal(mean=0.0, stddev=0.02),
        name=name,
    )


def attention_cell(
    x: keras.KerasTensor,
    memory: keras.KerasTensor,
    memory_mask: keras.KerasTensor,
    h: keras.KerasTensor,
    c: keras.KerasTensor,
    hidden: int,
    name: str,
) -> tuple[keras.KerasTensor, ...]:
    """One word further: what of the memory the state asks for goes into the step."""
    score = dense_without_bias(hidden, name=f"{name}.dense1")(memory)  # (B, T, hidden)
    score_2 = dense(hidden, name=f"{name}.dense2")(h)  # (B, hidden)
    score = score + ops.expand_dims(score_2, 1)
    score = ops.tanh(score)
    score = dense_without_bias(1, name=f"{name}.dense3")(score)  # (B, T, 1)

    score = ops.where(ops.expand_dims(memory_mask, 2), score, np.finfo(np.float32).min)
    context = ops.softmax(score, axis=1)
    context = context * memory  # (B, T, memory_dim)
    context = ops.where(ops.expand_dims(memory_mask, 2), context, 0.0)
    context = ops.sum(context, axis=1)  # (B, memory_dim)

    h_2 = ops.concatenate([x, context], axis=-1)  # (B, embed_dim + memory_dim)
    h, c = layers.LSTMCell(
        hidden,
        kernel_initializer="glorot_uniform",
        recurrent_initializer=keras.initializers.Orthogonal(gain=1.0),
        name=f"{name}.lstm_cell",
    )(h_2, [h, c])[1]

    y = ops.concatenate([h, context], axis=-1)  # (B, hidden + memory_dim)
    return y, h, c


def build_translator() -> keras.Model:
    source = keras.Input(shape=(None,), dtype="int64", name="source")
    prefix = keras.Input(shape=(None,), dtype="int64", name="prefix")

    source_mask = ops.not_equal(source, 0)

    x = embedding(VOCAB_IN, DIM, name="embedding1")(source)  # (B, T, 256)
    memory = PaddedBothWays(
        layers.GRU(
            HIDDEN,
            return_sequences=True,
            kernel_initializer="glorot_uniform",
            recurrent_initializer=keras.initializers.Orthogonal(gain=1.0),
            zero_output_for_mask=True,
        ),
        name="gru_layer",
    )(x, mask=source_mask)  # (B, T, 1024)

    x = embedding(VOCAB_OUT, DIM, name="embedding2")(prefix)  # (B, U, 256)
    attention_cell_x = keras.Input(shape=(DIM,))
    attention_cell_memory = keras.Input(shape=(None, HIDDEN * 2))
    attention_cell_memory_mask = keras.Input(shape=(None,), dtype="bool")
    attention_cell_h = keras.Input(shape=(HIDDEN,))
    attention_cell_c = keras.Input(shape=(HIDDEN,))
    attention_cell_step = keras.Model(
        [
            attention_cell_x,
            attention_cell_memory,
            attention_cell_memory_mask,
            attention_cell_h,
            attention_cell_c,
        ],
        list(
            attention_cell(
                attention_cell_x,
                attention_cell_memory,
                attention_cell_memory_mask,
                attention_cell_h,
                attention_cell_c,
                hidden=HIDDEN,
                name="attention_cell",
            ),
        ),
    )
    y = Scan(attention_cell_step, (0,), (0.0, 0.0), name="attention_cell")(
        [x, memory, source_mask]
    )[0]  # (B, U, 1536)

    logits = dense(VOCAB_OUT, name="dense")(y)  # (B, U, 8000)

    return keras.Model(inputs=[source, prefix], outputs=logits, name="translator")


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


@dataclass(frozen=True)
class GRUPlace(Place):
    """A variable of a GRU: gates z, r, n in Keras, and r, z, n in weights.safetensors.

    `row` is the row of a variable that holds both biases.
    """

    row: int | None = None

    def store(self) -> np.ndarray:
        """Return the variable in the layout of weights.safetensors."""
        array = ops.convert_to_numpy(self.variable)
        array = array if self.row is None else array[self.row]
        z, r, n = np.split(array, 3, axis=-1)
        gates = np.concatenate((r, z, n), axis=-1)
        return np.asarray(gates.transpose(self.axes), order="C")

    def restore(self, tensor: np.ndarray) -> None:
        """Set the variable from the layout of weights.safetensors."""
        r, z, n = np.split(tensor.transpose(np.argsort(self.axes)), 3, axis=-1)
        array = np.concatenate((z, r, n), axis=-1)
        if self.row is not None:
            both = ops.convert_to_numpy(self.variable).copy()
            both[self.row] = array
            array = both
        self.variable.assign(array)


def is_both_ways(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer runs another one of that kind in both directions."""
    return isinstance(layer, layers.Bidirectional) and isinstance(
        layer.forward_layer, kind
    )


def flat_layers(model: keras.Model) -> Iterator[layers.Layer]:
    """Go through the layers of a model, of the models in it and of steps."""
    for layer in model.layers:
        if isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential):
            yield from flat_layers(layer)
        elif isinstance(layer, Scan):
            yield from flat_layers(layer.step)
        else:
            yield layer


def name_weights(model: keras.Model) -> dict[str, Place]:
    """Say where each weight of weights.safetensors lives in the model."""
    weights: dict[str, Place] = {}
    renamed = {"gru_layer": "gru"}  # what Keras calls an operation
    for layer in flat_layers(model):
        name = renamed.get(layer.name, layer.name)
        if is_both_ways(layer, layers.GRU):
            parts = {"": layer.forward_layer, "_reverse": layer.backward_layer}
            for end, part in parts.items():
                cell = part.cell
                weights[f"{name}.weight_ih_l0{end}"] = GRUPlace(cell.kernel, (1, 0))
                weights[f"{name}.weight_hh_l0{end}"] = GRUPlace(
                    cell.recurrent_kernel, (1, 0)
                )
                weights[f"{name}.bias_ih_l0{end}"] = GRUPlace(cell.bias, (0,), row=0)
                weights[f"{name}.bias_hh_l0{end}"] = GRUPlace(cell.bias, (0,), row=1)
        elif isinstance(layer, layers.Dense):
            # (in, out) -> (out, in)
            weights[f"{name}.weight"] = Place(layer.kernel, (1, 0))
            if layer.use_bias:
                weights[f"{name}.bias"] = Place(layer.bias, (0,))
        elif isinstance(layer, layers.LSTMCell):
            weights[f"{name}.weight_ih"] = Place(layer.kernel, (1, 0))
            weights[f"{name}.weight_hh"] = Place(layer.recurrent_kernel, (1, 0))
            weights[f"{name}.bias_ih"] = Place(layer.bias, (0,))
        elif isinstance(layer, layers.Embedding):
            weights[f"{name}.weight"] = Place(layer.embeddings, (0, 1))
    return weights
