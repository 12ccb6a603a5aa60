"""Every loss with a rule: three programs' expressions of it give one number, and one gradient."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import bmc.ops.losses  # noqa: F401  (declaring a loss registers it)
from bmc.emit.backend import Function, Lowerings, Site
from bmc.emit.layout import expression
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Name
from bmc.ops.base import Sample
from bmc.ops.kinds import REGISTRY
from bmc.ops.losses import SCALAR, Loss
from bmc.samples import make, type_of

LOSSES: dict[str, type[Loss]] = REGISTRY["loss"]  # type: ignore[assignment]
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, declared in sorted(LOSSES.items())
    for number in range(len(declared.samples))
]
ROWS = 5
TABLES = {
    "torch": "bmc_torch.lower.table",
    "keras": "bmc_keras.lower.table",
    "numpy": "bmc_programs.lower.table",
}


def rule(table: str, loss: Loss, sample: Sample) -> Any:
    """What a table makes of a loss: a rule, or why there is none."""
    lowerings: Lowerings = importlib.import_module(TABLES[table]).LOWERINGS
    types = tuple(type_of(entry) for entry in sample.inputs)
    return rule_for(lowerings, loss, Site(types, (SCALAR,), {}))


def drawn(sample: Sample) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    arrays = []
    for entry in sample.inputs:
        kind = type_of(entry)
        shape = (ROWS, *map(int, kind.shape))  # type: ignore[arg-type]
        if kind.dtype == "int":
            below = int(str(entry[0]).partition(":")[2])
            arrays.append(chance.integers(0, below, shape))
        else:
            arrays.append(chance.standard_normal(shape).astype("float32"))
    return arrays


def value(found: Function, names: dict[str, Any], arrays: list[Any]) -> Any:
    """The number that a rule's expression stands for."""
    words = ("prediction", "target")[: len(arrays)]
    text = expression(found.build([Name(word) for word in words]))
    return eval(text, names, dict(zip(words, arrays)))  # the compiler's own text


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_loss_is_one_number(name: str, number: int) -> None:
    import keras
    import tensorflow as tf
    import torch
    import torch.nn.functional as F

    from bmc_programs.parts import scores

    sample = LOSSES[name].samples[number]
    loss = make(LOSSES[name], sample)
    rules = {table: rule(table, loss, sample) for table in TABLES}  # type: ignore[arg-type]
    if not all(isinstance(found, Function) for found in rules.values()):
        reasons = [found.reason for found in rules.values() if not isinstance(found, Function)]
        assert all("not lowered yet" in reason for reason in reasons)
        pytest.skip("refused by name")
    arrays = drawn(sample)
    expected = value(rules["numpy"], vars(scores), arrays)
    tensors = [torch.from_numpy(array) for array in arrays]
    mine = value(
        rules["torch"], {"F": F, "torch": torch}, [tensors[0].requires_grad_(), *tensors[1:]]
    )
    mine.backward()
    given = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(given[0])
        theirs = value(rules["keras"], {"keras": keras, "ops": keras.ops}, given)
    gradient = tape.gradient(theirs, given[0]).numpy()
    np.testing.assert_allclose(float(mine), expected, rtol=1e-5)
    np.testing.assert_allclose(float(theirs), expected, rtol=1e-5)
    np.testing.assert_allclose(tensors[0].grad.numpy(), gradient, rtol=1e-5, atol=1e-7)


def test_which_losses_are_lowered() -> None:
    """A loss that is declared and lowered nowhere says so; none has a rule in one table alone."""
    for name, declared in LOSSES.items():
        with_rules = set()
        for table in TABLES:
            lowerings = importlib.import_module(TABLES[table]).LOWERINGS
            lowerings.load("losses")
            if declared in lowerings.rules:
                with_rules.add(table)
        assert with_rules in (set(), set(TABLES)), name
    assert {"cross_entropy", "mse", "mae", "huber"} <= LOSSES.keys()
