"""The whole message of every problem, beside the source that gives it, in messages.md."""

from __future__ import annotations

import os
from pathlib import Path

from tests.meta.test_problem_examples import EXAMPLES, problems_of

from bmc.diagnostics.render import render_all

PAGE = Path(__file__).with_name("messages.md")
HEAD = "# Every message, beside its source\n\n`BMC_UPDATE=1 pytest -k messages` writes this page.\n"


def page(folder: Path) -> str:
    found = [HEAD]
    for code, example in EXAMPLES.items():
        if example.startswith("bmc "):
            continue
        source, problems = problems_of(code, folder / code)
        shown = render_all(problems, False).replace(f"{folder / code}/", "")
        found.append(
            f"\n## {code}\n\n```bm\n{source.rstrip()}\n```\n\n```error\n{shown.strip()}\n```\n"
        )
    return "".join(found)


def test_messages_are_as_pinned(tmp_path: Path) -> None:
    text = page(tmp_path)
    if os.environ.get("BMC_UPDATE") == "1":
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8")
