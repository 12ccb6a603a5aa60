"""The command line: exit codes, forms of output, and no traceback whatever happens."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import bmc
from bmc import cli, doctor
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.names import UnknownName
from bmc.ir.cost import ModelSummary, Row
from bmc.source import Span

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'compiler'}:{ROOT / 'backends'}"}
TRAIN = "import sys\nprint(sys.argv[1:])\nsys.exit(7)\n"


def run(*arguments, **named):
    return subprocess.run(
        [sys.executable, "-m", "bmc", *arguments],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=60,
        **named,
    )


class Driver(types.ModuleType):
    """A driver for which `bad` is the only error, so that the command line is tested alone."""

    def __init__(self):
        super().__init__("bmc.driver")
        self.settings = None

    def load(self, source, project, problems, settings):
        self.settings = settings
        if "crash" in source.text:
            raise RuntimeError("secret\x1b[31m\nsecond line")
        at = source.text.find("bad")
        if at >= 0:
            problems.add(UnknownName(Span(source, at, at + 3), "bad", "value", ("bed",)))
            return None
        return types.SimpleNamespace(
            train=types.SimpleNamespace(
                source="a.npz", test=True, writes="predictions.csv", epochs=9, steps=None
            )
        )

    def check(self, program, backend, problems):
        return None

    def compile(self, program, backend, problems):
        return {"model.py": "a = 1\n", "train.py": TRAIN}

    def summary(self, program):
        row = Row("conv", "conv", "float[6, 28, 28]", 156, 235_200, 18_816, 0)
        return ModelSummary("Net", (row,), 156, 0, 235_200, 18_816, {"T": 128})

    def emit(self, program, stage, problems):
        return f"stage {stage}"


@pytest.fixture
def driver(monkeypatch, tmp_path):
    fake = Driver()
    monkeypatch.setitem(sys.modules, "bmc.driver", fake)
    monkeypatch.setattr(bmc, "driver", fake, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fine.bm").write_text("let a = 1\n")
    (tmp_path / "bad.bm").write_text("let a = bad\n")
    (tmp_path / "crash.bm").write_text("crash\n")
    return fake


def test_check_exit_codes(driver, capsys):
    assert cli.main(["check", "fine.bm"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["check", "fine.bm", "bad.bm"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error[BM102]: there is no value `bad`\n --> bad.bm:1:9\n")
    assert output.err.endswith("= help: did you mean `bed`?\n\n1 error\n")
    assert cli.main(["check", "absent.bm"]) == 2
    assert cli.main(["check", "bad.bm", "."]) == 2


def test_check_as_json(driver, capsys):
    assert cli.main(["check", "--format", "json", "bad.bm"]) == 1
    output = capsys.readouterr()
    data = json.loads(output.out)
    assert output.err == ""
    assert sorted(data) == ["files", "problems", "version"]
    assert [problem["code"] for problem in data["problems"]] == ["BM102"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check"],
        ["check", "--unknown", "fine.bm"],
        ["compile", "fine.bm"],
        ["check", "--set", "novalue", "fine.bm"],
        ["explain", "BM999"],
    ],
)
def test_wrong_usage_is_2(driver, arguments):
    assert cli.main(arguments) == 2


def test_settings_reach_the_driver(driver):
    cli.main(["check", "--set", "train.epochs=1", "--set", "Net.depth = 6", "fine.bm"])
    assert driver.settings == {"train.epochs": "1", "Net.depth": "6"}


def test_compile_writes_and_protects(driver, capsys):
    assert cli.main(["compile", "fine.bm", "-o", "out"]) == 0
    assert capsys.readouterr().out == "out/model.py\nout/train.py\n"
    Path("out/model.py").write_text("mine")
    assert cli.main(["compile", "fine.bm", "-o", "out"]) == 2
    assert "BM605" in capsys.readouterr().err
    assert Path("out/model.py").read_text() == "mine"
    assert cli.main(["compile", "fine.bm", "-o", "out", "--force"]) == 0
    assert cli.main(["compile", "bad.bm", "-o", "other"]) == 1
    assert not Path("other").exists()


def test_emit_prints_a_stage(driver, capsys):
    assert cli.main(["compile", "fine.bm", "--emit", "ir"]) == 0
    assert capsys.readouterr().out == "stage ir\n"


def test_train_runs_the_program_with_its_flags(driver, capfd):
    code = cli.main(["train", "fine.bm", "--epochs", "2", "--data", "a b", "--", "--more", "x"])
    assert code == 7
    assert (
        capfd.readouterr().out == "['--data', 'a b', '--epochs', '2', "
        "'--out', 'build/fine-torch/run', '--overwrite', '--more', 'x']\n"
    )
    assert Path("build/fine-torch/train.py").read_text() == TRAIN
    assert cli.main(["train", "fine.bm", "--resume"]) == 7
    assert "'--resume']" in capfd.readouterr().out
    assert cli.main(["train", "bad.bm"]) == 1


def test_summary_in_both_forms(driver, capsys):
    assert cli.main(["summary", "fine.bm"]) == 0
    text = capsys.readouterr().out
    assert "conv   conv  float[6, 28, 28]         156  235.20 k  18.38 KiB" in text
    assert "counted with T = 128" in text
    assert cli.main(["summary", "--format", "json", "fine.bm"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["parameters"] == 156
    assert data["layers"][0]["path"] == "conv"
    assert data["problems"] == []


def test_a_crash_is_reported_without_a_traceback(driver, capsys, monkeypatch):
    monkeypatch.delenv("BMC_DEBUG", raising=False)
    assert cli.main(["check", "crash.bm"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error[BM699]: bmc failed inside itself with RuntimeError: secret\\x1b")
    assert "Traceback" not in error and "second line" not in error
    monkeypatch.setenv("BMC_DEBUG", "1")
    assert cli.main(["check", "crash.bm"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(driver, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "load", interrupted)
    assert cli.main(["check", "fine.bm"]) == 130


class Terminal:
    def isatty(self):
        return True


def test_color_needs_a_terminal_and_no_refusal(monkeypatch):
    from bmc import commands

    options = cli.parser().parse_args(["check", "x"])
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert commands._color(options)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not commands._color(options)
    options.color = "always"
    assert commands._color(options)


def test_doctor_imports_no_framework_and_names_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "installed", {"torch": "2.9"}.get)
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "bmc: ready" in text
    assert "torch 2.9, too old (needs 2.10 or later)" in text
    assert 'pip install "bmc-lang[onnx]"' in text
    assert "://" not in text
    monkeypatch.setattr(doctor, "installed", {}.get)
    assert cli.main(["doctor", "--format", "json"]) == 0
    assert {finding["found"] for finding in json.loads(capsys.readouterr().out)} > {None}


def test_explain_prints_problems_and_layers(capsys):
    assert cli.main(["explain", "bm301"]) == 0
    assert "# BM301: " in capsys.readouterr().out
    assert cli.main(["explain", "dense"]) == 0
    assert "| `units` |" in capsys.readouterr().out


def test_version_and_help_start_without_the_compiler():
    assert run("--version").stdout.decode() == f"bmc {bmc.__version__}\n"
    code = (
        "import sys; from bmc.cli import main; main(['--help'])\n"
        "heavy = {'lark', 'jinja2', 'torch', 'keras', 'onnx', 'numpy', 'bmc.ops.base'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=ENVIRONMENT)
    assert done.stdout.decode().endswith("[]\n")


def test_a_closed_pipe_is_silent():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "bmc", "explain", "BM301"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        timeout=60,
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a\0b", b"#" * (2**20 + 1)])
def test_garbage_on_standard_input_is_a_problem(data):
    done = run("check", "-", "--stdin-filename", "typed.bm", input=data)
    assert done.returncode == 2
    assert b"error[BM60" in done.stderr
    assert b"typed.bm" in done.stderr
    assert b"Traceback" not in done.stderr


def test_standard_input_is_read_under_its_name(driver, monkeypatch, capsys):
    class Input:
        class buffer:
            @staticmethod
            def read(size):
                return b"let a = bad\n"

    monkeypatch.setattr(sys, "stdin", Input)
    assert cli.main(["check", "-", "--stdin-filename", "blocks/new.bm"]) == 1
    assert "--> blocks/new.bm:1:9" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["blocks/new.bm", "{here}/blocks/new.bm"])
def test_imports_of_standard_input_are_beside_its_name(driver, monkeypatch, name):
    from bmc import commands

    class Input:
        class buffer:
            @staticmethod
            def read(size):
                return b"let a = 1\n"

    monkeypatch.setattr(sys, "stdin", Input)
    Path("blocks").mkdir()
    Path("blocks/part.bm").write_text("")
    name = name.replace("{here}", os.getcwd())
    options = cli.parser().parse_args(["check", "-", "--stdin-filename", name])
    project, source = commands._read("-", options, Problems())
    span = Span(source, 0, 1)
    assert project.resolve_import(source.path, "part.bm", span) == "blocks/part.bm"


def test_a_program_that_is_killed_gives_the_shells_exit_code():
    from bmc import runs

    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert runs.wait("-c", [code])[0] == 143


def test_termination_is_handed_on_to_the_program():
    code = "import time; print('up', flush=True); time.sleep(60)"
    program = f"import sys; from bmc.runs import wait\nsys.exit(wait('-c', [{code!r}])[0])"
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    assert parent.stdout.readline() == b"up\n"
    parent.terminate()
    assert parent.wait(20) == 143
    parent.stdout.close()
