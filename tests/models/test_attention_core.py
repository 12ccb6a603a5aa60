"""Attention put together from its parts: masks of true and false, heads that share, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language.test_entries import said
from tests.models.agree import differences

MODEL = """
model Core(heads = 4, shared = 2, size = 4) {{
  input x: float[{length}, 8]
  input hint: float[{length}, {length}]
  q = x -> dense(heads * size) -> rearrange("t (h d) -> h t d", h=heads)
  k = x -> dense(shared * size) -> rearrange("t (h d) -> h t d", h=shared)
  v = x -> dense(shared * size) -> rearrange("t (h d) -> h t d", h=shared)
{body}
  output out = y -> rearrange("h t d -> t (h d)") -> dense(3)
}}
"""
BODIES = {
    "seen": "  y = (q, k, v, hint > 0) -> attention_core",
    "nothing": "  y = (q, k, v, hint > 99) -> attention_core(scale=0.7)",
    "both": "  y = (q, k, v, hint > 0) -> attention_core(causal=true, window=3)",
    "bent": "  y = (q, k, v, hint > 0) -> attention_core(softcap=2.0)",
    "biased": "  y = (q, k, v, hint) -> attention_core(softcap=2.0, causal=true, window=2)",
    "turned": "  a = q -> rms_norm -> rotary_positions(fraction=0.5)\n"
    "  b = k -> rms_norm -> rotary_positions(fraction=0.5)\n"
    "  y = (a, b, v) -> attention_core(causal=true, window=3)",
    "both turns": "  a = q -> rotary_positions(interleaved=true, theta=500.0)\n"
    "  y = (a, k -> rotary_positions, v, hint) -> attention_core",
    "hidden by numbers": "  y = (q, k, v, hint * 1000000000) -> attention_core(causal=true, window=3)",
    "bent and hidden by numbers": "  y = (q, k, v, hint * 1000000000)\n"
    "    -> attention_core(causal=true, softcap=2.0)",
    "both turns of one": "  a = q -> rotary_positions(interleaved=true, fraction=0.5)\n"
    "  y = (q -> rotary_positions, a, q) -> attention_core",
    "two": "  a = (q, k, v) -> attention_core(causal=true)\n"
    "  b = (a, k, v, hint) -> attention_core(window=2)\n  y = (b, k, k) -> attention_core",
    "by hand": "  y = ((q, q) -> matmul(transpose_b=true) -> softmax, q + hint[0, 1]) -> matmul",
}


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.onnx
@pytest.mark.parametrize("kind", BODIES)
def test_cores_agree(kind: str, tmp_path: Path) -> None:
    assert not differences(MODEL.format(length=5, body=BODIES[kind]), tmp_path, 7)


WRONG = {
    "(q, k) -> attention_core": "takes 3 or 4 tensors, and got 2",
    "(q, k, x) -> attention_core": "three values alike",
    "(q, k, v, x) -> attention_core": "match in `attention_core`",
    "(q, k -> transpose([0, 2, 1]), v) -> attention_core": "queries and keys of one size",
    "(q, k, v) -> attention_core(window=0)": "`window`",
    "(q, k) -> matmul": "sums over axes of one size",
    "(q, x) -> matmul(transpose_b=true)": "sums over axes of one size",
}


@pytest.mark.parametrize("call", WRONG)
def test_what_does_not_fit_is_refused(call: str, tmp_path: Path) -> None:
    text = said(MODEL.format(length=5, body=f"  y = {call}"), tmp_path)
    assert WRONG[call] in text, text
