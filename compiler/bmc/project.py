"""Reads the `.bm` files of a program, and nothing else on the machine.

A file may come from a stranger: what it imports stays inside the project's folder, is a regular
file of bounded size, and is UTF-8. Knows nothing of the language.
"""

from __future__ import annotations

import os
import posixpath
import stat
import unicodedata
from pathlib import Path

from bmc.diagnostics.diagnostic import Problem
from bmc.diagnostics.problems.files import (
    CannotRead,
    FileRefused,
    FileTooLarge,
    NotUtf8,
    OutsideProject,
    nowhere,
)
from bmc.diagnostics.problems.names import ImportNotFound
from bmc.source import Source, Span

MEBIBYTE = 2**20
MOST_IN_FILE = 1 * MEBIBYTE
MOST_IN_ALL = 8 * MEBIBYTE
MOST_FILES = 256
DEEPEST = 16
LONGEST_PART = 255  # bytes; what file systems take for one name


class Project:
    """The folder that a program's files are read from, and what was read so far.

    Paths are relative to `root`, with `/` between their parts. `shown` is how messages call the
    root: what the user typed.
    """

    def __init__(self, root: str | Path, shown: str = "") -> None:
        self.root = os.path.realpath(root)
        self.shown = shown
        self.sources: dict[str, Source] = {}
        self.depths: dict[str, int] = {}
        self.bytes = 0

    def read(self, path: str, at: Span | None = None) -> Source:
        """The file at a path inside the root, read once. Raises `FileRefused`, at `at`."""
        if path in self.sources:
            return self.sources[path]
        name = posixpath.join(self.shown, path)
        span = at or nowhere(name)
        if len(self.sources) >= MOST_FILES:
            raise FileRefused(
                FileTooLarge(span, "the program", f"over {MOST_FILES} files", f"{MOST_FILES}")
            )
        real = self._contained(path, span)
        text = decode(read_bytes(real, name, span), name, span)
        return self.add(Source(name, text, path), span)

    def add(self, source: Source, at: Span | None = None) -> Source:
        """Counts a source in, such as standard input. Raises `FileRefused` past the limits."""
        self.bytes += len(source.text.encode())
        if self.bytes > MOST_IN_ALL:
            limit = f"{MOST_IN_ALL // MEBIBYTE} MiB"
            raise FileRefused(
                FileTooLarge(at or nowhere(source.name), "the program", f"over {limit}", limit)
            )
        self.sources[source.path or source.name] = source
        return source

    def resolve_import(self, from_path: str, text: str, at: Span) -> str:
        """The path inside the root that an import means. Raises `FileRefused`, at `at`."""
        reason = bad_form(text)
        if reason is None and not text.endswith(".bm"):
            reason = "only `.bm` files are imported"
        path = _beside(from_path, text, at, reason)
        depth = self.depths.get(from_path, 0) + 1
        if depth > DEEPEST:
            chain = "the chain of imports"
            raise FileRefused(FileTooLarge(at, chain, f"{depth} files", f"{DEEPEST}"))
        self.depths[path] = min(depth, self.depths.get(path, depth))
        if not os.path.lexists(os.path.join(self.root, path)):
            looked = posixpath.join(self.shown, path)
            raise FileRefused(ImportNotFound(at, text, looked))
        return path

    def text_beside(self, from_path: str, text: str, at: Span) -> str:
        """The text of a file named in another one, by a path from there. Raises `FileRefused`."""
        return self.read(_beside(from_path, text, at, bad_form(text)), at).text

    def _contained(self, path: str, span: Span) -> str:
        """The real path, once it is known to be inside the root."""
        try:
            real = os.path.realpath(os.path.join(self.root, path))
            inside = os.path.commonpath([self.root, real]) == self.root
        except (OSError, ValueError):
            inside = False
        if not inside:
            raise FileRefused(OutsideProject(span, path))
        return real


def _beside(from_path: str, text: str, at: Span, reason: str | None) -> str:
    """The path inside the root of a file named in another; `reason` says why it may not be."""
    if reason:
        raise FileRefused(OutsideProject(at, text, reason))
    path = posixpath.normpath(posixpath.join(posixpath.dirname(from_path), text))
    if path == ".." or path.startswith("../"):
        raise FileRefused(OutsideProject(at, text))
    return path


def open_project(path: str, root: str | None = None) -> tuple[Project, Source]:
    """The project of a file that the user named, and the file. Raises `FileRefused`."""
    project, inner = locate(path, root)
    return project, project.read(inner)


def locate(path: str, root: str | None = None) -> tuple[Project, str]:
    """The project that a path belongs to, and the path inside it. Raises `FileRefused`.

    The root is `root`, else the current folder if the path is in it, else the path's own folder.
    """
    if "\0" in path:
        raise FileRefused(CannotRead(nowhere(path), path, "the path has a NUL character"))
    real = os.path.realpath(path)
    base = os.path.realpath(root or os.curdir)
    if os.path.commonpath([base, real]) != base:
        if root is not None:
            raise FileRefused(OutsideProject(nowhere(path), path))
        base = os.path.dirname(real)
    inner = os.path.relpath(real, base).replace(os.sep, "/")
    # Messages show the path as it was typed, and imports beside it in the same form.
    typed = path.replace(os.sep, "/")
    shown = typed[: -len(inner)] if typed.endswith(inner) else f"{base}/"
    return Project(base, shown), inner


def read_bytes(path: str, name: str, span: Span, limit: int = MOST_IN_FILE) -> bytes:
    """The bytes of a regular file of bounded size. Raises `FileRefused`."""
    # Without O_NONBLOCK, opening a pipe would wait for a writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise FileRefused(_cannot_read(span, name, error)) from None
    try:
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FileRefused(CannotRead(span, name, "it is not a regular file"))
            data = stream.read(limit + 1)
    except OSError as error:
        raise FileRefused(_cannot_read(span, name, error)) from None
    if len(data) > limit:
        shown = f"{limit // MEBIBYTE} MiB"
        raise FileRefused(FileTooLarge(span, f"`{name}`", f"over {shown}", shown))
    return data


def decode(data: bytes, name: str, span: Span) -> str:
    """UTF-8 text with `\\n` line ends. Raises `FileRefused`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(NotUtf8(span, name, error.start)) from None
    if "\0" in text:
        raise FileRefused(NotUtf8(span, name, data.index(b"\0")))
    return text.replace("\r\n", "\n")


def _cannot_read(span: Span, name: str, error: OSError | ValueError) -> Problem:
    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "there is no such file",
        IsADirectoryError: "it is a folder",
        PermissionError: "permission denied",
    }
    reason = reasons.get(type(error)) or getattr(error, "strerror", None) or str(error)
    return CannotRead(span, name, reason.lower())


def bad_form(path: str) -> str | None:
    """Why a path has a form that no file of a project has, or None."""
    if not path:
        return "the path is empty"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return "the path has a control character"
    if path.startswith(("/", "~")) or "\\" in path or ":" in path:
        return "paths are relative, with `/` between folders"
    if unicodedata.normalize("NFC", path) != path:
        return "the path is not in Unicode's composed form (NFC)"
    if any(len(part.encode()) > LONGEST_PART for part in path.split("/")):
        return f"a part of the path is longer than {LONGEST_PART} bytes"
    return None
