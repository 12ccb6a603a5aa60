"""Writes a generated project: all of it or nothing, and never over a file that someone edited.

The hash of every written file is kept in `.bmc.json` in the same folder. A file is replaced only
while it still has the hash that bmc gave it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from bmc.diagnostics.problems.files import CannotWrite, FileRefused, WouldOverwrite, nowhere

MANIFEST = ".bmc.json"
LARGEST_MANIFEST = 2**20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def write_project(
    folder: str | Path, files: Mapping[str, str], force: bool = False
) -> tuple[Path, ...]:
    """Writes the files (by name, text in UTF-8) and returns their paths.

    Raises `FileRefused` when a file would be lost (unless `force`), when a target is a link or no
    regular file, or when the system refuses; the folder is then as it was before.
    """
    shown = str(folder)
    for name in files:
        if not _NAME.fullmatch(name) or name.endswith("."):
            raise ValueError(f"{name!r} is no name for a generated file")
    target = Path(os.path.realpath(folder))
    try:
        data = {name: text.encode() for name, text in files.items()}
        lost = _lost(target, data, shown)
        if lost and not force:
            raise FileRefused(WouldOverwrite(nowhere(shown), shown, lost))
        data[MANIFEST] = _manifest(target, data)
        _replace(target, data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileRefused(CannotWrite(nowhere(shown), shown, reason)) from None
    return tuple(Path(folder) / name for name in files)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _lost(folder: Path, files: Mapping[str, bytes], shown: str) -> tuple[str, ...]:
    """Names of existing files that differ from what is to be written and from what bmc wrote."""
    known = _known(folder)
    lost = []
    for name, data in (*files.items(), (MANIFEST, b"")):
        path = folder / name
        if not os.path.lexists(path):
            continue
        if not stat.S_ISREG(os.lstat(path).st_mode):
            reason = f"`{name}` is a link or no regular file"
            raise FileRefused(CannotWrite(nowhere(shown), shown, reason))
        if name == MANIFEST:
            continue
        present = _hash(path.read_bytes())
        if present not in (known.get(name), _hash(data)):
            lost.append(name)
    return tuple(lost)


def _known(folder: Path) -> dict[str, str]:
    """Hashes of the files that bmc wrote into the folder; none when the record can't be read."""
    path = folder / MANIFEST
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST_MANIFEST:
            return {}
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    files = record.get("files") if isinstance(record, dict) else None
    if not isinstance(files, dict):
        return {}
    return {name: value for name, value in files.items() if isinstance(value, str)}


def _manifest(folder: Path, files: Mapping[str, bytes]) -> bytes:
    """The record of this write. Files of earlier writes that are not replaced stay in it."""
    hashes = {**_known(folder), **{name: _hash(data) for name, data in files.items()}}
    record = {"written by": "bmc", "files": dict(sorted(hashes.items()))}
    return (json.dumps(record, indent=2) + "\n").encode()


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts all files in place, or leaves everything as it was."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = folder.parent / f".{folder.name}.{os.urandom(4).hex()}.tmp"
    stage.mkdir()
    try:
        for name, data in files.items():
            _write(stage / name, data)
        if not folder.exists():
            os.rename(stage, folder)
            return
        _swap(folder, stage, tuple(files))
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _swap(folder: Path, stage: Path, names: tuple[str, ...]) -> None:
    """Moves staged files into the folder; on failure the old ones come back."""
    kept = stage / "old"
    kept.mkdir()
    done: list[str] = []
    try:
        for name in names:
            if (folder / name).exists():
                shutil.copy2(folder / name, kept / name)
        for name in names:
            done.append(name)
            os.replace(stage / name, folder / name)
    except BaseException:
        for name in done:
            if (kept / name).exists():
                os.replace(kept / name, folder / name)
            elif not (stage / name).exists():
                (folder / name).unlink(missing_ok=True)
        raise
