"""Trains a program for some steps from given weights, and prints the losses as JSON.

python trajectory.py BACKEND FOLDER WEIGHTS DATA DTYPE STEPS
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import numpy as np
from safetensors.numpy import load_file


def batches(dtype: str, data: str, steps: int, batch: int) -> Any:
    """The first batches, floats in the wanted precision."""
    from data import load

    loaded = load(data)
    endless = (b for epoch in itertools.count(1)
               for b in loaded.batches("train", batch, seed=0, epoch=epoch))  # fmt: skip
    for arrays in itertools.islice(endless, steps):
        yield [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays.values()]


def torch_losses(weights: dict[str, np.ndarray], dtype: str, steps: int, data: str) -> list[float]:
    """The losses of the PyTorch program."""
    import torch
    import train

    torch.set_default_dtype(getattr(torch, dtype))
    names = [n for n in dir(train) if isinstance(getattr(train, n), type)]
    model = next(
        getattr(train, n)() for n in names
        if issubclass(getattr(train, n), torch.nn.Module) and n not in ("Module", "Tensor")
    )  # fmt: skip
    state = {k: torch.from_numpy(v.astype(dtype)) for k, v in weights.items()}
    model.load_state_dict(state, strict=False)
    optimizer = train.create_optimizer(model)
    model.train()
    losses = []
    size = getattr(train, "BATCH", 10**6)
    for step, arrays in enumerate(batches(dtype, data, steps, size), start=1):
        for group in optimizer.param_groups if scheduled(train) else ():
            group["lr"] = rate(train, step, steps) * group.get("share", 1.0)
        loss = train.train_step(model, optimizer, *map(torch.from_numpy, arrays))
        losses.append(float(loss))
    return losses


def keras_losses(weights: dict[str, np.ndarray], dtype: str, steps: int, data: str) -> list[float]:
    """The losses of the Keras program."""
    import keras

    keras.config.set_floatx(dtype)
    import model as module
    import tensorflow as tf
    import train

    build = next(getattr(module, n) for n in dir(module) if n.startswith("build_"))
    model = build()
    for name, place in module.name_weights(model).items():
        place.restore(weights[name].astype(dtype))
    optimizer = train.create_optimizer(model)
    train_step = train.create_train_step(model, optimizer)
    losses = []
    size = getattr(train, "BATCH", 10**6)
    for step, arrays in enumerate(batches(dtype, data, steps, size), start=1):
        rates = [tf.constant(rate(train, step, steps), dtype)] if scheduled(train) else []
        losses.append(float(train_step(*map(tf.constant, arrays), *rates)))
    return losses


def scheduled(train: Any) -> bool:
    """Whether the program changes its learning rate."""
    return hasattr(train, "learning_rate")


def rate(train: Any, step: int, steps: int) -> float:
    """The learning rate of an update."""
    return float(train.learning_rate(step, steps))


def main() -> None:
    """Runs and prints."""
    backend, folder, path, data, dtype, steps = sys.argv[1:]
    sys.path.insert(0, folder)
    run = {"torch": torch_losses, "keras": keras_losses}[backend]
    print(json.dumps(run(load_file(path), dtype, int(steps), data)))


if __name__ == "__main__":
    main()
