"""The user's own folder for what can be worked out again.

What is read from it runs as code or decides what a file means, so a folder that others can write
into, or that belongs to somebody else, is left alone: then everything is worked out anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from pathlib import Path

LENGTH = hashlib.sha256().digest_size


def folder() -> Path | None:
    """The folder, made if need be; None where there can be no safe one."""
    try:
        path = _base() / "bmc"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except (OSError, RuntimeError):  # no rights, or no home
        return None
    if not stat.S_ISDIR(found.st_mode):
        return None
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
        return None
    return path


def read(name: str) -> bytes | None:
    """What was kept under a name, if anything, and if it is whole."""
    place = folder()
    try:
        kept = b"" if place is None else (place / name).read_bytes()
    except OSError:
        return None
    digest, content = kept[:LENGTH], kept[LENGTH:]
    return content if hashlib.sha256(content).digest() == digest else None


def write(name: str, content: bytes) -> None:
    """Keeps something under a name, as a whole or not at all; nothing where that can't be."""
    place = folder()
    if place is None:
        return
    made = place / f"{name}.{os.urandom(4).hex()}.tmp"
    try:
        made.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(made, place / name)
    except OSError:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


def _base() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"
