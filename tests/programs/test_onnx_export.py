"""What `model.py --weights` of an ONNX program writes: a graph that any runtime opens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.programs.project import run, succeed, written

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
SPEC = """
## Flowers by their measures.
model Net(opset = 5, f = 4) {
  input x: float[T, 3]
  h = x -> lstm(f) -> last -> dense(opset) -> relu
  output logits = h -> dense(2)
}
"""


def program(folder: Path) -> Path:
    (folder / "net.bm").write_text(SPEC, encoding="utf-8")
    return written(folder / "program", folder / "net.bm", "onnx")


def draw(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Weights of the model, and what training learned."""
    from safetensors.numpy import save_file

    succeed(folder, "model.py")
    shapes = json.loads((folder / "model_graph.json").read_text())
    random = np.random.default_rng(0)
    tensors = {name: random.normal(size=shape).astype("f") for name, shape in shapes.items()}
    (folder / "run").mkdir()
    save_file(tensors, folder / "run" / "weights.safetensors")
    (folder / "run" / "learned.json").write_text('{"kind.category": {"classes": ["a", "b"]}}')
    return folder / "run" / "weights.safetensors", tensors


def test_weights_go_into_the_graph(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    made = program(tmp_path)
    weights, tensors = draw(made)
    with pytest.raises(Exception, match="given-apart"):  # never weights that nobody gave
        onnxruntime.InferenceSession(made / "model_graph.onnx")
    succeed(made, "model.py", "--weights", weights)
    model = onnx.load(made / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "bmc" and "Flowers by their measures." in model.doc_string
    about = {one.key: one.value for one in model.metadata_props}
    assert about["source"] == "net.bm"
    assert json.loads(about["learned"])["kind.category"]["classes"] == ["a", "b"]
    assert {one.name for one in model.graph.value_info} >= {"lstm_l0", "dense1"}
    x = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("f")
    (one,) = onnxruntime.InferenceSession(made / "model.onnx").run(None, {"x": x})
    options = onnxruntime.SessionOptions()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(t) for t in tensors.values()]
    options.add_external_initializers(list(tensors), values)
    (two,) = onnxruntime.InferenceSession(made / "model_graph.onnx", options).run(None, {"x": x})
    np.testing.assert_array_equal(one, two)


LARGE = """
import sys
from pathlib import Path
from model import build_net, export
for _ in range(2):
    export(build_net(), Path(sys.argv[1]), Path("large.onnx"), largest=100)
"""


def test_large_weights_stand_beside_the_graph(tmp_path: Path) -> None:
    """As those of over 2 GB; written twice the file is no longer than once."""
    import onnxruntime

    text = SPEC.replace("f = 4", "f = 40")
    (tmp_path / "net.bm").write_text(text, encoding="utf-8")
    made = written(tmp_path / "program", tmp_path / "net.bm", "onnx")
    weights, tensors = draw(made)
    (made / "large.py").write_text(LARGE)
    succeed(made, "large.py", weights)
    succeed(made, "model.py", "--weights", weights, "-o", "small.onnx")
    size = sum(tensor.nbytes for tensor in tensors.values())
    assert size * 0.9 < (made / "large.onnx.data").stat().st_size < size + 4096 * len(tensors)
    x = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("f")
    one, two = (
        onnxruntime.InferenceSession(made / f"{name}.onnx").run(None, {"x": x})[0]
        for name in ("small", "large")
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("given", [(), ("--weights", "run/weights.safetensors")])
def test_a_place_that_cannot_be_written_is_named(given: tuple[str, ...], tmp_path: Path) -> None:
    made = program(tmp_path)
    draw(made)
    for path, said in (("none/net.onnx", "No such file"), ("run", "Is a directory")):
        done = run(made, "model.py", *given, "-o", path)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert f"{path}: can't be written: {said}" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("none", "no such file"),
        ("broken", "no safetensors file"),
        ("other", "no dense1.weight of shape (5, 4)"),
        ("infinite", "dense1.weight is not finite everywhere"),
    ],
)
def test_weights_that_do_not_fit_are_named(change: str, said: str, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    made = program(tmp_path)
    weights, tensors = draw(made)
    if change == "none":
        weights.unlink()
    elif change == "broken":
        weights.write_bytes(b"nothing")
    else:
        tensors["dense1.weight"] = np.full((5, 4 if change == "infinite" else 3), np.inf, "f")
        save_file(tensors, weights)
    done = run(made, "model.py", "--weights", weights)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
    assert not (made / "model.onnx").exists()
