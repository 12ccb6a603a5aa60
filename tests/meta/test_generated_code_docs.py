"""`docs/generated-code.md` shows what bmc writes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.programs.project import BACKENDS, SPECS, compiled

PAGE = (Path(__file__).parents[2] / "docs" / "generated-code.md").read_text("utf-8")


def test_the_page_shows_the_programs() -> None:
    spec = SPECS / "text" / "gpt2.bm"
    (block,) = re.findall(r"```bm\n(.*?)\n```", PAGE, re.DOTALL)
    assert block in spec.read_text("utf-8")
    shown = re.findall(r"```python\n(.*?)\n```", PAGE, re.DOTALL)
    assert len(shown) == len(BACKENDS)
    for backend, text in zip(BACKENDS, shown, strict=True):
        assert text in compiled(spec, backend)["model.py"]
