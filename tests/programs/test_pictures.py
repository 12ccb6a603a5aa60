"""Programs that read folders of pictures, a batch ahead of the device."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from tests.programs.project import compiled, run, succeed, written
from tests.programs.test_text import RULES, tool

from bmc_programs.parts.core import Arrays

SPEC = """
model Net {
  input image: float[3, 16, 16]
  x = image -> conv(8, kernel=3, stride=2) -> batch_norm -> relu -> global_avg_pool
  output logits = x -> dense(2)
}
data {
  source = folder("data", train="train", test="test")
  image  = "image"
    -> (if training then random_crop(16, padding=2) -> random_flip else resize(18) -> center_crop(16))
    -> scale(1 / 255)
  kind   = "class"
  split  = random(train=80%, validation=20%, seed=0)
}
train {
  loss      = (logits, kind) -> cross_entropy
  metrics   = (logits, kind) -> accuracy
  optimizer = adam(lr=2e-2)
  LENGTH
  batch     = 8
}
predict { kind = logits -> argmax -> undo(data.kind) }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and light pictures."""
    chance = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 30), ("test", 8)):
        for kind, shade in (("dark", 70), ("light", 180)):
            (root / part / kind).mkdir(parents=True)
            for number in range(count):
                noise = chance.normal(shade, 25, (20, 18 + number % 3, 3)).clip(0, 255)
                picture = Image.fromarray(noise.astype("uint8"))
                picture.save(root / part / kind / f"{number}.png")
    return root


@pytest.mark.parametrize("length", ["epochs    = 6", "steps     = 36"])
@pytest.mark.parametrize("backend", [
    pytest.param("torch", marks=pytest.mark.torch), pytest.param("keras", marks=pytest.mark.keras)
])  # fmt: skip
def test_pictures_are_learned(backend: str, length: str, folder: Path, tmp_path: Path) -> None:
    """From the folder to predictions; and a run that was cut goes on bit for bit."""
    (tmp_path / "net.bm").write_text(SPEC.replace("LENGTH", length))
    made = written(tmp_path / "program", tmp_path / "net.bm", backend)
    flag, all_, half = ("--epochs", 6, 3) if "epochs" in length else ("--steps", 36, 18)
    given = ("train.py", "--data", folder, "--out")
    succeed(made, *given, "whole", flag, all_)
    weights = ("--weights", "whole/weights.safetensors", "--data", folder)
    assert json.loads(succeed(made, "evaluate.py", *weights))["accuracy"] > 0.8
    succeed(made, "predict.py", *weights, "-o", "out.csv")
    assert len((made / "out.csv").read_text().splitlines()) > 1
    if backend == "torch":
        succeed(made, *given, "cut", flag, half)
        succeed(made, *given, "cut", flag, all_, "--resume")
        whole, cut = (load_file(made / out / "weights.safetensors") for out in ("whole", "cut"))
        assert all(np.array_equal(whole[name], cut[name]) for name in whole)


@pytest.mark.torch
def test_a_broken_picture_is_named(folder: Path, tmp_path: Path) -> None:
    """The thread that reads ahead hands on what goes wrong."""
    for path in folder.rglob("*.png"):
        copy = tmp_path / "data" / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    broken = tmp_path / "data" / "train" / "dark" / "3.png"
    broken.write_bytes(broken.read_bytes()[:60])
    (tmp_path / "net.bm").write_text(SPEC.replace("LENGTH", "epochs = 2"))
    made = written(tmp_path / "program", tmp_path / "net.bm", "torch")
    ended = run(made, "train.py", "--data", tmp_path / "data", "--out", "run")
    assert ended.returncode == 1
    assert "3.png" in ended.stderr and "Traceback" not in ended.stderr


def test_pictures_need_pillow(tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(SPEC.replace("LENGTH", "epochs = 2"))
    for backend in ("torch", "keras", "onnx"):
        assert "\npillow>=11\n" in compiled(tmp_path / "net.bm", backend)["requirements.txt"]


@pytest.mark.torch  # whose extra brings what the stock of programs imports
def test_the_next_batch_is_made_while_one_is_used() -> None:
    from bmc_programs.parts.runs import prepare_ahead

    made: list[int] = []
    begun = threading.Event()

    def batches() -> Iterator[Arrays]:
        for number in range(3):
            made.append(number)
            if number == 1:
                begun.set()
            yield {"x": np.array([number])}

    found = []
    for batch in prepare_ahead(batches()):
        if not found:
            assert begun.wait(10), "the second batch waits for the first"
        found.append(int(batch["x"][0]))
    assert found == made == [0, 1, 2]


@pytest.mark.torch
def test_what_goes_wrong_ahead_is_raised() -> None:
    from bmc_programs.parts.runs import prepare_ahead

    def batches() -> Iterator[Arrays]:
        yield {}
        raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        list(prepare_ahead(batches()))


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_programs_of_pictures_are_formatted(backend: str, tmp_path: Path) -> None:
    (tmp_path / "net.bm").write_text(SPEC.replace("LENGTH", "epochs = 2\n  log = [mlflow, wandb]"))
    written(tmp_path / "program", tmp_path / "net.bm", backend)
    assert tool(tmp_path / "program", "ruff", "check", *RULES, "--select", "E,F,I,UP,B", ".") == ""
    assert tool(tmp_path / "program", "ruff", "format", *RULES, "--check", ".") == ""
