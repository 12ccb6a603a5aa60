"""Every loss: three programs' expressions give one number and one gradient, that of the formula."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bmc import samples
from bmc.emit.backend import Function, Lowerings, Site
from bmc.emit.layout import expression
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Name
from bmc.ops.base import REGISTRY, Sample
from bmc.ops.kinds import Refusal
from bmc.ops.losses import SCALAR, Loss, Weighted
from bmc.samples import make, type_of
from bmc.types.tensor import TensorType

samples.load_declarations()
LOSSES: dict[str, type[Loss]] = REGISTRY["loss"]
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, declared in sorted(LOSSES.items())
    for number in range(len(declared.samples))
]
DRAWS = 50
TABLES = {
    "torch": "bmc_torch.lower.table",
    "keras": "bmc_keras.lower.table",
    "numpy": "bmc_programs.lower.table",
}
Arrays = list[np.ndarray]


def rule(table: str, loss: Loss, sample: Sample) -> Any:
    """What a table makes of a loss: a rule, or why there is none."""
    lowerings: Lowerings = importlib.import_module(TABLES[table]).LOWERINGS
    types = tuple(type_of(entry) for entry in sample.inputs)
    return rule_for(lowerings, loss, Site(types, (SCALAR,), {}))


def drawn(loss: Any, sample: Sample, seed: int) -> Arrays:
    """Inputs that the loss takes: ids, positive variances, and places that do not count."""
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(1, 6))
    arrays = []
    for place, entry in enumerate(sample.inputs):
        kind = type_of(entry)
        shape = (rows, *map(int, kind.shape))  # type: ignore[arg-type]
        if kind.dtype == "int":
            below = int(str(entry[0]).partition(":")[2])
            array = chance.integers(0, below, shape)
            if loss.name == "ctc":  # words of any length, filled up with blanks
                letters = (array - (array >= below - 1) + loss.blank + 1) % below
                ends = np.arange(shape[1]) >= chance.integers(0, shape[1] + 1, (rows, 1))
                array = np.where(ends, loss.blank, letters)
            if getattr(loss, "ignore", None) is not None:
                hidden = chance.random(shape) < (1.0 if seed == 0 else 0.3)
                array = np.where(hidden, int(loss.ignore), array)
        else:
            array = chance.standard_normal(shape) * 2
            if loss.takes[place : place + 1] in (("variance",), ("scale",)):
                array = np.exp(array)
            if loss.name == "poisson_nll":
                array = np.exp(array) if place == 0 else np.floor(np.abs(array))
        arrays.append(array)
    return arrays


# --- the formulas, as the documentation has them ----------------------------------------------


def logs(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_class(x: np.ndarray, t: np.ndarray, axis: int, smoothing: float = 0) -> np.ndarray:
    """Cross-entropies; what is no class counts as the first."""
    x = np.moveaxis(x, axis + 1 if axis >= 0 else axis, -1)
    hot = np.eye(x.shape[-1])[np.clip(t, 0, None)]
    return -((1 - smoothing) * hot + smoothing / x.shape[-1]).__mul__(logs(x)).sum(-1)


def by_yes(x: np.ndarray, t: np.ndarray, weight: float = 1) -> np.ndarray:
    return -(weight * t * np.log(sigma(x)) + (1 - t) * np.log(1 - sigma(x)))


def overlap(op: Any, x: np.ndarray, t: np.ndarray, twice: int) -> np.ndarray:
    if x.ndim > t.ndim:  # the mean over classes
        p = np.moveaxis(np.exp(logs(x, op.axis % (x.ndim - 1) + 1)), op.axis % (x.ndim - 1) + 1, 0)
        each = [
            one(share, (t == number).astype(float), op.smooth, twice)
            for number, share in enumerate(p)
        ]
        return np.mean(each, axis=0)
    return one(sigma(x), t, op.smooth, twice)


def one(p: np.ndarray, t: np.ndarray, smooth: float, twice: int) -> np.ndarray:
    p, t = p.reshape(len(p), -1), t.reshape(len(t), -1)
    both, size = (p * t).sum(1), p.sum(1) + t.sum(1)
    return 1 - (twice * both + smooth) / (size - (2 - twice) * both + smooth)


def student(m: np.ndarray, s: np.ndarray, t: np.ndarray, f: float) -> np.ndarray:
    z = (t - m) / s
    density = math.gamma((f + 1) / 2) / (math.sqrt(f * math.pi) * math.gamma(f / 2))
    return -np.log(density / s * (1 + z**2 / f) ** (-(f + 1) / 2))


def spelt(blank: int, frames: np.ndarray, target: np.ndarray) -> float:
    """Minus the logarithm of all ways to spell a target, tried one after the other."""
    letters = [int(c) for c in target if c != blank]
    shares: dict[tuple[tuple[int, ...], int], float] = {((), blank): 1.0}
    for frame in frames:
        longer: dict[tuple[tuple[int, ...], int], float] = {}
        for (said, before), share in shares.items():
            for letter, more in enumerate(frame):
                text = said if letter in (blank, before) else (*said, letter)
                if list(text) == letters[: len(text)]:
                    key = (text, letter)
                    longer[key] = longer.get(key, 0.0) + share * float(more)
        shares = longer
    whole = sum(share for (said, _), share in shares.items() if list(said) == letters)
    return -math.log(whole) if whole else 0.0


FORMULAS: dict[str, Callable[..., np.ndarray]] = {
    "mse": lambda op, x, t: (x - t) ** 2,
    "mae": lambda op, x, t: abs(x - t),
    "huber": lambda op, x, t: np.where(
        abs(x - t) <= op.delta, (x - t) ** 2 / 2, op.delta * (abs(x - t) - op.delta / 2)
    ),
    "log_cosh": lambda op, x, t: np.log(np.cosh(x - t)),
    "quantile": lambda op, x, t: (
        lambda d, q: np.where(d > 0, q * d, (q - 1) * d)
    )((t[..., None] if isinstance(op.level, tuple) else t) - x, np.array(op.level)),
    "gaussian_nll": lambda op, m, v, t: (np.log(v) + (t - m) ** 2 / v) / 2,
    "poisson_nll": lambda op, r, t: r - t * np.log(r + op.epsilon),
    "student_t_nll": lambda op, m, s, t: student(m, s, t, op.freedom),
    "kl_divergence": lambda op, q, p: (
        lambda a, b: np.exp(b) * (b - a)
    )(*((logs(q), logs(p)) if op.source == "logits" else (q, p))),
    "kl_to_normal": lambda op, m, v: -(1 + v - m**2 - np.exp(v)) / 2,
    "cosine": lambda op, x, t: (
        1 - (x * t).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(t, axis=-1)
    ),
    "contrastive": lambda op, a, b: (
        lambda s: (by_class(s, np.arange(len(s)), -1) + by_class(s.T, np.arange(len(s)), -1)) / 2
    )(
        (a / np.linalg.norm(a, axis=-1, keepdims=True))
        @ (b / np.linalg.norm(b, axis=-1, keepdims=True)).T
        / op.temperature
    ),
    "triplet": lambda op, a, p, n: np.maximum(
        0, np.linalg.norm(a - p, axis=-1) - np.linalg.norm(a - n, axis=-1) + op.margin
    ),
    "cross_entropy": lambda op, x, t: by_class(x, t, op.axis, op.label_smoothing),
    "binary_cross_entropy": lambda op, x, t: by_yes(
        x, t * (1 - op.label_smoothing) + op.label_smoothing / 2, op.pos_weight
    ),
    "focal": lambda op, x, t: (
        lambda losses: (1 - np.exp(-losses)) ** op.gamma * losses
    )(by_yes(x, t) if x.shape == t.shape else by_class(x, t, -1)),
    "hinge": lambda op, x, t: np.maximum(0, 1 - np.where(t == 1, 1, -1) * x),
    "dice": lambda op, x, t: overlap(op, x, t, 2),
    "ctc": lambda op, x, t: np.array([spelt(op.blank, *row) for row in zip(np.exp(logs(x)), t)]),
    "jaccard": lambda op, x, t: overlap(op, x, t, 1),
}  # fmt: skip


def expected(op: Any, arrays: Arrays) -> float:
    """The number that the documentation promises."""
    losses = FORMULAS[op.name](op, *arrays)
    target, counts = arrays[-1], np.ones(losses.shape)
    if getattr(op, "ignore", None) is not None:
        counts = (target != op.ignore) * counts
    weights = getattr(op, "class_weight", None)
    if weights is not None:
        counts = counts * np.array(weights)[np.clip(target, 0, None)]
    summed = getattr(op, "reduce", "") == "sum" or op.name.startswith("kl_")
    if summed:
        return float((losses * counts).reshape(len(losses), -1).sum(1).mean())
    return float((losses * counts).sum() / max(counts.sum(), 1e-300))


# --- the programs -----------------------------------------------------------------------------


def value(found: Function, names: dict[str, Any], arrays: list[Any]) -> Any:
    """The number that a rule's expression stands for."""
    words = ("first", "second", "third", "fourth")[: len(arrays)]
    text = expression(found.build([Name(word) for word in words]))
    return eval(text, names, dict(zip(words, arrays)))  # the compiler's own text


