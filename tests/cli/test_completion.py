"""Completion scripts: bash offers the commands, their options and files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bmc.cli import SHELLS, main

ASK = """\
source ./bmc.bash
COMP_WORDS=({words}); COMP_CWORD={last}; COMP_LINE="{line}"; COMP_POINT={point}
complete -p bmc > /dev/null || exit 3
$(complete -p bmc | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_name_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for word in (
        "check",
        "compile",
        "train",
        "summary",
        "fmt",
        "explain",
        "doctor",
        "init",
        "keras",
    ):
        assert word in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    "typed, offered",
    [
        (["bmc", "com"], "compile"),
        (["bmc", "compile", "--emi"], "--emit"),
        (["bmc", "compile", "--emit", "sh"], "shapes"),
        (["bmc", "compile", "--backend", "k"], "keras"),
        (["bmc", "check", "fir"], "first.bm"),
    ],
)
def test_bash_completes(
    typed: list[str], offered: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "bmc.bash").write_text(capsys.readouterr().out)
    (tmp_path / "first.bm").write_text("")
    line = " ".join(typed)
    script = ASK.format(words=line, last=len(typed) - 1, line=line, point=len(line))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert offered in done.stdout.split(), done
