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
}  # fmt: skip
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
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name: str, tmp_path: Path) -> None:
    shape, text = RIGHT[name]
    spec = f"model Net {{\n  input x: float[{shape}]\n  output y = {text}\n}}\n"
    assert differences(spec, tmp_path) == []


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
