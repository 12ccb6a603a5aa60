"""Models of pictures as torchvision defines them: their weights come in and give their outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.definitions import definitions
from tests.models.test_zoo import agree, arrays, program, randomized
from tests.programs.project import SPECS

from bmc.ir.cost import parameters

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx, pytest.mark.nightly]
# Spec and function of torchvision; tests check that both have the same number of parameters.
MODELS = {
    "resnet18": "resnet18",
    "densenet121": "densenet121",
    "googlenet": "googlenet",
    "mobilenetv3_large": "mobilenet_v3_large",
    "efficientnet_b0": "efficientnet_b0",
    "regnet_y_400mf": "regnet_y_400mf",
    "convnext_tiny": "convnext_tiny",
    "shufflenetv2": "shufflenet_v2_x1_0",
    "swin_t": "swin_t",
}
AUXILIARY = {"aux1.{path*}", "aux2.{path*}"}  # heads that published files have


def made(models: Any, name: str) -> Any:
    """A model with random weights, those that are counted while training, too."""
    import torch

    more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    model = randomized(getattr(models, name)(weights=None, **more))
    for key, buffer in model.named_buffers():
        if key.endswith("running_mean"):
            buffer += torch.randn_like(buffer) * 0.1
        if key.endswith("running_var"):
            buffer *= torch.rand_like(buffer) + 0.5
    return model


@pytest.mark.large
@pytest.mark.parametrize("spec", MODELS)
def test_models_agree(spec: str, tmp_path: Path) -> None:
    import torch

    theirs = made(definitions(), MODELS[spec])
    ours = program(spec, tmp_path, {}, "vision")
    assert sum(p.numel() for p in theirs.parameters()) == parameters(ours.main)
    image = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype("float32")
    with torch.no_grad():
        logits = theirs(torch.from_numpy(image)).numpy()
    names = SPECS / "vision" / "names" / f"{spec}.json"
    agree(ours, arrays(theirs.state_dict()), names, [image], [logits], tmp_path, AUXILIARY)
