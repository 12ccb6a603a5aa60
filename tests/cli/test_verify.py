"""`bmc verify`: what it compares, what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bmc import cli

SPEC = """model Net {
  input x: float[6]
  h = x -> dense(5) -> gelu
  output y = h -> dense(3)
  output z = h -> softmax
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "net.bm"
    path.write_text(SPEC, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("torch,keros", "there is no backend `keros`"),
        ("torch", "torch has no other program here to be compared with"),
        ("torch,torch", "torch has no other program here to be compared with"),
    ],
)
def test_names_are_checked(
    names: str, said: str, spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", spec, "--backends", names]) == 1
    assert said in capsys.readouterr().err


def test_a_missing_package_is_named(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bmc.verify import compare

    packages = {"torch": ("no_such_torch",), "onnx": ("no_such_onnx", "no_such_runtime")}
    monkeypatch.setattr(compare, "PACKAGES", packages)
    assert cli.main(["verify", spec, "--backends", "torch,onnx"]) == 1
    said = capsys.readouterr().err
    assert "torch needs `no_such_torch`, which this Python has not" in said
    assert "onnx needs `no_such_onnx` and `no_such_runtime`" in said
    assert "Traceback" not in said


@pytest.mark.torch
@pytest.mark.onnx
def test_the_table_says_how_far_outputs_are_apart(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", spec, "--backends", "torch,onnx"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "onnx against torch"
    assert [line.split()[0] for line in lines[1:]] == ["y", "z"]
    assert all(line.endswith("equal") for line in lines[1:])


@pytest.mark.torch
@pytest.mark.keras
def test_a_difference_is_traced_to_its_layer(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bmc.emit.backend import Function
    from bmc.emit.pyexpr import call
    from bmc.ops.activation import Gelu
    from bmc_keras.lower.table import LOWERINGS

    LOWERINGS.load("activation")
    wrong = lambda op, site: Function(lambda args: call("ops.tanh", args[0]))  # noqa: E731
    monkeypatch.setitem(LOWERINGS.rules, Gelu, wrong)
    given = ["verify", spec, "--backends", "torch,keras", "--format", "json"]
    assert cli.main(given) == 1
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert not pair["equal"]
    assert pair["first"] == "dense2"  # the first with a name of its own after the wrong one
    assert {d["name"]: d["equal"] for d in pair["differences"]} == {
        "y": False,
        "z": False,
        "gradients": False,
    }


@pytest.mark.torch
@pytest.mark.onnx
def test_given_weights_are_used_and_checked(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.numpy import save_file

    shapes = {"dense1.weight": (5, 6), "dense1.bias": (5,), "dense2.weight": (3, 5)}
    tensors = {name: np.zeros(shape, "f") for name, shape in shapes.items()}
    path = tmp_path / "weights.safetensors"
    given = ["verify", spec, "--backends", "torch,onnx", "--weights", str(path)]
    assert cli.main(given) == 2
    assert "there is no such file" in capsys.readouterr().err
    save_file(tensors, path)
    assert cli.main(given) == 1
    assert "dense2.bias [3]" in capsys.readouterr().err
    save_file({**tensors, "dense2.bias": np.zeros(3, "f")}, path)
    assert cli.main(given) == 0


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
def test_layers_with_several_outputs_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cell.bm"
    path.write_text(
        "block Cell { input x: float[E]  state h: float[E] = zeros"
        "  h = x + 0.5 * h  output y = h  output z = h -> tanh }\n"
        "model Net {\n  input x: float[5, 8]\n  y, z = x -> scan(Cell)\n"
        "  output a = y -> dense(2)\n  output b = z\n}\n"
    )
    assert cli.main(["verify", str(path)]) == 0
    assert "gradients" in capsys.readouterr().out
