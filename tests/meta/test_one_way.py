"""No file of the compiler leads back to itself, imports inside functions included."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (ROOT / "compiler", ROOT / "backends")


def files() -> dict[str, Path]:
    """Every module by its name."""
    found = {}
    for room in ROOMS:
        for path in room.rglob("*.py"):
            parts = path.relative_to(room).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules that a file names in its imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in inner}
    return found & modules.keys()


def test_no_file_leads_back_to_itself() -> None:
    modules = files()
    assert len(modules) > 150
    leads = {name: imported(path, modules) - {name} for name, path in modules.items()}
    ended: set[str] = set()
    while True:  # files all of whose imports have ended end, too
        free = {name for name, others in leads.items() if name not in ended and others <= ended}
        if not free:
            break
        ended |= free
    left = sorted(leads.keys() - ended)
    assert not left, f"in circles, or led to one: {left}"


def room_of(module: str) -> str:
    """The folder of the compiler that a module is in, or the module itself."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "bmc" else parts[0]


def test_no_folder_leads_back_to_itself() -> None:
    """`types` below `ops`, that below `ir`, and so on up to the command line."""
    modules = files()
    leads: dict[str, set[str]] = {}
    for name, path in modules.items():
        others = {room_of(other) for other in imported(path, modules)}
        leads.setdefault(room_of(name), set()).update(others - {room_of(name)})
    order: list[str] = []
    while True:
        free = sorted(r for r, others in leads.items() if r not in order and others <= {*order})
        if not free:
            break
        order += free
    left = {room: sorted(leads[room] - {*order}) for room in leads.keys() - {*order}}
    assert not left, f"in circles, or led to one: {left}"
    below = ["bmc.types", "bmc.ops", "bmc.ir", "bmc.elaborate", "bmc.sections", "bmc.driver"]
    assert [room for room in order if room in below] == below
