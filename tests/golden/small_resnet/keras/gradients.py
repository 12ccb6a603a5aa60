# Written by bmc from a .bm file; the file is yours to edit.
"""Which gradient grew before a loss was not finite: `--watch` looks at every update."""

import math
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras import ops

from model import name_weights


def watch_gradients(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> dict[str, float]:
    """Return the largest gradient in each weight, kept up to date.

    An update with a gradient that is not finite changes nothing. To look at them no
    function runs as a graph, which takes longer.
    """
    tf.config.run_functions_eagerly(True)
    places = name_weights(model).items()
    names = {id(place.variable): name for name, place in places}
    largest: dict[str, float] = {}
    apply = optimizer.apply

    def look(grads: list[tf.Tensor], trainable_variables: list[keras.Variable]) -> None:
        dense = map(tf.convert_to_tensor, grads)  # also of embeddings
        found = {
            names[id(variable)]: float(ops.max(ops.abs(gradient)))
            for gradient, variable in zip(dense, trainable_variables, strict=True)
        }
        if all(map(math.isfinite, found.values())):
            largest.update(found)
        apply(grads, trainable_variables)

    optimizer.apply = look
    return largest
