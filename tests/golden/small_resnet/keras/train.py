# Written by bmc from a .bm file; the file is yours to edit.
"""Train SmallResNet; write weights and metrics into a folder.

python train.py --data optdigits.npz --out run
"""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tqdm import tqdm

from checkpoint import Checkpoint
from data import load
from evaluate import compute_metrics
from gradients import watch_gradients
from model import build_smallresnet, name_weights
from optimizer import SGD
from predict import choose_device, compute_outputs
from runs import (
    METRICS,
    begin_run,
    catch_signals,
    check_losses,
    how_to_resume,
    natural,
    positive,
    report,
    write_card,
)
from weights import write_weights

EPOCHS = 10
BATCH = 64
SEED = 0
LEARNING_RATE = 0.1
WARMUP_EPOCHS = 1
MOMENTUM = 0.9
NESTEROV = True
WEIGHT_DECAY = 0.0005

WEIGHTS = "weights.safetensors"


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Return the rate of update 1, 2, ...: linear warm-up, then half a cosine."""
    if step <= warmup:
        return LEARNING_RATE * step / warmup
    progress = min((step - 1 - warmup) / (steps - warmup), 1.0)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def create_optimizer(model: keras.Model) -> SGD:
    """sgd; biases and normalisation weights, of one axis, do not decay."""
    optimizer = SGD(
        LEARNING_RATE, momentum=MOMENTUM, nesterov=NESTEROV, weight_decay=WEIGHT_DECAY
    )
    kept = [place.variable for place in name_weights(model).values() if place.ndim == 1]
    optimizer.exclude_from_weight_decay(var_list=kept)
    optimizer.build(model.trainable_variables)
    return optimizer


def create_train_step(model: keras.Model, optimizer: SGD) -> Callable[..., tf.Tensor]:
    @tf.function
    def train_step(image: tf.Tensor, digit: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Update the model on one batch; return the mean loss of the batch."""
        with tf.GradientTape() as tape:
            logits = model(image, training=True)
            loss = ops.mean(
                keras.losses.categorical_crossentropy(
                    ops.one_hot(digit, logits.shape[-1], dtype=logits.dtype),
                    logits,
                    from_logits=True,
                    label_smoothing=0.1,
                ),
            )
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.learning_rate = rate
        optimizer.apply(gradients, variables)
        return loss

    return train_step


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="where the data is")
    parser.add_argument("--out", required=True, type=Path, help="folder for results")
    parser.add_argument("--epochs", type=positive, default=EPOCHS)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--seed", type=natural, default=SEED)
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--overwrite", action="store_true", help="a run in --out goes")
    earlier.add_argument("--resume", action="store_true", help="a run in --out goes on")
    parser.add_argument("--watch", action="store_true", help="look at each gradient")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to save
    args = parse_arguments()
    choose_device(args.device)
    data = load(args.data)

    keras.utils.set_random_seed(args.seed)
    model = build_smallresnet()
    optimizer = create_optimizer(model)
    train_step = create_train_step(model, optimizer)

    largest = watch_gradients(model, optimizer) if args.watch else None
    begin_run(args.out, (METRICS, WEIGHTS), args.data, args.overwrite, args.resume)
    stopped = catch_signals()
    steps_per_epoch = math.ceil(data.sizes["train"] / BATCH)
    steps = args.epochs * steps_per_epoch
    warmup = WARMUP_EPOCHS * steps_per_epoch
    settings = {"batch": BATCH, "rows": data.sizes["train"], "seed": args.seed}
    checkpoint = Checkpoint(args.out, model, optimizer, settings)
    first, step, losses, rows = checkpoint.load()  # of a run that goes on, or the start
    for epoch in range(first, args.epochs + 1):
        started = time.perf_counter()
        todo = data.batches("train", BATCH, seed=args.seed, epoch=epoch, skip=len(rows))
        batches = tqdm(
            todo,
            initial=len(rows),
            total=steps_per_epoch,
            desc=f"epoch {epoch}",
            leave=False,
            disable=args.quiet or None,  # a bar on a terminal only
        )
        for batch in batches:
            step += 1
            rate = tf.constant(learning_rate(step, steps, warmup), tf.float32)
            losses.append(train_step(batch["image"], batch["digit"], rate))
            rows.append(len(batch["digit"]))
            if args.watch or len(rows) % 20 == 0:
                latest = float(losses[-1])  # waits for the device
                batches.set_postfix(loss=f"{latest:.4g}")
                if not math.isfinite(latest):
                    break
            if stopped:
                break

        found = tf.stack(losses).numpy()
        order = partial(data.order, "train", args.seed)
        check_losses(found, order, BATCH, epoch, largest)
        if stopped:
            checkpoint.save(epoch, step, losses, rows)
            break

        mean_loss = float(np.average(found, weights=rows))
        record = {"epoch": epoch, "loss": mean_loss}
        scores = compute_metrics(compute_outputs(model, data, "validation"))
        record |= {f"validation_{name}": value for name, value in scores.items()}
        record["seconds"] = time.perf_counter() - started
        report(record, args.out / METRICS, args.quiet)
        losses, rows = [], []
        checkpoint.save(epoch + 1, step, losses, rows)

    weights = {name: place.store() for name, place in name_weights(model).items()}
    write_weights(args.out / WEIGHTS, weights)
    facts = {
        "data": args.data,
        **{f"{split} rows": rows for split, rows in data.sizes.items()},
        "framework": f"Keras {keras.__version__} on TensorFlow {tf.__version__}",
        "optimizer": f"sgd, rate {LEARNING_RATE}",
        "epochs": args.epochs,
        "batch": BATCH,
        "seed": args.seed,
    }
    write_card(args.out, "SmallResNet", facts)
    if stopped:
        print(f"stopped: {args.out} has the weights so far", file=sys.stderr)
        print(f"go on with: {how_to_resume()}", file=sys.stderr)
        raise SystemExit(128 + stopped[0])


if __name__ == "__main__":
    main()