def compared(
    rules: dict[str, Any], arrays: Arrays, wanted: float, keras_too: bool, near: float = 1e-8
) -> None:
    """Holds the three numbers against the formula's, and two gradients against each other."""
    import keras
    import tensorflow as tf
    import torch
    import torch.nn.functional as F

    from bmc_keras.parts import losses as keras_parts
    from bmc_programs.parts import losses, scores, values
    from bmc_torch.parts import losses as torch_parts

    numpy = vars(losses) | vars(scores) | vars(values)
    assert value(rules["numpy"], numpy, arrays) == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    tensors = [torch.from_numpy(array) for array in arrays]
    given = [tensors[0].requires_grad_(), *tensors[1:]]
    mine = value(rules["torch"], vars(torch_parts) | {"F": F, "torch": torch}, given)
    mine.backward()
    assert mine.item() == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    if not keras_too:  # TensorFlow without a graph is slow
        return
    constants = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(constants[0])
        theirs = value(rules["keras"], vars(keras_parts) | {"keras": keras}, constants)
    assert float(theirs) == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    gradient = tape.gradient(theirs, constants[0]).numpy()
    np.testing.assert_allclose(tensors[0].grad.numpy(), gradient, rtol=1e-5, atol=near)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_loss_is_its_formula(name: str, number: int) -> None:
    sample = LOSSES[name].samples[number]
    loss = make(LOSSES[name], sample)
    rules = {table: rule(table, loss, sample) for table in TABLES}
    assert all(isinstance(found, Function) for found in rules.values())
    near = 1e-6 if name == "ctc" else 1e-8  # TensorFlow has it in float32 alone
    for seed in range(DRAWS):
        arrays = drawn(loss, sample, seed)
        compared(rules, arrays, expected(loss, arrays), seed % 10 == 0, near)


