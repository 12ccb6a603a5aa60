"""The standard layout: same tree, same comments, and a second run changes nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bmc import cli
from bmc.diagnostics.diagnostic import Problems
from bmc.source import Source
from bmc.syntax.format import format_source
from bmc.syntax.parse import parse, read

ROOT = Path(__file__).parents[2]
SPECS = sorted(ROOT.glob("specs/*/*.bm"))
FILES = [*SPECS, *sorted(ROOT.glob("tests/language/sketches/*.bm"))]


def formatted(text: str) -> str:
    """The text in the standard layout; it has no faults."""
    problems = Problems()
    found = format_source(Source("test.bm", text), problems)
    assert found is not None and not problems.failed
    return found


def same(text: str) -> None:
    """Formats a text, and compares what it means before and after."""
    first = formatted(text)
    assert formatted(first) == first
    before = parse(Source("a.bm", text), Problems())
    after = parse(Source("b.bm", first), Problems())
    assert before is not None and after is not None
    assert before.items == after.items
    assert [c.text for c in before.comments] == [c.text for c in after.comments]


def stirred(text: str, chance: random.Random) -> str:
    """The same tokens and comments with other white space."""
    source = Source("test.bm", text)
    file, tokens = read(source, Problems())
    assert file is not None
    pieces = [(t.start, t.end, False) for t in tokens if t.kind != "$END"]
    pieces += [(c.span.start, c.span.start + len(c.text), True) for c in file.comments]
    found, comment = "", False
    last = 0
    for start, end, is_comment in sorted(pieces):
        gap = text[last:start]
        near = gap == ""
        if comment or (is_comment and text[start : start + 2] == "##"):
            found += "\n" * max(gap.count("\n"), 1) + " " * chance.randint(0, 5)
        elif not near:
            found += chance.choice(["\n", " ", "  ", "\n\n\n", "   \n  "]) if "\n" in gap else gap
        elif text[start] in "([.," or text[last - 1 : last] in "([.":
            found += ""
        elif not (text[last - 1].isalnum() and text[start].isalnum()):
            found += chance.choice(["", " ", "  "]) if text[start] in ")]}" else ""
        found += text[start:end]
        comment, last = is_comment, end
    return found + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_keep_their_meaning(path: Path) -> None:
    same(path.read_text("utf-8"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_are_in_the_standard_layout(path: Path) -> None:
    assert formatted(path.read_text("utf-8")) == path.read_text("utf-8")


@pytest.mark.parametrize("seed", range(40))
def test_white_space_means_nothing(seed: int) -> None:
    chance = random.Random(seed)
    text = stirred(chance.choice(FILES).read_text("utf-8"), chance)
    if parse(Source("a.bm", text), Problems()) is not None:
        same(text)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 1100))
def test_white_space_means_nothing_in_many(seed: int) -> None:
    test_white_space_means_nothing(seed)


def test_layout() -> None:
    text = (
        "let a=1\nmodel Net(w = 2,d=3){\n\n\ninput x:float[T<=4,pad=0]   # ids\n"
        "y=x->dense( 4,bias = false )\n->relu*2\n  ->f(-1,a-1)\n\n\noutput z=y[0..2]\n\n}\n"
        "data{\nsource = csv(\"a\")\nx      = \"x\"\nlonger = [\"a\"..\"b\"]\n}"
    )  # fmt: skip
    assert formatted(text) == (
        "let a = 1\n\nmodel Net(w = 2, d = 3) {\n  input x: float[T <= 4, pad=0]  # ids\n"
        "  y = x -> dense(4, bias=false)\n    -> relu * 2\n    -> f(-1, a - 1)\n\n"
        "  output z = y[0..2]\n}\n\n"
        "data {\n  source = csv(\"a\")\n  x      = \"x\"\n  longer = [\"a\"..\"b\"]\n}\n"
    )  # fmt: skip


def test_the_command_rewrites_only_what_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loose.bm").write_bytes(b"let  a=1\r\n")
    Path("loose.bm").chmod(0o640)
    Path("fine.bm").write_text("let a = 1\n")
    before = Path("fine.bm").stat().st_ino
    assert cli.main(["fmt", "--check", "loose.bm", "fine.bm"]) == 1
    assert capsys.readouterr().out == "would reformat loose.bm\n"
    assert Path("loose.bm").read_bytes() == b"let  a=1\r\n"
    assert cli.main(["fmt", "loose.bm", "fine.bm"]) == 0
    assert Path("loose.bm").read_bytes() == b"let a = 1\n"
    assert Path("loose.bm").stat().st_mode & 0o777 == 0o640
    assert Path("fine.bm").stat().st_ino == before


def test_a_file_with_faults_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bad.bm"
    path.write_text("let  a = = 1\n")
    assert cli.main(["fmt", str(path)]) == 1
    assert path.read_text() == "let  a = = 1\n"
