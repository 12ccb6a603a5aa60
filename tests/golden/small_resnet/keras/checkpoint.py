# Written by bmc from a .bm file; the file is yours to edit.
"""The state of a run at an update: `--resume` goes on from it, bit for bit.

Tensors go by the names of the weights, so that a run begun in PyTorch goes on here.
"""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from model import Place, name_weights
from optimizer import SGD
from runs import METRICS, cut_records
from weights import check_state, read_state, write_state

OPTIMIZER = "sgd"
KEPT = 2  # the newest states


class Checkpoint:
    """What makes up a run, and the folder in which its states are kept."""

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        optimizer: SGD,
        settings: dict[str, int],
    ) -> None:
        self.folder = folder
        self.model = model
        self.optimizer = optimizer
        self.settings = {"optimizer": OPTIMIZER, **settings}

    def save(
        self,
        epoch: int,
        step: int,
        losses: list[tf.Tensor],
        rows: list[int],
    ) -> None:
        """Write the state; losses and rows are those that no record has yet."""
        arrays = {name: place.store() for name, place in self.places().items()}
        for number, variable in enumerate(self.random_states()):
            arrays[f"random.keras.{number}"] = ops.convert_to_numpy(variable)
        arrays["losses"] = np.array([float(loss) for loss in losses], np.float32)
        arrays["rows"] = np.array(rows, np.int64)
        notes = {
            "settings": self.settings,
            "epoch": epoch,
            "step": step,
            "records": (self.folder / METRICS).stat().st_size,
        }
        write_state(self.folder, arrays, notes, KEPT)

    def load(self) -> tuple[int, int, list[tf.Tensor], list[int]]:
        """Restore the newest state; return the place in the run, or the start."""
        found = read_state(self.folder, self.settings)
        if found is None:
            return 1, 0, [], []
        tensors, notes = found
        places = self.places()
        wanted = {name: place.store().shape for name, place in places.items()}
        check_state({k: v for k, v in tensors.items() if k in wanted}, wanted)
        for name, place in places.items():
            place.restore(tensors[name])
        for number, variable in enumerate(self.random_states()):
            if f"random.keras.{number}" in tensors:
                variable.assign(tensors[f"random.keras.{number}"])
        self.optimizer.iterations.assign(notes["step"])
        cut_records(self.folder / METRICS, notes["records"])
        losses = [tf.constant(loss) for loss in tensors["losses"]]
        position = (notes["epoch"], notes["step"])
        return *position, losses, tensors["rows"].tolist()

    def places(self) -> dict[str, Place]:
        """Where the weights are, and what the optimizer keeps of each that learns."""
        weights = name_weights(self.model)
        places = {f"model.{name}": place for name, place in weights.items()}
        optimizer, learned = self.optimizer, self.model.trainable_variables
        slots = {
            "momentum_buffer": optimizer.buffers,
        }
        places |= place_slots(weights, learned, slots)
        return places

    def random_states(self) -> list[keras.Variable]:
        """What dropouts draw from; one of 0 has none."""
        ending = "seed_generator_state"
        return [v for v in self.model.variables if v.path.endswith(ending)]


def place_slots(
    weights: dict[str, Place],
    learned: list[keras.Variable],
    slots: dict[str, list[keras.Variable]],
) -> dict[str, Place]:
    """What an optimizer keeps of each weight that it changes, in the weight's order."""
    numbers = {id(variable): number for number, variable in enumerate(learned)}
    places = {}
    for name, place in weights.items():
        number = numbers.get(id(place.variable))
        if number is not None:
            for slot, variables in slots.items():
                kept = variables[number]
                places[f"optimizer.{name}.{slot}"] = replace(place, variable=kept)
    return places
