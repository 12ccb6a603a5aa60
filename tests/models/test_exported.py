"""PyTorch programs are exported whole, with batches and lengths of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.agree import load, module_of

from bmc.verify.chance import draw_inputs

pytestmark = pytest.mark.torch
MODELS = {
    "a padded norm": """
  input words: int[T <= 50, pad=0]
  x = words -> embedding(9, 4) -> batch_norm(axis=-1)
  output y = x -> mean(axis=0) -> dense(2)""",
    "masked attention": """
  input words: int[T <= 50, pad=0]
  x = words -> embedding(9, 4) -> learned_positions(50) -> self_attention(2) -> layer_norm
  output y = x -> mean(axis=0) -> dense(2)""",
    "causal attention": """
  input x: float[T, 4]
  h = x -> self_attention(2, causal=true, positions=rope)
  output y = h -> dense(3)""",
    "convolutions": """
  input x: float[3, H, W]
  h = x -> conv(4, kernel=3, padding=1) -> batch_norm -> relu -> max_pool(2)
  output y = h -> global_avg_pool -> dense(2)""",
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_are_exported(kind: str, tmp_path: Path) -> None:
    import torch

    torch.set_default_dtype(torch.float32)  # whatever other tests left
    spec, files = load(f"model Net {{{MODELS[kind]}\n}}\n", tmp_path, ("torch",))
    model = module_of(files["torch"], tmp_path, "torch").Net().eval()
    (entry,) = spec.inputs
    sizes = entry.value.type.shape
    free = {axis for axis, size in enumerate(sizes, 1) if not isinstance(size, int)}
    shapes = ({axis: torch.export.Dim.AUTO for axis in {0, *free}},)
    given = [torch.from_numpy(array) for array in drawn(spec, 8)]
    exported = torch.export.export(model, tuple(given), dynamic_shapes=shapes).module()
    for length in (8, 14):
        (array,) = drawn(spec, length)
        inputs = torch.from_numpy(np.concatenate([array, array[:1]]))  # a batch of another size
        with torch.no_grad():
            torch.testing.assert_close(exported(inputs), model(inputs))


def drawn(spec: Any, length: int) -> list[np.ndarray]:
    """Inputs whose free axes are so long."""
    names = {
        name
        for d in spec.inputs[0].value.type.shape
        if not isinstance(d, int)
        for name in d.symbols()
    }
    return draw_inputs(spec, "float32", 0, dict.fromkeys(names, length))
