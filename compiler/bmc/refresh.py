"""The command line of what is written from declarations: `--write`, or `--check` that it is fresh."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def stale(files: Mapping[Path, str]) -> list[Path]:
    """The files that are not as they would be written now."""
    return [path for path, text in files.items() if not path.is_file() or _text(path) != text]


def main(module: str, files: Mapping[Path, str], arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the files; returns 1 when a check finds a stale one."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--check", action="store_true", help="say which files are stale")
    goal.add_argument("--write", action="store_true", help="write the files")
    if parser.parse_args(arguments).check:
        found = stale(files)
        for path in found:
            print(f"{path.name} is stale; run `python -m {module} --write`", file=sys.stderr)
        return 1 if found else 0
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


def _text(path: Path) -> str:
    return path.read_text("utf-8")
