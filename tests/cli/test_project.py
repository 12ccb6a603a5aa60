"""What a stranger's file can make bmc read: nothing outside the project, nothing unbounded."""

import os
import signal

import pytest

from bmc import project as project_module
from bmc.diagnostics.problems.files import FileRefused
from bmc.project import DEEPEST, MOST_FILES, MOST_IN_FILE, Project, open_project
from bmc.source import Source, Span


@pytest.fixture
def root(tmp_path):
    (tmp_path / "secret.bm").write_text("let secret = 1\n")
    inside = tmp_path / "project"
    (inside / "blocks").mkdir(parents=True)
    (inside / "main.bm").write_text("let a = 1\n")
    (inside / "blocks" / "part.bm").write_text("let b = 1\n")
    return inside


@pytest.fixture(autouse=True)
def no_hanging():
    signal.alarm(10)
    yield
    signal.alarm(0)


def import_of(root, text, origin="main.bm"):
    project = Project(root)
    source = Source("main.bm", f"import {text!r}")
    return project.read(project.resolve_import(origin, text, Span(source, 0, 6)))


def code_of(call, *arguments, **named):
    with pytest.raises(FileRefused) as refused:
        call(*arguments, **named)
    return refused.value.problem.code


def test_a_file_and_its_imports_are_read(root):
    assert import_of(root, "blocks/part.bm").text == "let b = 1\n"
    assert import_of(root, "../main.bm", "blocks/part.bm").text == "let a = 1\n"
    assert import_of(root, "part.bm", "blocks/other.bm").path == "blocks/part.bm"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.bm",
        "blocks/../../secret.bm",
        "/etc/passwd",
        "/etc/x.bm",
        "~/x.bm",
        "C:/x.bm",
        "\\\\host\\share\\x.bm",
        "..\\secret.bm",
        "a\0.bm",
        "a\n.bm",
        "",
        "a" * 300 + ".bm",
        "e\u0301.bm",
        "blocks",
        "main.txt",
        "..",
    ],
)
def test_paths_that_lead_out_or_have_a_wrong_form_are_refused(root, path):
    assert code_of(import_of, root, path) == "BM604"


def test_an_absent_import_is_named(root):
    assert code_of(import_of, root, "blocks/absent.bm") == "BM110"


def test_links_out_are_refused_and_links_inside_are_read(root):
    (root / "out.bm").symlink_to(root.parent / "secret.bm")
    (root / "folder").symlink_to(root.parent)
    (root / "inside.bm").symlink_to(root / "main.bm")
    assert code_of(import_of, root, "out.bm") == "BM604"
    assert code_of(import_of, root, "folder/secret.bm") == "BM604"
    assert import_of(root, "inside.bm").text == "let a = 1\n"


def test_only_regular_files_are_read(root):
    os.mkfifo(root / "pipe.bm")
    (root / "folder.bm").mkdir()
    (root / "zero.bm").symlink_to("/dev/zero")
    assert code_of(import_of, root, "pipe.bm") == "BM603"
    assert code_of(import_of, root, "folder.bm") == "BM603"
    assert code_of(import_of, root, "zero.bm") == "BM604"
    assert code_of(open_project, "/dev/zero") == "BM603"
    assert code_of(open_project, str(root / "pipe.bm")) == "BM603"


def test_sizes_are_bounded(root, monkeypatch):
    (root / "big.bm").write_bytes(b"#" * (MOST_IN_FILE + 1))
    assert code_of(import_of, root, "big.bm") == "BM601"
    (root / "full.bm").write_bytes(b"#" * MOST_IN_FILE)
    assert len(import_of(root, "full.bm").text) == MOST_IN_FILE
    monkeypatch.setattr(project_module, "MOST_IN_ALL", 15)
    project = Project(root)
    project.read("main.bm")
    assert code_of(project.read, "blocks/part.bm") == "BM601"


def test_the_number_of_files_and_their_depth_are_bounded(root):
    project = Project(root)
    for number in range(MOST_FILES):
        (root / f"f{number}.bm").write_text("")
        project.read(f"f{number}.bm")
    assert code_of(project.read, "main.bm") == "BM601"
    span = Span(Source("a", "a"), 0, 1)
    for number in range(DEEPEST):
        project.resolve_import(f"f{number}.bm", f"f{number + 1}.bm", span)
    last = f"f{DEEPEST}.bm"
    assert code_of(project.resolve_import, last, f"f{DEEPEST + 1}.bm", span) == "BM601"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"let a = \xc3", b"a\0b", b"\xed\xa0\x80"])
def test_other_text_than_utf8_is_refused(root, data):
    (root / "bad.bm").write_bytes(data)
    assert code_of(import_of, root, "bad.bm") == "BM602"


def test_byte_order_marks_and_carriage_returns_are_taken_off(root):
    (root / "dos.bm").write_bytes(b"\xef\xbb\xbflet a = 1\r\n")
    assert import_of(root, "dos.bm").text == "let a = 1\n"


def test_the_root_is_the_current_folder_or_the_files_own(root, monkeypatch):
    monkeypatch.chdir(root)
    project, source = open_project("blocks/part.bm")
    assert project.root == os.path.realpath(root)
    assert (source.name, source.path) == ("blocks/part.bm", "blocks/part.bm")
    project, source = open_project("../secret.bm")
    assert project.root == os.path.realpath(root.parent)
    assert (source.name, source.path) == ("../secret.bm", "secret.bm")
    assert code_of(open_project, "../secret.bm", root=".") == "BM604"
    assert code_of(open_project, "a\0b") == "BM603"
    assert code_of(open_project, "absent.bm") == "BM603"


def test_messages_call_an_imported_file_as_the_user_would(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    project, source = open_project("project/main.bm", root="project")
    assert source.name == "project/main.bm"
    assert project.read("blocks/part.bm").name == "project/blocks/part.bm"
