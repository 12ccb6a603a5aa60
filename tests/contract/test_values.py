"""Every layer that programs evaluate in NumPy gives what PyTorch gives."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bmc_torch
from bmc import samples
from bmc.emit.backend import Function, Site
from bmc.emit.layout import expression
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Name
from bmc.ops.kinds import REGISTRY
from bmc.types.symbolic import known
from bmc.types.tensor import TensorType
from bmc_programs.lower.table import LOWERINGS

samples.load_declarations()
ROWS, FREE = 5, 6
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, declared in sorted(REGISTRY["layer"].items())
    for number in range(len(declared.samples))
    if LOWERINGS.find(samples.make(declared, declared.samples[number])) is not None
]


def drawn(kind: TensorType, chance: np.random.Generator) -> np.ndarray:
    """Rows of a type; positive, negative and equal numbers among them."""
    shape = (ROWS, *(int(size) if known(size) else FREE for size in kind.shape))
    if kind.dtype == "int":
        return chance.integers(0, 3, shape)
    return np.round(chance.standard_normal(shape) * 2, 1)


def of_torch(name: str) -> Any:
    """What a PyTorch program defines for itself."""
    for path in Path(bmc_torch.__file__).parent.glob("parts/*.py"):
        module = importlib.import_module(f"bmc_torch.parts.{path.stem}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AssertionError(name)


@pytest.mark.torch
@pytest.mark.parametrize(("name", "number"), CASES)
def test_numpy_gives_what_pytorch_gives(name: str, number: int) -> None:
    import torch
    import torch.nn.functional as F

    from bmc_programs.parts import values
    from bmc_torch.lower.table import LOWERINGS as TORCH

    declared: Any = REGISTRY["layer"][name]
    op = samples.make(declared, declared.samples[number])
    types = tuple(map(samples.type_of, declared.samples[number].inputs))
    made = op.infer(*types)
    site = Site(types, made if isinstance(made, tuple) else (made,), {})
    mine, theirs = rule_for(LOWERINGS, op, site), rule_for(TORCH, op, site)
    if not isinstance(mine, Function):
        pytest.skip("refused by name")
    assert isinstance(theirs, Function)
    chance = np.random.default_rng(1)
    arrays = [drawn(kind, chance) for kind in types]
    words = [f"x{number}" for number in range(len(arrays))]
    texts = [expression(rule.build([Name(word) for word in words])) for rule in (mine, theirs)]
    with np.errstate(all="ignore"):
        ours = eval(texts[0], vars(values) | dict(zip(words, arrays)))  # the compiler's own text
    tensors = [torch.tensor(array) for array in arrays]
    names: dict[str, Any] = {"torch": torch, "F": F}
    names |= {helper.name: of_torch(helper.name) for helper in theirs.support}
    wanted = eval(texts[1], names | dict(zip(words, tensors)))
    assert np.shape(ours) == tuple(wanted.shape)
    np.testing.assert_allclose(ours, wanted.numpy(), rtol=1e-6, atol=1e-9)


def test_most_functions_are_there() -> None:
    """A rule that goes missing would make the tests above fewer."""
    assert len(CASES) > 85
