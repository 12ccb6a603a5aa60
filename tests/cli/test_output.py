"""What bmc writes: all or nothing, and never over someone's work."""

import json
import os

import pytest

from bmc import output
from bmc.diagnostics.problems.files import FileRefused
from bmc.output import MANIFEST, write_project

FILES = {"model.py": "a = 1\n", "train.py": "b = 2\n"}


def problem_of(*arguments, **named):
    with pytest.raises(FileRefused) as refused:
        write_project(*arguments, **named)
    return refused.value.problem


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != MANIFEST}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def test_a_new_folder_holds_the_files_and_their_hashes(folder):
    paths = write_project(folder / "deep", FILES)
    assert [path.name for path in paths] == ["model.py", "train.py"]
    assert contents(folder / "deep") == FILES
    assert sorted(json.loads((folder / "deep" / MANIFEST).read_text())["files"]) == sorted(FILES)
    assert [path.name for path in folder.iterdir()] == ["deep"]


def test_files_that_bmc_wrote_are_replaced(folder):
    write_project(folder, FILES)
    write_project(folder, {**FILES, "model.py": "a = 3\n"})
    assert contents(folder) == {**FILES, "model.py": "a = 3\n"}


def test_edited_and_foreign_files_are_kept_and_named(folder):
    write_project(folder, FILES)
    (folder / "model.py").write_text("mine\n")
    (folder / "data.py").write_text("mine too\n")
    problem = problem_of(folder, {"model.py": "x", "train.py": "y", "data.py": "z"})
    assert (problem.code, problem.files) == ("BM605", ("model.py", "data.py"))
    assert contents(folder) == {**FILES, "model.py": "mine\n", "data.py": "mine too\n"}
    write_project(folder, {"model.py": "x"}, force=True)
    assert (folder / "model.py").read_text() == "x"


def test_other_files_of_the_folder_stay(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    write_project(folder, FILES)
    assert contents(folder) == {**FILES, "notes.txt": "mine"}


def test_writing_the_same_again_is_fine_even_without_a_record(folder):
    write_project(folder, FILES)
    (folder / MANIFEST).unlink()
    write_project(folder, FILES)
    (folder / MANIFEST).write_text("[" * 100_000)
    write_project(folder, FILES)
    assert json.loads((folder / MANIFEST).read_text())["files"]


def test_a_record_kept_by_an_earlier_write_still_protects_its_files(folder):
    write_project(folder, FILES)
    write_project(folder, {"other.py": "c"})
    write_project(folder, {"train.py": "new\n"})
    assert (folder / "train.py").read_text() == "new\n"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["model.py", MANIFEST])
def test_links_are_never_written_through(folder, tmp_path, force, name):
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / name).symlink_to(victim)
    assert problem_of(folder, FILES, force).code == "BM606"
    assert victim.read_text() == "precious"


def test_pipes_are_not_written_to(folder):
    folder.mkdir()
    os.mkfifo(folder / "model.py")
    assert problem_of(folder, FILES, force=True).code == "BM606"


@pytest.mark.parametrize(
    "name", ["../x.py", "/x.py", "a/b.py", "", ".hidden", "x\0.py", "x\n", "x."]
)
def test_names_come_from_the_compiler_only(folder, name):
    with pytest.raises(ValueError, match="no name"):
        write_project(folder, {name: ""})


@pytest.mark.parametrize("failing", range(3))
def test_a_failure_leaves_the_old_state(folder, monkeypatch, failing):
    write_project(folder, FILES)
    before = contents(folder), (folder / MANIFEST).read_text()
    calls = []
    replace = os.replace

    def failing_replace(source, target):
        calls.append(target)
        if len(calls) == failing + 1:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(output.os, "replace", failing_replace)
    problem = problem_of(folder, {"new.py": "n", "model.py": "changed"})
    assert problem.diagnostic().message == f"can't write `{folder}`: no space left on device"
    assert (contents(folder), (folder / MANIFEST).read_text()) == before
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_full_disk_while_staging_leaves_nothing(folder, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "_write", full)
    assert problem_of(folder, FILES).code == "BM606"
    assert list(folder.parent.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_kept(folder):
    folder.write_text("a file")
    assert problem_of(folder, FILES).code == "BM606"
    assert folder.read_text() == "a file"
