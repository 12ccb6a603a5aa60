"""Small files that ask for too much are refused before they take it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.files import FileRefused
from bmc.project import open_project

SECONDS = 2.0


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
}  # fmt: skip


def problems_of(path: Path) -> set[str]:
    problems = Problems()
    try:
        project, source = open_project(str(path))
        driver.load(source, project, problems)
    except FileRefused as refused:
        problems.add(refused.problem)
    return {problem.code for problem in problems}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.bm"
    path.write_text(BOMBS[name], encoding="utf-8")
    began = time.process_time()
    codes = problems_of(path)
    assert time.process_time() - began < SECONDS
    assert codes and "BM699" not in codes


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
