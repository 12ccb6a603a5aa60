"""Runs a generated Keras model.py on arrays."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bmc.verify.probe import serve


def prepare(dtype: str) -> None:
    """What a program is made with."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


class Model:
    """The model of a program, with weights by canonical name."""

    def __init__(self, module: ModuleType, name: str, weights: dict[str, np.ndarray], dtype: Any):
        prepare(str(np.dtype(dtype)))
        self.module = module
        self.model = getattr(module, f"build_{name.lower()}")()
        self.places = module.name_weights(self.model)
        for key, place in self.places.items():
            place.restore(weights[key])

    def run(self, arrays: list[np.ndarray], training: bool = False) -> list[np.ndarray]:
        """The outputs."""
        made = self.model(arrays if len(arrays) > 1 else arrays[0], training=training)
        outputs = made if isinstance(made, list | tuple) else [made]
        return [keras.ops.convert_to_numpy(value) for value in outputs]

    def gradients(self, arrays: list[np.ndarray], training: bool = True) -> dict[str, np.ndarray]:
        """d(sum of sin of all outputs) / d(weights and float inputs), and running statistics."""
        given = [tf.constant(array) for array in arrays]
        variables = {k: p for k, p in self.places.items() if p.variable.trainable}
        with tf.GradientTape() as tape:
            for value in given:
                if value.dtype.is_floating:
                    tape.watch(value)
            made = self.model(given if len(given) > 1 else given[0], training=training)
            outputs = made if isinstance(made, list | tuple) else [made]
            floats = [tf.reduce_sum(tf.sin(v)) for v in outputs if v.dtype.is_floating]
            total = tf.add_n(floats) if floats else None
        wanted: dict[str, Any] = {
            f"input {i}": v for i, v in enumerate(given) if v.dtype.is_floating
        }
        wanted |= {key: place.variable.value for key, place in variables.items()}
        found = {}
        if total is not None:
            grads = tape.gradient(total, list(wanted.values()))
            for key, grad in zip(wanted, grads, strict=True):
                if grad is not None:
                    found[key] = tf.convert_to_tensor(grad).numpy()
        for key, place in variables.items():
            if key in found:
                found[key] = dataclasses.replace(place, variable=found[key]).store()
        for key, place in self.places.items():
            if not place.variable.trainable:
                found[key] = place.store()
        return found

    def layers(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        """What every layer puts out, by its name; channels last where Keras has them so."""
        passed = (keras.layers.InputLayer, keras.Model)
        named = [
            layer
            for layer in self.model.layers
            if not isinstance(layer, passed)
            and len(layer._inbound_nodes) == 1
            and not isinstance(layer.output, list | tuple)
        ]
        if not named:
            return {}
        tap = keras.Model(self.model.inputs, [layer.output for layer in named])
        made = tap(arrays if len(arrays) > 1 else arrays[0], training=False)
        values = made if isinstance(made, list | tuple) else [made]
        names = [layer.name for layer in named]
        return {n: keras.ops.convert_to_numpy(v) for n, v in zip(names, values, strict=True)}

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what a weights file would hold."""
        return {k: place.store().shape for k, place in self.places.items()}


if __name__ == "__main__":
    serve(Model)
