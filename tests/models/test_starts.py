"""How weights start: every layer of a program as its own initialiser says, copies included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.models.agree import NUMBERS, load

from bmc.emit.names import class_name
from bmc.verify.chance import draw_weights
from bmc.verify.probe import load_module

pytestmark = [pytest.mark.torch, pytest.mark.keras]


def started(text: str, folder: Path, backend: str) -> dict[str, np.ndarray]:
    """The weights of a program before anything is loaded."""
    spec, files = load(f"model Net {{\n{text}\n}}\n", folder)
    path = folder / f"{backend}{next(NUMBERS)}.py"
    path.write_text(files[backend], encoding="utf-8")
    module = load_module(path)
    if backend == "torch":
        state = getattr(module, class_name(spec.name))().state_dict()
        return {name: value.numpy() for name, value in state.items()}
    names = draw_weights(spec, "float32", 0)
    built = getattr(module, f"build_{class_name(spec.name).lower()}")
    places = module.name_weights(built())
    return {name: np.asarray(places[name].variable) for name in names}


CASES = {
    "copies": "input x: float[6]\n"
    "output y = x -> dense(6, init=constant(2)) * 3 -> dense(6, init=constant(3)) * 2"
    " -> dense(5, init=constant(4))",
    "copies that see other shapes": "input x: float[6]\n"
    "output y = x -> dense(5, init=constant(2)) * 3 -> dense(6, init=constant(3))",
    "repeats of repeats": "input x: float[6]\n"
    "h = x -> ((dense(6, init=constant(2))) * 2) * 2\n"
    "output y = h -> dense(6, init=constant(3))",
    "recurrent layers of two classes": "input x: float[7, 3]\n"
    "a = x -> lstm(2, bias=false, init=constant(2), recurrent_init=constant(2)) * 2\n"
    "b = x -> lstm(4, bidirectional=true, init=constant(3), recurrent_init=constant(3))\n"
    "layer f = lstm(4, init=constant(4), recurrent_init=constant(4))\n"
    "output y = (a, b, x -> f) -> concat",
    "members of a family": "input x: int[4]\n"
    "layer e[0] = embedding(9, 4, init=constant(2))\n"
    "layer e[3] = embedding(9, 4, init=constant(3))\n"
    "output y = (x -> e[0]) + (x -> e[3])",
    "norms and factors": "input x: float[4, 6]\n"
    "output y = x -> prelu(init=constant(2)) * 2 -> prelu(init=constant(3)) -> layer_norm",
    "a parameter of no axes": "input x: float[4]\nparam a: float[] = glorot_uniform\n"
    "param b: float[] = constant(2)\noutput y = x * a + b",
}


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("name", CASES)
def test_every_weight_starts_as_it_says(name: str, backend: str, tmp_path: Path) -> None:
    """The constants of a case say by their numbers which layer they belong to."""
    text = CASES[name]
    found = started(text, tmp_path, backend)
    numbers = {2.0, 3.0, 4.0}
    seen = set()
    for key, value in found.items():
        if value.ndim < 2 and "prelu" not in key and key not in ("a", "b"):
            continue
        if key == "a":
            assert abs(float(value)) <= 3**0.5
            continue
        first = float(np.ravel(value)[0])
        assert first in numbers and np.all(value == first), key
        seen.add(first)
    assert seen == {n for n in numbers if f"constant({n:.0f})" in text}
