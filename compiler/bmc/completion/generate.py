"""Writes the completion scripts from the parser of the command line.

`python -m bmc.completion.generate --write` writes them, `--check` says whether they are fresh. It
needs shtab, which bmc itself does not: the scripts are part of the package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

from bmc.cli import SHELLS, parser

BACKENDS = ("torch", "keras", "onnx")


def scripts() -> dict[Path, str]:
    """Every shell's file, with its text."""
    top = parser()
    for action in _actions(top):
        if action.metavar in ("FILE", "DIR"):
            action.complete = shtab.FILE if action.metavar == "FILE" else shtab.DIRECTORY  # type: ignore[attr-defined]
        if action.dest == "backend":
            action.choices = BACKENDS
    folder = Path(__file__).parent
    return {folder / f"bmc.{shell}": shtab.complete(top, shell).rstrip() + "\n" for shell in SHELLS}


def _actions(command: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in command._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)


def main() -> int:
    """Writes or checks the scripts; returns 1 when a check finds a stale one."""
    options = argparse.ArgumentParser(prog="python -m bmc.completion.generate")
    goal = options.add_mutually_exclusive_group(required=True)
    goal.add_argument("--check", action="store_true", help="say which scripts are stale")
    goal.add_argument("--write", action="store_true", help="write the scripts")
    stale = False
    write = options.parse_args().write
    for path, text in scripts().items():
        if write:
            path.write_text(text, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            print(f"{path.name} is stale", file=sys.stderr)
            stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
