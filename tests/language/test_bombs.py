"""Small files that ask for too much are refused before they take it."""

# ruff: noqa: E501  (tables of cases read best with one case a line)

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.files import FileRefused
from bmc.project import open_project
from bmc.source import Source
from bmc.syntax.format import format_source
from bmc.syntax.parse import parse

MOST_CALLS = 6_000_000  # calls of functions that one small file may cost


class Calls:
    """Counts calls while it is entered: work that is the same on every machine."""

    def __enter__(self) -> Calls:
        self.count = 0
        sys.setprofile(self._count)
        return self

    def _count(self, frame: Any, event: str, argument: Any) -> None:
        self.count += event in ("call", "c_call")

    def __exit__(self, *_: Any) -> None:
        sys.setprofile(None)


def chain(levels: int, call: str, head: str = "(n)") -> str:
    """Blocks in blocks: `B1` uses `B0` as `call` says, and so on."""
    blocks = [f"block B0{head} {{ input x: float[N]  output y = x -> dense(8) }}"]
    for i in range(1, levels + 1):
        inner = call.replace("B", f"B{i - 1}")
        blocks.append(f"block B{i}{head} {{ input x: float[N]  output y = x -> {inner} }}")
    return "\n".join(blocks)


def net(body: str, head: str = "") -> str:
    return f"{head}\nmodel Net {{\n  input x: float[8]\n{body}\n}}\n"


def doubling(levels: int) -> str:
    """Blocks of two blocks each: 2 ** levels layers."""
    blocks = ["block B0 { input x: float[N]  output y = x -> dense(8) }"]
    for i in range(1, levels + 1):
        blocks.append(f"block B{i} {{ input x: float[N]  output y = x -> B{i - 1} -> B{i - 1} }}")
    return net(f"  output y = x -> B{levels}", "\n".join(blocks))


BOMBS = {
    "repeat": net("  output y = x -> dense(8) * 100000000"),
    "nested repeats": net("  output y = x -> ((dense(8) * 1000) * 1000) * 1000"),
    "repeat of a block": net("  output y = x -> B * 9999 -> B * 9999",
                             "block B { input x: float[N]  output y = x -> dense(8) -> relu }"),
    "doubling blocks": doubling(40),
    "nested loops": net("  for a in 0..1000 { for b in 0..1000 { x = x -> dense(8) } }\n  output y = x"),
    "wide loop": net("  for i in 0..1000000000000 { x = x -> relu }\n  output y = x"),
    "huge layer": net("  output y = x -> dense(2000000000) -> dense(2000000000)"),
    "huge kernel": "model Net { input x: float[1, 9, 9]\n"
                   "output y = x -> conv(9, kernel=100000, padding=100000) }",
    "huge input": "model Net { input x: float[1000000, 1000000, 1000000]  output y = x -> flatten }",
    "huge number": net("  output y = x -> dense(99999999999999999999999999)"),
    "power": net("  output y = x -> dense(9 ** 9 ** 9)"),
    "power of powers": net("  output y = x -> dense(2 ** 64 ** 64 ** 64)"),
    "product": net("  output y = x -> dense(" + " * ".join(["9999999"] * 40) + ")"),
    "float": net("  output y = x -> dropout(1e300 * 1e300)"),
    "list": net("  let_ = x\n  output y = x -> dense(len(0..100000000000))"),
    "deep brackets": net("  output y = " + "(" * 5000 + "x" + ")" * 5000),
    "deep lists": "let a = " + "[" * 3000 + "1" + "]" * 3000 + "\n" + net("  output y = x"),
    "deep sums": net("  output y = x" + " -> relu" * 3 + " -> dense(" + "-" * 5000 + "1)"),
    "deep conditions": net("  output y = x -> dense(" + "if true then 1 else " * 3000 + "1)"),
    "long name": net(f"  {'a' * 100000} = x\n  output y = x"),
    "long string": 'data { source = csv("' + "a" * 200000 + '") }\n' + net("  output y = x"),
    "long line": "# " + "a" * 300000 + "\n" + net("  output y = x"),
    "many faults": net("  = = = = =\n" * 20000),
    "recursion": net("  output y = x -> A", "block A { input x: float[N]  output y = x -> A }"),
    "mutual recursion": net("  output y = x -> A",
                            "block A { input x: float[N]  output y = x -> B }\n"
                            "block B { input x: float[N]  output y = x -> A }"),
    "growing recursion": net("  output y = x -> A(1)",
                             "block A(n) { input x: float[N]  output y = x -> A(n + 1) }"),
    "family": net("  for i in 0..10000 { f[i] = x }\n"
                  "  for i in 0..10000 { g[i] = f -> concat }\n  output y = g -> concat"),
    "fan-out": net("  a = x -> [" + "identity, " * 99 + "identity] -> concat\n"
                   + "  a = a -> [" + "identity, " * 99 + "identity] -> concat\n" * 12
                   + "  output y = a"),
    "wide concat": net("  a = (x, x, x, x, x, x, x, x) -> concat\n"
                       + "  a = (a, a, a, a, a, a, a, a) -> concat\n" * 14 + "  output y = a"),
    "file": "#" * 20_000_000,
    "empty loops": net("  for a in 0..60 { for b in 0..60 { for c in 0..60 { } } }\n  output y = x"),
    "endless loops": net("  for a in 0..1000 { for b in 0..1000 { for c in 0..1000 { } } }\n  output y = x"),
    "loops of numbers": net("  for a in 0..1000 { for b in 0..1000 { k = a * b } }\n  output y = x"),
    "loops of ranges": net("  for a in 0..5000 { k = sum(0..9000) }\n  output y = x"),
    "settings that double": net("  output y = x -> B12(1)", chain(12, "B(2 * n) -> B(2 * n + 1)")),
    "deep blocks": net("  output y = x -> B300(1)", chain(300, "B(n)")),
    "divisions": "model Net { input x: float[8, T]\n  output y = x"
                 + " -> conv(8, kernel=3, stride=2)" * 400 + " -> mean(axis=-1) }",
    "polynomial": "model Net { input x: float[A, B, C, D]  a = "
                  + " * ".join(["(A + B + C + D)"] * 40) + "\n  output y = x -> reshape(a) }",
    "many summands": "model Net {\n" + "".join(f"  input x{i}: float[8]\n" for i in range(2000))
                     + "  output y = (" + ", ".join(f"x{i}" for i in range(2000)) + ") -> add }",
    "bad characters": net("  output y = x -> dense(2)\n" + "$ " * 5000),
    "single quotes": net("  output y = x -> dense(2)\n" + "'\n" * 5000),
    "failed assertions": net("  output y = x\n" + "  assert 1 == 2\n" * 3000),
    "outputs twice": net("  output y = x\n" + "  output y = x\n" * 3000),
}  # fmt: skip
# Files that are right, and long or deep: they must cost what is due to their length.
LONG = {
    "growing formula": net("  n = s\n  for i in 0..3000 { n = n + s }\n  output y = x -> dense(n)").replace("Net {", "Net(s = 1) {"),
    "doubling formula": net("  n = s\n  for i in 0..24 { n = n + n }\n  output y = x -> dense(n)").replace("Net {", "Net(s = 1) {"),
    "doubling lists": "let a0 = [1, 1]\n" + "".join(f"let a{i} = [a{i-1}, a{i-1}]\n" for i in range(1, 60)) + net("  output y = x"),
    "convolutions of free size": "model Net { input x: float[8, T]\n  output y = x"
                                 + " -> conv(8, kernel=3)" * 400 + " -> mean(axis=-1) }",
    "pools of free size": "model Net { input x: float[8, T]\n  output y = x"
                          + " -> conv(8, kernel=3, stride=2)" * 40 + " -> mean(axis=-1) }",
    "repeats of repeats": net("  output y = x -> " + "(" * 40 + "dense(8)" + " * 1)" * 40),
    "blocks in blocks": net("  output y = x -> B40(1)", chain(40, "B(n)")),
    "comments": "# a\n" * 4000 + net("  output y = x"),
}  # fmt: skip


