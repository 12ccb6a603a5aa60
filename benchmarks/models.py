"""Generated models against models written by hand, in PyTorch; ONNX against PyTorch.

    OMP_NUM_THREADS=1 python benchmarks/models.py [pairs]

The same batch goes through both in turn (A B A B …); what counts is the median of the ratios, not
any of the times. Above one, the generated model is slower.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from by_hand import GPT, LSTMTagger, resnet50
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
TAGGER = """model Tagger {
  input words: int[T <= 128]
  x = words -> embedding(5000, 128) -> lstm(256, layers=2)
  output tags = x -> dense(20)
}
"""


def generated(spec: Path, backend: str, folder: Path, *more: str) -> ModuleType:
    """The model.py of a spec, imported."""
    from bmc.verify.probe import load_module

    place = folder / f"{spec.stem}_{backend}"
    command = ["-m", "bmc", "compile", str(spec), "--backend", backend, "-o", str(place), *more]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return load_module(place / "model.py")


def step(model: nn.Module, batch: Tensor) -> Callable[[], None]:
    """Forward and backward of one batch."""

    def run() -> None:
        model.zero_grad(set_to_none=True)
        model(batch).square().mean().backward()

    return run


def ratios(ours: Callable[[], Any], theirs: Callable[[], Any], pairs: int) -> list[float]:
    """How long ours takes, as a share of theirs, for each pair of runs."""
    found = []
    for _ in range(2):
        ours(), theirs()
    for pair in range(pairs):
        times = []
        for run in (ours, theirs) if pair % 2 == 0 else (theirs, ours):
            begin = time.process_time()
            run()
            times.append(time.process_time() - begin)
        mine, other = times if pair % 2 == 0 else times[::-1]
        found.append(mine / other)
    return found


def on_onnxruntime(module: ModuleType, model: nn.Module, name: str) -> Any:
    """The graph of an ONNX program, with the weights of the PyTorch program."""
    from bmc_onnx.probe import Model

    state = {key: tensor.detach().numpy() for key, tensor in model.state_dict().items()}
    kept = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    return Model(module, name, kept, "float32")


def predicting(graph: Any, model: nn.Module, batch: Tensor, pairs: int) -> list[float]:
    """Predicting on onnxruntime, as a share of PyTorch's time."""
    model.eval()
    with torch.inference_mode():
        return ratios(lambda: graph.run([batch.numpy()]), lambda: model(batch), pairs)


def row(name: str, found: list[float]) -> None:
    middle = statistics.median(found)
    low, high = np.quantile(found, [0.25, 0.75])
    print(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {len(found)} |", flush=True)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    torch.set_num_threads(1)
    torch.manual_seed(0)
    image = torch.randn(4, 3, 224, 224)
    tokens = torch.randint(0, 5000, (2, 128))
    words = torch.randint(0, 5000, (16, 100))
    print("| what | median of the ratios | middle half | pairs |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tagger = folder / "tagger.bm"
        tagger.write_text(TAGGER, encoding="utf-8")
        small = ("--set", "GPT2.depth=4", "--set", "GPT2.vocab=5000")
        gpt = folder / "gpt2.bm"
        text = (ROOT / "specs/text/gpt2.bm").read_text("utf-8")
        kept = [line for line in text.splitlines() if "assert" not in line]
        gpt.write_text("\n".join(kept), encoding="utf-8")
        cases: list[tuple[str, str, Path, nn.Module, Tensor, tuple[str, ...]]] = [
            ("ResNet-50", "ResNet50", ROOT / "specs/vision/resnet50.bm", resnet50(), image, ()),
            ("GPT-2, 4 blocks", "GPT2", gpt, GPT(5000, 1024, 768, 4, 12), tokens, small),
            ("LSTM, 2 layers", "Tagger", tagger, LSTMTagger(5000, 128, 256, 2, 20), words, ()),
        ]
        for title, kind, spec, theirs, batch, more in cases:
            ours = getattr(generated(spec, "torch", folder, *more), kind)()
            row(f"{title}: generated / by hand, training step",
                ratios(step(ours, batch), step(theirs, batch), pairs))  # fmt: skip
            graph = on_onnxruntime(generated(spec, "onnx", folder, *more), ours, kind)
            row(f"{title}: ONNX / PyTorch, prediction", predicting(graph, ours, batch, pairs))


if __name__ == "__main__":
    main()
