"""Templates print values as literals, and what is kept of them is kept where others can't write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jinja2 import UndefinedError

from bmc import cache
from bmc.emit import templates
from bmc.emit.templates import Code, render

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with one template."""
    (tmp_path / "templates").mkdir()
    text = "{% if more %}\n    more\n{% endif %}\nx = {{ value }}\n"
    (tmp_path / "templates" / "one.py.jinja").write_text(text)
    module = ModuleType("some_package")
    module.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "some_package", module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    templates._environment.cache_clear()
    return "some_package"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a"; import os', "x = 'a\"; import os'\n"),
        ("{{ 7 * 7 }}", 'x = "{{ 7 * 7 }}"\n'),
        (3, "x = 3\n"),
        (None, "x = None\n"),
        (Code("a + b"), "x = a + b\n"),
    ],
)
def test_values_are_literals(package: str, value: Any, text: str) -> None:
    assert render(package, "one.py", value=value, more=False) == text
    assert render(package, "one.py", value=value, more=True) == "    more\n" + text


@pytest.mark.parametrize("value", [float("nan"), [1], object()])
def test_values_without_a_literal(package: str, value: Any) -> None:
    with pytest.raises(TypeError):
        render(package, "one.py", value=value, more=False)


def test_a_slot_without_a_value(package: str) -> None:
    with pytest.raises((UndefinedError, TypeError)):
        render(package, "one.py", more=False)
    with pytest.raises(UndefinedError):
        render(package, "one.py", value=1)


def test_compiled_templates_are_kept(package: str, tmp_path: Path) -> None:
    render(package, "one.py", value=1, more=False)
    kept = list((tmp_path / "cache" / "bmc").glob("*.template"))
    assert len(kept) == 1
    assert (tmp_path / "cache" / "bmc").stat().st_mode & 0o077 == 0
    kept[0].write_bytes(b"damaged")
    templates._environment.cache_clear()
    assert render(package, "one.py", value=2, more=False) == "x = 2\n"


def test_a_folder_that_others_can_write_into_is_left_alone(package: str, tmp_path: Path) -> None:
    place = tmp_path / "cache" / "bmc"
    place.mkdir(parents=True)
    place.chmod(0o777)
    render(package, "one.py", value=1, more=False)
    assert cache.folder() is None and list(place.iterdir()) == []


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> Path:
        raise RuntimeError("could not determine home directory")

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", lost)
    assert cache.folder() is None


def test_a_link_is_no_folder_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache" / "bmc").symlink_to(tmp_path / "elsewhere")
    assert cache.folder() is None
    cache.write("one", b"1")
    assert cache.read("one") is None


SPEC = ROOT / "specs" / "vision" / "digits.bm"
UNNEEDED = {
    "check": (["check", str(SPEC)], {"jinja2", "numpy"}),
    "explain": (["explain", "BM301"], {"jinja2", "lark", "numpy"}),
    "completion": (["completion", "bash"], {"jinja2", "lark", "numpy"}),
}


@pytest.mark.parametrize("name", UNNEEDED)
def test_commands_load_what_they_need(name: str) -> None:
    words, unneeded = UNNEEDED[name]
    code = (
        "import sys; from bmc.cli import main\n"
        f"assert main({words!r}) == 0\n"
        f"assert not {unneeded!r} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
