"""Settings of attention: alike in three backends where several meet, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_entries import said
from tests.models.agree import differences

MODEL = """
model Meets {{
  input x: float[{length}, 16]
  a = x -> self_attention(4, {first})
  output out = (a -> rms_norm) -> self_attention(4, {second})
}}
"""
# Two layers of one kind with different settings, as models of layers near and far have them.
PAIRS = {
    "near and far": (
        "kv_heads=2, causal=true, window=3, softcap=5.0, positions=rope",
        "kv_heads=2, causal=true, softcap=5.0, positions=rope(theta=100.0)",
    ),
    "two windows": ("causal=true, window=2", "causal=true, window=4"),
    "two biases": ("bias=[query, value]", "bias=[out]"),
    "some, all and none": ("bias=[query, key, value]", "bias=false"),
    "two sizes": ("head_dim=6, qk_norm=1e-6", "head_dim=2, qk_norm=1e-5"),
    "two stretches": (
        "positions=rope(scaling=linear, factor=2)",
        "positions=rope(scaling=llama3, factor=8, context=32, low=0.5, high=2)",
    ),
    "one stretch, two factors": (
        "positions=rope(scaling=yarn, factor=2, context=16)",
        "positions=rope(scaling=yarn, factor=4, context=16, fast=8)",
    ),
    "two fractions": ("positions=rope(fraction=0.5)", "head_dim=8, positions=rope(fraction=0.25)"),
    "capped and not": ("softcap=2.0", "scale=0.5"),
    "distance and window": ("positions=alibi, window=2", "positions=alibi, softcap=1.0"),
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", PAIRS)
def test_two_of_one_kind_agree(kind: str, tmp_path: Path) -> None:
    first, second = PAIRS[kind]
    assert not differences(MODEL.format(length=6, first=first, second=second), tmp_path, 7)


WRONG = {
    "bias=[query, output]": "`output` is a word of the language",
    'bias=["query"]': "a list of (`query`, `key`, `value` or `out`)",
    "window=0": "`window`",
    "window=4, positions=relative_2d(window=2)": "along a sequence",
    "softcap=2.0, return_weights=true": "can't go with `return_weights`",
    "head_dim=3, positions=rope": "turns pairs, and a head has 3 elements",
    "head_dim=8, positions=rope(fraction=0.1)": "of which 1 would turn",
    "positions=rope(factor=2)": "needs a `scaling`",
    "positions=rope(scaling=yarn, factor=2)": "needs the `context` of before",
    "positions=rope(scaling=linear, factor=2, context=16)": "is for `yarn` and `llama3`",
    "positions=rope(scaling=linear, factor=2, high=2)": "is for `llama3`",
    "positions=rope(scaling=llama3, factor=2, context=16, slow=2)": "is for `yarn`",
    "positions=rope(scaling=llama3, factor=2, context=16, low=4)": "stays below `high`",
    "positions=rope(scaling=linear, factor=2, interleaved=true)": "(i, i + size / 2) alone",
    "positions=rope(scaling=yarn, factor=2, context=16, theta=1)": "above 1",
    "positions=rope(scaling=far)": "`llama3`",
}


@pytest.mark.parametrize("given", WRONG)
def test_what_is_refused_says_why(given: str, tmp_path: Path) -> None:
    found = said(MODEL.format(length=4, first=given, second="bias=false"), tmp_path)
    assert WRONG[given] in found and "BM699" not in found
