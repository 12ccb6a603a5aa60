"""Files that can't be read or written, and faults of bmc itself. BM6xx.

A file that can't be read has no text to point into: its span is empty, at the start of an empty
source that has the file's name.
"""

# `diagnostic` is documented once, on Problem.
# ruff: noqa: D102

from __future__ import annotations

from bmc.diagnostics.diagnostic import Diagnostic, Problem
from bmc.diagnostics.suggest import listing
from bmc.records import record
from bmc.source import Source, Span


class FileRefused(Exception):
    """A file that was not read or written; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.diagnostic().message)
        self.problem = problem


def nowhere(name: str) -> Span:
    """The span of a problem with a file that has no text to point into."""
    return Span(Source(name, ""), 0, 0)


@record
class FileTooLarge(Problem, code="BM601"):
    """A file, or all imported files together, past the limit on size or number.

    One file may have 1 MiB, all files of a program 8 MiB; a program may have 256 files, imported
    at most 16 deep.

    Example:
        bmc check two-megabytes.bm

    Fix:
        Split the file, or keep data out of it: data belongs in files that `data` reads.
    """

    what: str
    found: str
    limit: str

    def diagnostic(self) -> Diagnostic:
        return self.build(f"{self.what} has {self.found}, and the limit is {self.limit}")


@record
class NotUtf8(Problem, code="BM602"):
    """A file that is not UTF-8 text.

    Example:
        bmc check model.pt

    Fix:
        Save the file as UTF-8 without NUL characters.
    """

    path: str
    offset: int

    def diagnostic(self) -> Diagnostic:
        return self.build(
            f"`{self.path}` is not UTF-8 text",
            notes=(f"the first invalid byte is at offset {self.offset}",),
            help="save the file as UTF-8",
        )


@record
class CannotRead(Problem, code="BM603"):
    """A file that can't be read.

    Example:
        bmc check no-such-file.bm

    Fix:
        Check the path and its permissions. Folders, pipes and devices are not read.
    """

    path: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.build(f"can't read `{self.path}`: {self.reason}")


@record
class OutsideProject(Problem, code="BM604"):
    """A path that leads out of the project's folder, or has a form that is not allowed.

    A `.bm` file may come from a stranger. Its imports are relative paths that stay inside the
    project's folder: the one given with `--root`, else the one in which bmc runs if the file is
    inside it, else the file's own. No `..` past it, no absolute path, no link that leads out.

    Example:
        import { Encoder } from "/etc/passwd"

    Fix:
        Move the file into the project's folder, or run bmc with `--root` on the folder above.
    """

    path: str
    reason: str = "it leads out of the project's folder"

    def diagnostic(self) -> Diagnostic:
        return self.build(f"`{self.path}` is refused: {self.reason}")


@record
class WouldOverwrite(Problem, code="BM605"):
    """Files in the output folder that bmc did not write, or that were edited since.

    bmc keeps the hash of every file that it writes. It replaces only files that are still as it
    left them, so that no edit is ever lost.

    Example:
        bmc compile model.bm --backend torch -o folder-with-an-edited-model.py

    Fix:
        Choose another folder, or give `--force` to replace the files.
    """

    path: str
    files: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        files = "a file" if len(self.files) == 1 else f"{len(self.files)} files"
        return self.build(
            f"`{self.path}` has {files} that would be lost: {listing(self.files)}",
            notes=("bmc did not write them, or they were edited since",),
            help="choose another folder, or give `--force` to replace them",
        )


@record
class CannotWrite(Problem, code="BM606"):
    """A file or folder that can't be written.

    Nothing is left half written: either all files are replaced or none is.

    Example:
        bmc compile model.bm --backend torch -o /proc/out

    Fix:
        Choose another folder with `-o`, or make room on the disk.
    """

    path: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.build(f"can't write `{self.path}`: {self.reason}")


@record
class InternalError(Problem, code="BM699"):
    """A fault of bmc itself.

    Every input, however wrong, should give an error that points at the input. This one did not.

    Example:
        bmc check a-file-that-shows-a-fault.bm

    Fix:
        Report the file and the message. `BMC_DEBUG=1` shows where in bmc it happened.
    """

    kind: str
    message: str

    def diagnostic(self) -> Diagnostic:
        detail = f": {self.message}" if self.message else ""
        return self.build(
            f"bmc failed inside itself with {self.kind}{detail}",
            notes=("this is a fault of bmc and not of the file",),
            help="report it together with the file; `BMC_DEBUG=1` shows where it happened",
        )
