# Written by bmc from a .bm file; the file is yours to edit.
"""Train SmallResNet; write weights and metrics into a folder.

python train.py --data optdigits.npz --out run
"""

import argparse
import math
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from checkpoint import Checkpoint
from data import load
from evaluate import compute_metrics
from gradients import watch_gradients
from model import SmallResNet, name_weights
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


def create_optimizer(model: SmallResNet) -> torch.optim.Optimizer:
    """sgd; biases and normalisation weights, of one axis, do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    kept = [p for p in model.parameters() if p.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        groups,
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        nesterov=NESTEROV,
        weight_decay=WEIGHT_DECAY,
        fused=True,
    )


def train_step(
    model: SmallResNet, optimizer: torch.optim.Optimizer, image: Tensor, digit: Tensor
) -> Tensor:
    """Update the model on one batch; return the mean loss of the batch."""
    logits = model(image)
    loss = F.cross_entropy(logits, digit, label_smoothing=0.1)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


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
    device = choose_device(args.device)
    data = load(args.data)

    torch.manual_seed(args.seed)
    model = SmallResNet().to(device)
    optimizer = create_optimizer(model)

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
        model.train()
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
            image = to_device(batch["image"], device)
            digit = to_device(batch["digit"], device)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, warmup)
            losses.append(train_step(model, optimizer, image, digit))
            rows.append(len(digit))
            if args.watch or len(rows) % 20 == 0:
                latest = float(losses[-1])  # waits for the device
                batches.set_postfix(loss=f"{latest:.4g}")
                if not math.isfinite(latest):
                    break
            if stopped:
                break

        found = torch.stack(losses).cpu().numpy()
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

    state = name_weights(model)
    weights = {name: tensor.cpu().numpy() for name, tensor in state.items()}
    write_weights(args.out / WEIGHTS, weights)
    facts = {
        "data": args.data,
        **{f"{split} rows": rows for split, rows in data.sizes.items()},
        "framework": f"PyTorch {torch.__version__}",
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
