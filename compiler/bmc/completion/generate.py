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

from bmc.cli import SHELLS, STAGES, parser
from bmc.emit.backend import BUILT_IN
from bmc.refresh import main


def scripts() -> dict[Path, str]:
    """Every shell's file, with its text."""
    top = parser()
    for action in _actions(top):
        if action.metavar in ("FILE", "DIR"):
            action.complete = shtab.FILE if action.metavar == "FILE" else shtab.DIRECTORY  # type: ignore[attr-defined]
        if action.dest == "backend":
            action.choices = tuple(BUILT_IN)
        if action.dest == "emit":
            action.choices = STAGES
    folder = Path(__file__).parent
    return {folder / f"bmc.{shell}": shtab.complete(top, shell).rstrip() + "\n" for shell in SHELLS}


def _actions(command: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in command._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)


if __name__ == "__main__":
    sys.exit(main("bmc.completion.generate", scripts()))
