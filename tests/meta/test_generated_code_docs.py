"""`docs/generated-code.md` shows what bmc writes."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

from tests.programs.project import BACKENDS, SPECS, compiled

PAGE = (Path(__file__).parents[2] / "docs" / "generated-code.md").read_text("utf-8")
SHOWN = ("text/gpt2", "vision/unet")


def test_the_page_shows_the_programs() -> None:
    blocks = re.findall(r"```bm\n(.*?)\n```", PAGE, re.DOTALL)
    shown = re.findall(r"```python\n(.*?)\n```", PAGE, re.DOTALL)
    assert len(blocks) == len(SHOWN) and len(shown) == len(SHOWN) * len(BACKENDS)
    for name, block in zip(SHOWN, blocks, strict=True):
        spec = SPECS / f"{name}.bm"
        assert block in spec.read_text("utf-8")
        for backend in BACKENDS:
            text, made = shown.pop(0), compiled(spec, backend)["model.py"]
            assert text in made or indent(text, "    ") in made  # a part of a function


def test_the_page_counts_lines() -> None:
    rows = re.findall(r"\| `(\w+/\w+)` \| (\d+) \| (\d+) \| (\d+) \|", PAGE)
    assert len(rows) == 8
    for name, *counts in rows:
        for backend, count in zip(BACKENDS, counts, strict=True):
            lines = compiled(SPECS / f"{name}.bm", backend)["model.py"].splitlines()
            assert sum(bool(line.strip()) for line in lines) == int(count), (name, backend)
