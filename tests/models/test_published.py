"""Published models at full size: one set of weights, three programs, the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bmc import cli

SPECS = Path(__file__).parents[2] / "specs"
FULL = (
    "vision/resnet50",
    "vision/mobilenetv2",
    "vision/vgg16",
    "vision/vit_b16",
    "text/bert_base",
    "text/gpt2",
)
pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]


def verified(capsys: pytest.CaptureFixture[str], path: Path, *more: str) -> list[dict[str, Any]]:
    """What `bmc verify` found; it must have ended well."""
    code = cli.main(["verify", str(path), "--format", "json", *more])
    found = json.loads(capsys.readouterr().out)
    assert code == 0, found
    pairs: list[dict[str, Any]] = found["pairs"]
    return pairs


@pytest.mark.parametrize("name", ["vision/lenet", "tabular/mlp"])
def test_small_models_agree(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = verified(capsys, SPECS / f"{name}.bm", "--dtype", "float64")
    assert [pair["backend"] for pair in pairs] == ["keras", "onnx"]
    keras = {d["name"]: d["share"] for d in pairs[0]["differences"]}
    assert keras.keys() == {"logits", "gradients"}
    assert max(keras.values()) < 1e-12


@pytest.mark.nightly
@pytest.mark.large
@pytest.mark.parametrize("name", FULL)
def test_published_models_agree(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for pair in verified(capsys, SPECS / f"{name}.bm"):
        outputs = [d for d in pair["differences"] if d["name"] != "gradients"]
        assert outputs and all(d["share"] <= 1e-5 for d in outputs)


@pytest.mark.nightly
@pytest.mark.large
def test_llama_agrees_at_two_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (SPECS / "text/llama2_7b.bm").read_text("utf-8")
    lines = [line for line in text.splitlines() if "assert" not in line]
    path = tmp_path / "llama.bm"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for pair in verified(capsys, path, "--set", "Llama2.depth=2"):
        assert all(d["equal"] for d in pair["differences"])


def test_llama_runs_on_meta(tmp_path: Path) -> None:
    """Seven billion parameters need no memory where only shapes are computed."""
    import torch
    from tests.programs.project import compiled

    from bmc.verify.probe import load_module

    path = tmp_path / "llama.py"
    path.write_text(compiled(SPECS / "text" / "llama2_7b.bm", "torch")["model.py"], "utf-8")
    module = load_module(path)
    with torch.device("meta"):
        model = module.Llama2()
    assert sum(p.numel() for p in model.parameters()) == 6_738_415_616
    logits = model(torch.zeros((2, 64), dtype=torch.int64, device="meta"))
    assert tuple(logits.shape) == (2, 64, 32000)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.is_meta for p in model.parameters())
