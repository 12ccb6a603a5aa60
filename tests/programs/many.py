"""Runs a program's scripts many times in one process, which loads the framework once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.programs.project import run

RUNNER = """\
import contextlib, importlib, io, json, sys, traceback

results = []
for script, *words in json.load(open(sys.argv[1])):
    sys.argv = [script, *words]
    shown, code = io.StringIO(), 0
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            importlib.import_module(script).main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1 if end.code else 0
            if isinstance(end.code, str):
                print(end.code)
        except BaseException:
            code = 70
            traceback.print_exc(file=shown)
    results.append((code, shown.getvalue()))
json.dump(results, open("results.json", "w"))
"""


@dataclass(frozen=True)
class Ended:
    """How one run ended, and what it said."""

    code: int
    text: str


def run_many(program: Path, commands: list[list[Any]]) -> list[Ended]:
    """What every command does: a script's name without `.py`, and its arguments."""
    (program / "runner.py").write_text(RUNNER)
    words = [[str(word) for word in command] for command in commands]
    (program / "commands.json").write_text(json.dumps(words))
    done = run(program, "runner.py", "commands.json")
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((program / "results.json").read_text())
    assert len(results) == len(commands)
    return [Ended(code, text) for code, text in results]