def weighable() -> list[Any]:
    """The samples of losses whose mean can be weighted."""
    found = []
    for name, declared in sorted(LOSSES.items()):
        for number, sample in enumerate(declared.samples):
            loss = make(declared, sample)
            if loss.values().get("reduce") == "mean" and not any(
                getattr(loss, key, None) not in (None, 0.0)
                for key in ("ignore", "class_weight", "label_smoothing")
            ):
                found.append(pytest.param(name, number, id=f"{name}-{number}"))
    return found


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("name", "number"), weighable())
def test_samples_weigh_what_is_said(name: str, number: int) -> None:
    """A weight for each row, and for each place; none that weighs, too."""
    sample = LOSSES[name].samples[number]
    loss = make(LOSSES[name], sample)
    types = tuple(type_of(entry) for entry in sample.inputs)
    weighted = Weighted(loss)
    for shape in {(), loss.places(*types)}:
        site = Site((*types, TensorType("float", shape)), (SCALAR,), {})
        assert weighted.infer(*site.inputs) == SCALAR
        rules = {
            table: rule_for(importlib.import_module(path).LOWERINGS, weighted, site)
            for table, path in TABLES.items()
        }
        for seed in range(10):
            arrays = drawn(loss, sample, seed)
            losses = FORMULAS[name](loss, *arrays)
            chance = np.random.default_rng(seed)
            weights = np.asarray(chance.random(losses.shape[: 1 + len(shape)]) * (seed > 0))
            over = weights.reshape(*weights.shape, *[1] * (losses.ndim - weights.ndim))
            over = np.broadcast_to(over, losses.shape)
            wanted = float((losses * over).sum() / max(over.sum(), 1e-300))
            compared(rules, [*arrays, weights], wanted, seed < 2)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cross_entropy", {"ignore": 0}), ("cross_entropy", {"class_weight": (1.0, 2.0)}),
        ("binary_cross_entropy", {"label_smoothing": 0.1}), ("mse", {"reduce": "sum"}),
        ("dice", {}), ("kl_divergence", {}),
    ],
)  # fmt: skip
def test_weights_that_mean_nothing(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match=r"weight|weighs"):
        Weighted(LOSSES[name](**settings))


def test_every_loss_is_tested() -> None:
    """A loss has a rule in every table, and a formula here."""
    for name, declared in LOSSES.items():
        for path in TABLES.values():
            lowerings = importlib.import_module(path).LOWERINGS
            lowerings.load(declared.__module__.rpartition(".")[2])
            assert declared in lowerings.rules, (name, path)
        assert name in FORMULAS