def problems_of(path: Path) -> set[str]:
    problems = Problems()
    try:
        project, source = open_project(str(path))
        driver.load(source, project, problems)
    except FileRefused as refused:
        problems.add(refused.problem)
    return {problem.code for problem in problems}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.bm"
    path.write_text(BOMBS[name], encoding="utf-8")
    with Calls() as work:
        codes = problems_of(path)
    assert codes and "BM699" not in codes
    assert work.count < MOST_CALLS


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_long_files_cost_what_is_due(name: str, tmp_path: Path) -> None:
    path = tmp_path / "long.bm"
    path.write_text(LONG[name], encoding="utf-8")
    problems = Problems()
    with Calls() as work:
        project, source = open_project(str(path))
        program = driver.load(source, project, problems)
        assert program is not None
        for backend in ("torch", "keras", "onnx"):
            assert driver.compile(program, backend, problems), list(problems)
        assert format_source(source, problems)
    assert work.count < MOST_CALLS


def test_the_same_mistake_in_two_files_is_told_twice(tmp_path: Path) -> None:
    """Spans are compared with their files."""
    problems = Problems()
    for name in ("a.bm", "b.bm"):
        parse(Source(name, "let a = $"), problems)
    assert len({problem.span.source.name for problem in problems}) == 2


def test_an_import_of_itself_ends(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"a{number}.bm").write_text(
            f'import {{ B }} from "a{(number + 1) % 8}.bm"\n'
            "block C { input x: float[N]  output y = x }\n"
        )
    assert "BM112" in problems_of(tmp_path / "a0.bm")


@pytest.mark.parametrize(
    "path", ["../outside.bm", "/etc/passwd", "a/../../outside.bm", "~/x.bm", "link.bm", "C:\\x.bm"]
)
def test_imports_stay_inside_the_root(path: str, tmp_path: Path) -> None:
    (tmp_path / "outside.bm").write_text("block B { input x: float[N]  output y = x }")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.bm").symlink_to(tmp_path / "outside.bm")
    escaped = path.replace("\\", "\\\\")
    (root / "a.bm").write_text(f'import {{ B }} from "{escaped}"\n' + net("  output y = x -> B"))
    problems = Problems()
    try:
        project, source = open_project(str(root / "a.bm"), root=str(root))
        assert driver.load(source, project, problems) is None
    except FileRefused as refused:
        problems.add(refused.problem)
    assert problems.failed
