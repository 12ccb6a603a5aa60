"""Settings that meet in one model: alike in three backends, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_entries import said
from tests.models.agree import differences

PICTURES = """
model Meets {{
  input x: float[2, 7, 8]
  a = x -> {first}
  output out = a -> {second}
}}
"""
# Two layers of one kind with different settings in one model.
PAIRS = {
    "reached and left over": ("max_pool(2, ceil=true)", "max_pool(2)"),
    "reached twice": ("max_pool(3, stride=2, ceil=true)", "avg_pool(2, ceil=true)"),
    "reached and padded": (
        "avg_pool(3, stride=2, padding=1, ceil=true)",
        "avg_pool(3, stride=2, padding=1, count_padding=true)",
    ),
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", PAIRS)
def test_two_of_one_kind_agree(kind: str, tmp_path: Path) -> None:
    first, second = PAIRS[kind]
    assert not differences(PICTURES.format(first=first, second=second), tmp_path, 7)


WRONG = {
    "max_pool(2, padding=same, ceil=true)": "no element left over",
    "avg_pool(2, count_padding=true, ceil=true)": "counts what `padding` adds",
    "max_pool(2, stride=3, ceil=true)": "up to the kernel less the padding, 2, and not 3",
    "max_pool(3, stride=3, padding=1, ceil=true)": "up to the kernel less the padding, 2",
}


@pytest.mark.parametrize("given", WRONG)
def test_what_is_refused_says_why(given: str, tmp_path: Path) -> None:
    found = said(PICTURES.format(first=given, second="relu"), tmp_path)
    assert WRONG[given] in found and "BM699" not in found
