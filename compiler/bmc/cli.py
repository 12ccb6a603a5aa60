"""The command line. Reads arguments, calls the driver, prints; decides nothing of the language.

Exit codes: 0 fine, 1 problems found in a file, 2 wrong usage, or a file that can't be read or
written. No traceback reaches a user: what is not expected becomes problem BM699.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from bmc import __version__
from bmc.exits import INTERRUPTED, PASSED_TO_TRAIN, PIPE_CLOSED, USAGE

SHELLS = ("bash", "zsh", "fish")
STAGES = ("ast", "ir", "shapes", "torch", "keras", "onnx")

MOST_UPDATES = 1000  # that `verify` compares: each keeps a copy of the weights


def parser() -> argparse.ArgumentParser:
    """The parser of `bmc`'s arguments."""
    top = argparse.ArgumentParser(
        prog="bmc", description="Compiles .bm model files into PyTorch, Keras and ONNX programs."
    )
    top.add_argument("--version", action="version", version=f"bmc {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _init(commands.add_parser("init", help="write a first spec that works, and its data"))
    _check(commands.add_parser("check", help="look for problems, write nothing"))
    _compile(commands.add_parser("compile", help="write a program for a framework"))
    _train(commands.add_parser("train", help="compile, train, evaluate and predict"))
    _evaluate(commands.add_parser("evaluate", help="score the weights of a run"))
    _predict(commands.add_parser("predict", help="predict with the weights of a run"))
    _summary(commands.add_parser("summary", help="list layers, shapes, parameters and costs"))
    _verify(commands.add_parser("verify", help="compare the programs of several backends"))
    _weights(commands.add_parser("weights", help="list the tensors of a weights file"))
    _format(commands.add_parser("fmt", help="bring files into the standard layout"))
    explain = commands.add_parser("explain", help="explain a problem's code, or a word of a file")
    explain.add_argument("topic", metavar="TOPIC", help="such as BM301, conv, train or optimizer")
    doctor = commands.add_parser("doctor", help="say what is installed and what is missing")
    _add_format(doctor)
    completion = commands.add_parser("completion", help="print a shell's completion script")
    completion.add_argument("shell", choices=SHELLS)
    return top


def _init(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder", nargs="?", default=".", metavar="DIR", help="where to; here, if not given"
    )
    command.add_argument("--force", action="store_true", help="replace files that were edited")
    _add_format(command)


def _check(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", nargs="+", metavar="FILE", help="a .bm file; - reads the input")
    command.add_argument(
        "--backend", metavar="NAME", help="report what torch, keras or onnx refuses"
    )
    _add_reading(command)
    _add_format(command)


def _compile(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="a .bm file; - reads the input")
    command.add_argument("--backend", default="torch", metavar="NAME", help="torch, keras or onnx")
    goal = command.add_mutually_exclusive_group(required=True)
    goal.add_argument("-o", "--output", metavar="DIR", help="folder to write to")
    goal.add_argument("--emit", metavar="STAGE", help=f"print a stage instead: {', '.join(STAGES)}")
    command.add_argument("--force", action="store_true", help="replace files that were edited")
    _add_reading(command)
    _add_format(command)


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="a .bm file")
    command.add_argument("--backend", default="torch", metavar="NAME", help="torch, keras or onnx")
    command.add_argument("--force", action="store_true", help="replace files that were edited")
    for flag, text in PASSED_TO_TRAIN.items():
        command.add_argument(f"--{flag}", metavar="X", help=text)
    earlier = command.add_mutually_exclusive_group()
    earlier.add_argument("--overwrite", action="store_true", help="an earlier run in --out goes")
    earlier.add_argument("--resume", action="store_true", help="an earlier run in --out goes on")
    command.add_argument("--quiet", action="store_true", help="print nothing while it trains")
    command.epilog = "What follows -- goes to train.py as it is."
    _add_reading(command)
    _add_format(command)


def _evaluate(command: argparse.ArgumentParser) -> None:
    _run_of(command)
    command.add_argument("--split", metavar="NAME", help="train, validation or test")
    command.add_argument("--all", action="store_true", help="score all rows of the data")
    command.epilog = "What follows -- goes to evaluate.py as it is."


def _predict(command: argparse.ArgumentParser) -> None:
    _run_of(command)
    command.add_argument("-o", "--output", metavar="FILE", help="where the table goes")
    command.epilog = "What follows -- goes to predict.py as it is."


def _run_of(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN", help="the folder that training wrote")
    command.add_argument("--data", metavar="PATH", help="other data than the run's own")
    _add_format(command)


def _summary(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="a .bm file; - reads the input")
    _add_reading(command)
    _add_format(command)


def _verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="a .bm file; - reads the input")
    command.add_argument(
        "--backends",
        type=_names,
        metavar="NAMES",
        help="which, the first being the measure: torch,keras,onnx",
    )
    command.add_argument("--weights", metavar="FILE", help="weights, instead of random ones")
    command.add_argument("--names", metavar="MAP", help="a map of the weights' names, JSON")
    command.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    command.add_argument(
        "--steps",
        type=_positive,
        metavar="N",
        help="compare training, too, after each of N updates",
    )
    command.add_argument("--data", metavar="PATH", help="data to train on; the spec's by default")
    command.add_argument("--seed", type=int, default=0, help="seed of the random numbers")
    _add_reading(command)
    _add_format(command)


def _weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="a .bm file; - reads the input")
    command.add_argument(
        "--from", dest="source", metavar="OTHER", help="a safetensors file to fit to the model"
    )
    command.add_argument("--names", metavar="MAP", help="a map of its tensors' names, JSON")
    command.add_argument("-o", "--output", metavar="OUT", help="where to write what fits")
    _add_reading(command)
    _add_format(command)


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_UPDATES:
        raise argparse.ArgumentTypeError(f"takes a number from 1 to {MOST_UPDATES}")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _format(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", nargs="+", metavar="FILE", help="a .bm file; - reads the input")
    command.add_argument("--check", action="store_true", help="say which files would change")
    command.add_argument("--stdin-filename", metavar="NAME", help="what to call the input")
    _add_format(command)


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        type=_setting,
        dest="settings",
        help="override a setting, such as train.epochs=1 or Net.depth=6; repeatable",
    )
    command.add_argument("--root", metavar="DIR", help="folder that imports stay inside")
    command.add_argument("--stdin-filename", metavar="NAME", help="what to call the input")


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!a} is not of the form key=value")
    return key.strip(), value.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `bmc`; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    extra: list[str] = []
    if "--" in given and given[:1] in (["train"], ["evaluate"], ["predict"]):
        at = given.index("--")
        given, extra = given[:at], given[at + 1 :]
    try:
        options = parser().parse_args(given)
        options.extra = extra
        code = _run(options)
        sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; a second failure when Python flushes at exit is of no use to anyone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        return _crashed(error)


def _run(options: argparse.Namespace) -> int:
    from bmc import commands

    gc.disable()  # a command is short, and what it makes is needed to its end
    run = {
        "init": commands.init,
        "check": commands.check,
        "compile": commands.compile_file,
        "train": commands.train,
        "evaluate": commands.evaluate,
        "predict": commands.predict,
        "summary": commands.summary,
        "verify": commands.verify,
        "weights": commands.weights,
        "fmt": commands.format_files,
        "explain": commands.explain,
        "doctor": commands.doctor,
        "completion": commands.completion,
    }
    try:
        return run[options.command](options)
    finally:
        gc.enable()


def _crashed(error: Exception) -> int:
    if os.environ.get("BMC_DEBUG") == "1":
        import traceback

        traceback.print_exception(error, file=sys.stderr)
        return USAGE
    from bmc.diagnostics.problems.files import InternalError, nowhere
    from bmc.diagnostics.render import render

    text = str(error).partition("\n")[0][:200]
    problem = InternalError(nowhere("bmc"), type(error).__name__, text)
    print(render(problem.diagnostic()), file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main())
