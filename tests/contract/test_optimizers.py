"""Every optimiser: PyTorch's updates, Keras's, and those of the papers, with and without decay."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bmc.ops.optimizers  # noqa: F401  (declaring an optimiser registers it)
from bmc.emit.backend import NOWHERE, Lowerings, Update
from bmc.emit.lowering import rule_for
from bmc.ops.kinds import REGISTRY
from bmc.ops.optimizers import Optimizer
from bmc.samples import make

OPTIMIZERS: dict[str, type[Optimizer]] = REGISTRY["optimizer"]  # type: ignore[assignment]
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, declared in sorted(OPTIMIZERS.items())
    if not declared.whole  # those that compute losses as they go have tests of their own
    for number in range(len(declared.samples))
]
SHAPE, UPDATES = (3, 4), 40


def updates() -> Iterator[tuple[float, np.ndarray]]:
    """Rates that change, and gradients of different sizes, one of them zero."""
    chance = np.random.default_rng(3)
    for number in range(UPDATES):
        scale = 0.0 if number == 7 else 10.0 ** -(number % 5)
        yield 1 / (1 + number / 10), scale * chance.standard_normal(SHAPE)


def rule(backend: str, optimizer: Optimizer) -> Any:
    lowerings: Lowerings = importlib.import_module(f"bmc_{backend}.lower.table").LOWERINGS
    return rule_for(lowerings, optimizer, NOWHERE)


def keywords(update: Update, optimizer: Optimizer) -> dict[str, Any]:
    given = dict(update.settings.values()) | dict(update.fixed)
    return given | ({"weight_decay": optimizer.weight_decay} if optimizer.weight_decay else {})


def by_torch(update: Update, optimizer: Optimizer, start: np.ndarray) -> np.ndarray:
    import torch

    from bmc_torch.parts import optimizers as own

    weight = torch.nn.Parameter(torch.tensor(start))
    kind = getattr(own if update.classes else torch.optim, update.kind.rpartition(".")[2])
    made = kind([weight], lr=optimizer.lr, **keywords(update, optimizer))
    for rate, gradient in updates():
        made.param_groups[0]["lr"] = optimizer.lr * rate
        weight.grad = torch.tensor(gradient)
        made.step()
    return weight.detach().numpy()


def by_keras(
    update: Update, optimizer: Optimizer, start: np.ndarray, turned: Any = None
) -> np.ndarray:
    """`turned` says what Keras makes of a matrix: its axes, and its shape."""
    import keras
    import tensorflow as tf

    from bmc_keras.parts import adafactor, muon, optimizers

    own = {"Muon": muon, "Adafactor": adafactor}.get(update.kind, optimizers)
    weight = keras.Variable(start, dtype="float64")
    axes, shape = turned or (tuple(range(start.ndim)), start.shape)
    place = SimpleNamespace(variable=weight, axes=axes, shape=shape, ndim=len(shape))
    place.store = lambda: np.empty(shape)
    more: dict[str, Any] = {"matrices": [place] if len(shape) == 2 else []} if own is muon else {}
    more = {"places": [place]} if own is adafactor else more
    made = getattr(own, update.kind)(optimizer.lr, **keywords(update, optimizer), **more)
    made.build([weight])
    rates = keras.Variable(optimizer.lr, dtype="float64", trainable=False)
    made._learning_rate = rates  # else rounded to single precision
    for rate, gradient in updates():
        rates.assign(optimizer.lr * rate)
        made.apply([tf.constant(gradient)], [weight])
    return np.asarray(weight)


def by_paper(op: Any, start: np.ndarray) -> np.ndarray | None:
    """What the documentation says, for those that PyTorch does not have."""
    w, m, v = start.copy(), np.zeros(SHAPE), np.zeros(SHAPE)
    for t, (rate, g) in enumerate(updates(), start=1):
        lr = op.lr * rate
        if op.name == "lion":
            w -= lr * op.weight_decay * w
            w -= lr * np.sign(op.betas[0] * m + (1 - op.betas[0]) * g)
            m = op.betas[1] * m + (1 - op.betas[1]) * g
        elif op.name == "muon":
            w -= lr * op.weight_decay * w
            m = op.momentum * m + (1 - op.momentum) * g
            x = (1 - op.momentum) * g + op.momentum * m if op.nesterov else m
            x = x / np.linalg.norm(x)
            for _ in range(5):
                x = 3.4445 * x - 4.775 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
            w -= lr * 0.2 * np.sqrt(max(w.shape)) * x
        elif op.name == "lamb":
            m = op.betas[0] * m + (1 - op.betas[0]) * g
            v = op.betas[1] * v + (1 - op.betas[1]) * g**2
            first, second = m / (1 - op.betas[0] ** t), v / (1 - op.betas[1] ** t)
            u = first / (np.sqrt(second) + op.epsilon) + op.weight_decay * w
            w -= lr * np.linalg.norm(w) / np.linalg.norm(u) * u
        elif op.name == "sgdw":
            w -= lr * op.weight_decay * w
            m = op.momentum * m + g
            w -= lr * (g + op.momentum * m if op.nesterov else m)
        else:
            return None
    return w


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("name", "number"), CASES)
def test_the_updates_are_one(name: str, number: int) -> None:
    optimizer: Any = make(OPTIMIZERS[name], OPTIMIZERS[name].samples[number])
    start = np.random.default_rng(2).standard_normal(SHAPE)
    ours = {backend: rule(backend, optimizer) for backend in ("torch", "keras")}
    assert all(isinstance(update, Update) for update in ours.values())
    theirs = by_torch(ours["torch"], optimizer, start)
    assert np.abs(theirs - start).max() > 1e-3
    np.testing.assert_allclose(by_keras(ours["keras"], optimizer, start), theirs, rtol=1e-9)
    paper = by_paper(optimizer, start)
    assert (paper is not None) == bool(ours["torch"].classes)
    if paper is not None:
        np.testing.assert_allclose(theirs, paper, rtol=1e-9)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("shape", [(5,), (3, 2, 2, 2)])
def test_muon_is_adamw_for_what_is_no_matrix(shape: tuple[int, ...], monkeypatch: Any) -> None:
    monkeypatch.setitem(globals(), "SHAPE", shape)
    start = np.random.default_rng(2).standard_normal(shape)
    muon = make(OPTIMIZERS["muon"], OPTIMIZERS["muon"].samples[1])
    adamw = OPTIMIZERS["adamw"].make({"lr": 1e-3, "weight_decay": 0.1})
    theirs = by_torch(rule("torch", adamw), adamw, start)
    np.testing.assert_allclose(by_torch(rule("torch", muon), muon, start), theirs, rtol=1e-9)
    np.testing.assert_allclose(by_keras(rule("keras", muon), muon, start), theirs, rtol=1e-9)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(
    ("shape", "axes"), [((5,), (0,)), ((6, 5, 2, 3), (3, 2, 0, 1)), ((5, 6), (1, 0))]
)
def test_adafactor_takes_the_last_axes_of_the_file(
    shape: tuple[int, ...], axes: tuple[int, ...], monkeypatch: Any
) -> None:
    monkeypatch.setitem(globals(), "SHAPE", shape)
    start = np.random.default_rng(2).standard_normal(shape)
    adafactor = make(OPTIMIZERS["adafactor"], OPTIMIZERS["adafactor"].samples[1])
    theirs = by_torch(rule("torch", adafactor), adafactor, start)
    turn = np.argsort(axes)
    of_keras = [(rate, g.transpose(turn)) for rate, g in updates()]
    monkeypatch.setitem(globals(), "updates", lambda: of_keras)
    turned = start.transpose(turn)
    mine = by_keras(rule("keras", adafactor), adafactor, turned, (axes, shape))
    np.testing.assert_allclose(mine.transpose(axes), theirs, rtol=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_muon_steps_are_nearly_orthogonal(shape: tuple[int, int]) -> None:
    import torch

    from bmc_torch.parts.optimizers import orthogonal

    matrix = torch.tensor(np.random.default_rng(5).standard_normal(shape))
    sizes = torch.linalg.svdvals(orthogonal(matrix))
    assert float(sizes.min()) > 0.6 and float(sizes.max()) < 1.3


@pytest.mark.torch
@pytest.mark.keras
def test_muon_knows_a_matrix_by_its_place(monkeypatch: Any) -> None:
    """Keras gives the projections of attention three axes, and their biases two."""
    muon = make(OPTIMIZERS["muon"], OPTIMIZERS["muon"].samples[1])
    start = np.random.default_rng(2).standard_normal((6, 4))
    monkeypatch.setitem(globals(), "SHAPE", (6, 4))
    theirs = by_torch(rule("torch", muon), muon, start)
    drawn = updates()
    of_keras = [(rate, g.reshape(2, 3, 4).transpose(2, 0, 1)) for rate, g in drawn]
    monkeypatch.setitem(globals(), "updates", lambda: of_keras)
    kernel = start.reshape(2, 3, 4).transpose(2, 0, 1)
    mine = by_keras(rule("keras", muon), muon, kernel, ((1, 2, 0), (6, 4)))
    np.testing.assert_allclose(mine.transpose(1, 2, 0).reshape(6, 4), theirs, rtol=1e-9)
    adamw = OPTIMIZERS["adamw"].make({"lr": 1e-3, "weight_decay": 0.1})
    bias = np.random.default_rng(2).standard_normal((2, 3))
    flat = [(rate, g[:2, :3]) for rate, g in drawn]
    monkeypatch.setitem(globals(), "updates", lambda: flat)
    plain = by_torch(rule("torch", adamw), adamw, bias)
    mine = by_keras(rule("keras", muon), muon, bias, ((0, 1), (6,)))
    np.testing.assert_allclose(mine, plain, rtol=1e-9)


def bent(x: np.ndarray) -> tuple[float, np.ndarray]:
    """A curved valley (Rosenbrock 1960), and its gradient."""
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] = -2 * (1 - a) - 400 * a * (b - a**2)
    gradient[1:] += 200 * (b - a**2)
    return float(np.sum((1 - a) ** 2 + 100 * (b - a**2) ** 2)), gradient


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("number", [0, 1])
def test_lbfgs_finds_the_bottom_of_a_valley_in_the_same_steps(number: int) -> None:
    import keras
    import tensorflow as tf
    import torch

    from bmc_keras.parts.lbfgs import LBFGS

    @dataclass(frozen=True)
    class Place:
        variable: Any

        def store(self) -> np.ndarray:
            return self.variable.numpy()

        def restore(self, array: np.ndarray) -> None:
            self.variable.assign(array)

    op: Any = make(OPTIMIZERS["lbfgs"], OPTIMIZERS["lbfgs"].samples[number])
    start = np.random.default_rng(3).standard_normal(6)
    weight = torch.nn.Parameter(torch.tensor(start))
    theirs = torch.optim.LBFGS([weight], lr=op.lr, **keywords(rule("torch", op), op))
    variable = keras.Variable(start, dtype="float64")
    mine = LBFGS(op.lr, **keywords(rule("keras", op), op), places={"w": Place(variable)})

    def closure() -> torch.Tensor:
        loss, gradient = bent(weight.detach().numpy())
        weight.grad = torch.tensor(gradient)
        return torch.tensor(loss, dtype=torch.float64)

    def evaluate() -> tuple[float, list[tf.Tensor]]:
        loss, gradient = bent(variable.numpy())
        return loss, [tf.constant(gradient)]

    for epoch in range(15):
        before = float(theirs.step(closure))
        np.testing.assert_allclose(mine.minimize(evaluate, [variable]), before, rtol=1e-6)
        if epoch == 1:  # what it remembers is all that it needs
            again = LBFGS(op.lr, op.iterations, op.history, {"w": Place(variable)})
            again.restore(mine.state())
            mine = again
    assert before < 1e-8
    np.testing.assert_allclose(variable.numpy(), 1, atol=1e-4)
