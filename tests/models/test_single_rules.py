"""Rules in which one backend once differed from the others: right in three, or refused by name."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.agree import differences
from tests.models.compared import compared

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.project import open_project

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx]

RIGHT: dict[str, tuple[str, str]] = {
    "roll further than the size": ("4", "x -> roll(7)"),
    "roll back further than the size": ("4", "x -> roll(-9)"),
    "roll by the size": ("4", "x -> roll(4)"),
    "roll a free axis": ("T, 2", "x -> roll(23, axes=0)"),
    "roll two axes": ("3, 4", "x -> roll([5, -6], axes=[0, 1])"),
    "alibi over a leading axis": ("2, 5, 4", "x -> self_attention(heads=2, positions=alibi)"),
    "causal, over leading axes": ("1, 5, 4", "x -> self_attention(heads=2, causal=true)"),
    "causal, to a memory, over a leading axis": ("2, 5, 4", "(x, x[.., 0..3, 0..]) -> attention(heads=2, causal=true)"),
    "cut off the first step": ("T, 4", "x[1..T] -> mean(axis=0)"),
    "cut off the last step": ("T, 4", "x[0..T - 1] -> mean(axis=0)"),
    "cut off two last steps": ("T, 4", "x[1..T - 2] -> mean(axis=0)"),
    "the last step by its number": ("T, 4", "x[T - 1]"),
    "a norm with and one without weights": ("5, 8", "x -> layer_norm -> layer_norm(affine=false)"),
    "causal windows of each channel": ("3, 9", "x -> conv(3, kernel=3, padding=causal, groups=depthwise)"),
    "wide causal windows": (
        "3, T",
        "x -> conv(6, kernel=2, dilation=3, padding=causal, groups=depthwise) -> mean(axis=1)",
    ),
    "depthwise of two ranks": (
        "3, 9",
        "x -> conv(3, kernel=3, groups=depthwise) -> reshape([3, 7, 1]) -> conv(3, kernel=[3, 1], groups=depthwise)",
    ),
    "stride of same, free": ("3, T", "x -> conv(4, kernel=3, padding=same, stride=3) -> mean(axis=1)"),
    "upsample by a list of one": ("3, 4", "x -> upsample([3])"),
    "the first of equal elements": ("3, 4", "x -> relu -> keep_top(2, fill=0.5)"),
    "a norm far from zero": ("4, 6", "(x + 30) -> group_norm(2)"),
    "a window larger than what it averages": ("2, 1, 1, 1", "x -> avg_pool(3, stride=2, padding=1)"),
    "a free axis of one position": ("3, T", "x -> conv(3, kernel=7) -> instance_norm(epsilon=1.0)"),
    "transposed, with more at the end": ("3, 6", "x -> conv_transpose(4, kernel=3, stride=2, output_padding=1)"),
    "padding twice, its axes turned": ("3, 4", "x -> pad(after=3, axis=1, mode=replicate) -> layer_norm(axis=0, affine=false) -> pad(1, axis=1, mode=replicate)"),
    "mirrored, six axes": ("2, 3, 1, 2, 3", "x -> pad(before=2, axis=1, mode=reflect)"),
    "softmax of six axes": ("2, 1, 2, 2, 3", "x -> softmax -> softmax(axis=1)"),
    "windows farther apart than the rest is long": ("5", "x -> patches_1d(size=5, stride=7) -> self_attention(heads=1)"),
    "interpolated between turned norms": (
        "3, 4, 6",
        "x -> batch_norm(axis=-1) -> upsample(3) -> upsample(2, mode=linear) -> silu -> batch_norm(axis=-1)",
    ),
    "the channels of a piece of a free axis": ("T, 9", "x[1..3] -> group_norm(1)"),
    "a number before a layer of our own": ("5, 8", "(x * 0.5) -> sinusoidal_positions -> self_attention(heads=2, positions=rope())"),
}  # fmt: skip
MODELS: dict[str, str] = {
    "a block that only turns, repeated": """
block Turned {
  input x: float[A, B]
  output y = x -> transpose([1, 0])
}
model Net {
  input x: float[6, 4]
  output y = x -> Turned * 2
  output z = x -> Turned * 3 -> dense(2)
}""",
    "one input of two layouts": """
model Net {
  input x: float[2, 5, 4]
  a = x -> prelu
  b = x -> prelu(init=constant(0.1))
  output y = (a, b) -> add
}""",
    "the weights of attention": """
model Net {
  input x: float[7, 8]
  input m: float[9, 8]
  v, w = (x, m) -> attention(heads=2, return_weights=true, scale=1.5, dropout=0.1)
  u, z = (x, m) -> attention(heads=2, return_weights=true)
  output y = w -> prelu
  output q = z -> batch_norm
}""",
    "a number as parameter": """
model Net {
  input x: float[3]
  param weight: float[] = normal(0.5)
  output y = x * weight
}""",
    "a block of two layouts, twice": """
block Soft {
  input x: float[A, B]
  output y = x -> softplus
}
model Net {
  input x: float[4, 7]
  pooled = x -> adaptive_avg_pool(1)
  a = pooled -> Soft * 2
  b = pooled -> Soft -> Soft * 2
  output y = (a, b) -> stack(axis=1)
}""",
    "a value by two names, one overwritten": """
