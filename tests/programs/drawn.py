"""Draws whole specs with random training sections: losses, metrics, optimisers, schedules, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bmc.ops.kinds import REGISTRY, Measure
from bmc.samples import load_declarations

HEAD = """
model Net {{
  input x: float[4]
  first = x -> dense(8{bias}) -> {norm} -> tanh
  second = first -> dense(6) -> {act}
  output {out} = second -> dense({width}){end}
{more}}}
data {{
  source = csv("rows.csv")
  x      = ["a".."d"] -> standardize
{entries}
  split  = random(train=70%, validation=30%, seed=2)
}}
train {{
{train}
}}
predict {{ p = {predict} }}
"""
ENTRIES = {
    "kind": '  kind: int[] = "kind" -> category',
    "yes": '  yes    = "yes" -> equals("y")',
    "num": '  num    = "num" -> standardize',
    "pair": '  pair   = ["num", "a"] -> standardize',
    "w": '  w      = "w"',
}
# What is predicted: the output's width, its ending, more outputs, the data, losses and metrics.
TASKS: dict[str, dict[str, Any]] = {
    "classes": {
        "width": 3, "end": "", "more": "", "target": "kind",
        "losses": ["cross_entropy", "cross_entropy(label_smoothing=0.1)", "focal", "focal(gamma=1)",
                   "cross_entropy(class_weight=[1, 2, 0.5])", "cross_entropy(class_weight=balanced)",
                   "cross_entropy(weight=data.w)", "cross_entropy(reduce=sum)"],
        "metrics": ["accuracy", "f1(average=macro)", "log_loss", "top_k(k=2)", "balanced_accuracy",
                    "cohen_kappa", "matthews", "brier", "calibration_error"],
        "predict": "out -> softmax",
    },
    "yes": {
        "width": 1, "end": " -> squeeze", "more": "", "target": "yes",
        "losses": ["binary_cross_entropy", "binary_cross_entropy(pos_weight=2)", "focal", "hinge",
                   "binary_cross_entropy(label_smoothing=0.2)", "binary_cross_entropy(weight=data.w)"],
        "metrics": ["accuracy", "f1", "roc_auc", "average_precision", "recall", "precision"],
        "predict": "out -> sigmoid",
    },
    "number": {
        "width": 1, "end": " -> squeeze", "more": "", "target": "num",
        "losses": ["mse", "mae", "huber", "huber(delta=0.3)", "log_cosh", "quantile(level=0.8)",
                   "mse(weight=data.w)", "log_cosh(weight=data.w)"],
        "metrics": ["mse", "rmse", "mae", "r2", "smape"],
        "predict": "out -> undo(data.num)",
    },
    "pair": {
        "width": 2, "end": "", "more": "", "target": "pair",
        "losses": ["mse", "huber(reduce=sum)", "cosine", "mae(weight=data.w)"],
        "metrics": ["mse", "rmse", "r2"],
        "predict": "2 * out",
    },
    "spread": {
        "width": 1, "end": " -> squeeze", "target": "num",
        "more": "  output variance = second -> dense(1) -> softplus -> squeeze\n",
        "losses": [], "three": ["gaussian_nll", "student_t_nll", "student_t_nll(freedom=3)"],
        "metrics": ["rmse"],
        "predict": "out + 2 * variance",
    },
}  # fmt: skip


def written(value: Any) -> str:
    """A setting as a spec has it."""
    if isinstance(value, Measure):
        return f"{value.value:.12g}" if value.unit == "" else _measured(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    return str(value)


def _measured(value: Measure) -> str:
    return f"{value.value * 100:g}%" if value.unit == "%" else f"{value.value} {value.unit}"


def sampled(chance: np.random.Generator, family: str, leave: tuple[str, ...] = ()) -> str:
    """A declaration with the settings of one of its samples."""
    load_declarations()
    names = sorted(set(REGISTRY[family]) - set(leave))
    declared = REGISTRY[family][str(chance.choice(names))]
    sample = declared.samples[chance.integers(len(declared.samples))]
    settings = ", ".join(f"{key}={written(value)}" for key, value in sample.settings.items())
    return f"{declared.name}({settings})" if settings else declared.name


def draw(seed: int) -> str:
    """A spec over the columns of `table`."""
    chance = np.random.default_rng(seed)
    task = TASKS[str(chance.choice(sorted(TASKS)))]
    target = task["target"]
    three = task.get("three")
    loss = str(chance.choice(three or task["losses"]))
    inputs = f"(out, variance, {target})" if three else f"(out, {target})"
    lines = [f"  loss = {inputs} -> {loss}"]
    if not three and chance.random() < 0.3:
        other = str(chance.choice([one for one in task["losses"] if "balanced" not in one]))
        lines = [f"  loss one = {inputs} -> {loss}", f"  loss two = 0.3 * ({inputs} -> {other})"]
    count = int(chance.integers(1, min(3, len(task["metrics"])) + 1))
    chosen = chance.choice(task["metrics"], size=count, replace=False)
    lines.append(f"  metrics = (out, {target}) -> [{', '.join(chosen)}]")
    lines.append(f"  optimizer = {sampled(chance, 'optimizer', ('lbfgs',))}")
    if chance.random() < 0.3:
        lines.append(f"  optimizer dense2 = {sampled(chance, 'optimizer', ('lbfgs',))}")
    by_steps = chance.random() < 0.4
    lines.append("  steps = 12" if by_steps else "  epochs = 3")
    if chance.random() < 0.7:
        schedule = sampled(chance, "schedule")
        lines += [] if by_steps and "epochs" in schedule else [f"  schedule = {schedule}"]
    keys = {
        "accumulate = 3": 0.3, "clip_norm = 0.5": 0.3, "clip_value = 0.05": 0.2, "ema = 0.8": 0.3,
        "freeze = dense1": 0.2, "stop = patience(2)": 0.2, "checkpoint = every(2 steps)": 0.2,
    }  # fmt: skip
    lines += [f"  {key}" for key, share in keys.items() if chance.random() < share]
    lines += [f"  batch = {chance.choice([8, 13, 32])}", f"  seed = {seed}"]
    lines.append('  weights = pretrained("start.safetensors")')
    # The gradient of a bias before a batch norm is nothing but rounding.
    norm = str(chance.choice(["batch_norm", "layer_norm", "identity"]))
    return HEAD.format(
        norm=norm, bias=", bias=false" if norm == "batch_norm" else "",
        act=chance.choice(["tanh", "sigmoid", "silu", "softplus"]),
        out="out", width=task["width"], end=task["end"], more=task["more"],
        entries="\n".join(ENTRIES[key] for key in (target, "w") if key != "w" or "data.w" in str(lines)),
        train="\n".join(lines), predict=task["predict"],
    )  # fmt: skip


def table(path: Path, rows: int = 100) -> None:
    """Numbers, classes and weights that have to do with each other."""
    chance = np.random.default_rng(9)
    x = chance.normal(size=(rows, 4))
    kind = (x[:, 0] > 0.3).astype(int) + (x[:, 1] > 0).astype(int)
    lines = ["a,b,c,d,kind,yes,num,w"]
    for row in range(rows):
        number = x[row, 2] ** 2 + 0.5 * x[row, 3] + 0.1 * chance.normal()
        cells = [*(f"{value:.6f}" for value in x[row]), "pqr"[kind[row]]]
        cells += ["y" if number > 0.5 else "n", f"{number:.6f}", f"{chance.uniform(0.1, 3):.4f}"]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