block Same {
  input x: float[A]
  output y = x -> add
}
model Net {
  input x: float[4]
  a = x -> batch_norm(axis=-1)
  b = a -> Same
  output y = a -> Same * 2
  output z = b -> leaky_relu
}""",
    "convolutions in groups, with and without bias": """
model Net {
  input x: float[4, 7]
  a = x -> conv(4, kernel=2) -> conv(6, kernel=3, padding=same, dilation=4, groups=2, bias=false)
  output y = a -> conv(6, kernel=3, padding=same, dilation=2, groups=3)
}""",
    "attention to what is normed in groups": """
model Net {
  input x: float[8, 13]
  v, w = (x, x -> group_norm(2, affine=false)) -> attention(heads=1, return_weights=true)
  output y = w -> relu
}""",
    "a roll and rotary positions": """
model Net {
  input x: float[5, 8]
  output y = x -> roll(2) -> self_attention(heads=2, positions=rope()) -> roll(1, axes=1)
}""",
    "layers called as words of settings": """
model Net {
  input x: float[3, 4, 4]
  layer same = conv(3, kernel=3, padding=same)
  layer reflect = pad(before=1, mode=reflect)
  output y = x -> same -> conv(4, kernel=3, padding=same)
  output z = x -> reflect
}""",
}
PARTLY: dict[str, tuple[str, str, str]] = {
    "causal, over two leading axes": (
        "2, 3, 4, 8",
        "x -> self_attention(heads=2, causal=true, bias=false)",
        "onnx",
    ),
    "output padding with dilation": (
        "4, 5",
        "x -> conv_transpose(4, kernel=3, padding=1, output_padding=1, dilation=2)",
        "keras",
    ),
    "stretched along every other axis": (
        "3, 1, 3, 1, 6",
        '(x, x -> rearrange("a b c d e -> b a d c e") -> mean(axis=-1, keep=true)) -> add',
        "keras",
    ),
    "attention over three leading axes": ("2, 1, 2, 5, 4", "x -> self_attention(heads=2)", "onnx"),
}
REFUSED: dict[str, tuple[str, str, str]] = {
    "instance norm of one position": ("3, 1", "x -> instance_norm", "BM301"),
    "instance norm of one pixel": ("3, 1, 1", "x -> instance_norm(affine=false)", "BM301"),
    "deviation of one number": ("4", "x[0] -> deviation", "BM301"),
    "an end that is not the axis's": ("T, 4", "x[0..T + 1] -> mean(axis=0)", "BM301"),
    "an axis that rolls twice": ("3, 4", "x -> roll(1, axes=[0, -2])", "BM301"),
    "mirrored more than there is, by same": (
        "3, 2",
        "x -> conv(4, kernel=5, padding=same, padding_mode=reflect)",
        "BM301",
    ),
    "mirrored more than there is": (
        "3, 2",
        "x -> conv(4, kernel=5, padding=2, padding_mode=reflect)",
        "BM301",
    ),
    "groups of one number": ("4", "x -> group_norm(4)", "BM301"),
    "a padding row beyond the table": (
        "5, 4",
        "x -> learned_positions(init=zero_row(row=5, others=zeros))",
        "BM301",
    ),
    "an orthogonal vector": ("4", "x -> prelu(init=orthogonal)", "BM301"),
    "the batch kept": ("4", "x -> mean(axis=batch, keep=true)", "BM301"),
    "a norm of what is the same for all": (
        "4, 3",
        "x -> mean(axis=batch) -> group_norm(2)",
        "BM301",
    ),
    "padding with half a number": (
        "4",
        "x -> argmax(axis=0) -> expand -> pad(1, value=0.5)",
        "BM301",
    ),
    "a truth beside a number": ("4", "(x > 0) == 1", "BM301"),
    "a sum of truths": ("4", "(x > 0, x > 1) -> add", "BM301"),
    "padding wider than half a window": ("4, 3", "x -> max_pool(3, padding=2, axis=0)", "BM301"),
    "a range of nothing": ("4, 3", "x[1..1]", "BM301"),
    "truths for statistics": ("4, 3", "(x, x[0..2] > 0) -> undo_instance_norm", "BM301"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name: str, tmp_path: Path) -> None:
    shape, text = RIGHT[name]
    spec = f"model Net {{\n  input x: float[{shape}]\n  output y = {text}\n}}\n"
    assert differences(spec, tmp_path) == []


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_right(name: str, tmp_path: Path) -> None:
    found = compared(MODELS[name], tmp_path)
    assert found.wrong == found.refused == []
    _, model = MODELS[name].split("model Net")
    assert found.compared == model.count("output ")


@pytest.mark.parametrize("name", PARTLY)
def test_right_in_two_and_refused_by_name(name: str, tmp_path: Path) -> None:
    shape, text, backend = PARTLY[name]
    spec = f"model Net {{\n  input x: float[{shape}]\n  output y = {text}\n}}\n"
    found = compared(spec, tmp_path)
    assert found.wrong == [] and found.compared == 1
    assert [one.split(":")[0] for one in found.refused] == [backend]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    shape, text, code = REFUSED[name]
    path = tmp_path / "net.bm"
    path.write_text(f"model Net {{\n  input x: float[{shape}]\n  output y = {text}\n}}\n")
    problems = Problems()
    project, source = open_project(str(path))
    assert driver.load(source, project, problems) is None
    assert {problem.code for problem in problems} == {code}
