"""What each command of `bmc` does, once its arguments are read."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import UnknownBackend, Unsupported, VerifyFailed
from bmc.diagnostics.problems.files import CannotWrite, FileRefused, FileTooLarge, nowhere
from bmc.diagnostics.problems.training import SectionMissing
from bmc.diagnostics.render import all_to_json, escape, render_all, summary_line
from bmc.exits import FINE, FOUND, PASSED_TO_TRAIN, USAGE
from bmc.project import MEBIBYTE, MOST_IN_FILE, Project, decode, locate, open_project
from bmc.source import Source, Span

if TYPE_CHECKING:
    from bmc.ir.model import Program
    from bmc.verify.training import Update

STDIN = "-"
FIRST_FILES = ("penguins.bm", "penguins.csv")


# --- the commands -------------------------------------------------------------------------


def init(options: argparse.Namespace) -> int:
    """`bmc init [DIR]`: a first spec, its data, and what to do with them."""
    problems = Problems()
    kept = Path(__file__).with_name("start")
    files = {name: (kept / name).read_text("utf-8") for name in FIRST_FILES}
    written = _store(options.folder, files, options.force, problems)
    if written and options.format == "text":
        print("\n".join(escape(str(path)) for path in written))
        print("\nNext:")
        for command in ("check", "summary", "train"):
            print(f"  bmc {command} {shlex.quote(str(written[0]))}")
    return _finish(problems, options, {"written": [str(path) for path in written]})


def check(options: argparse.Namespace) -> int:
    """`bmc check FILE…`"""
    found = Problems()
    for path in options.files:
        own = Problems()
        program = _load(path, options, own, needed=False)
        if program is not None and not own.failed:
            from bmc import driver

            driver.check(program, options.backend, own)
        for problem in own:
            found.add(problem)
    return _finish(found, options, {"files": list(options.files)})


def compile_file(options: argparse.Namespace) -> int:
    """`bmc compile FILE --backend NAME -o DIR`, or `--emit STAGE`."""
    problems = Problems()
    if options.emit == "ast":
        return _emit_tree(options, problems)
    program = _load(options.file, options, problems)
    if program is None or problems.failed:
        return _finish(problems, options)
    if options.emit:
        from bmc import driver

        return _print_stage(driver.emit(program, options.emit, problems), options, problems)
    written = _write(program, options, options.output, problems)
    if options.format == "text":
        for path in written:
            print(path)
    return _finish(problems, options, {"written": [str(path) for path in written]})


def _emit_tree(options: argparse.Namespace, problems: Problems) -> int:
    from bmc import driver

    found = _read(options.file, options, problems)
    text = driver.tree(found[1], problems) if found is not None else ""
    return _print_stage(text, options, problems)


def _print_stage(text: str, options: argparse.Namespace, problems: Problems) -> int:
    if text:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return _finish(problems, options, quiet=True)


def train(options: argparse.Namespace) -> int:
    """`bmc train FILE`: compiles into `build/<stem>-<backend>/` and runs its `train.py`."""
    if options.epochs and options.steps:
        print("bmc train: --epochs or --steps says how long, and not both", file=sys.stderr)
        return USAGE
    problems = Problems()
    program = _load(options.file, options, problems)
    if program is not None and program.train is not None:
        other = "steps" if program.train.steps is None else "epochs"
        if getattr(options, other):  # the file counts by the other one
            options.settings.append((f"train.{other}", getattr(options, other)))
            program = _load(options.file, options, problems)
    if program is None or problems.failed:
        return _finish(problems, options)
    if program.train is None:
        problems.add(SectionMissing(program.main.span, "train", "it says how to train"))
        return _finish(problems, options)
    stem = "input" if options.file == STDIN else Path(options.file).stem
    folder = Path("build") / f"{stem}-{options.backend}"
    written = _write(program, options, folder, problems)
    if not problems.failed and folder / "train.py" not in written:
        reason = "its programs evaluate and predict with weights that another backend trained"
        problems.add(Unsupported(program.main.span, options.backend, "training", reason))
    if problems.failed:
        return _finish(problems, options)
    _finish(problems, options, quiet=True)
    from bmc import runs

    given = {flag: getattr(options, flag) for flag in PASSED_TO_TRAIN}
    given["data"] = given["data"] or _source(program, options.file)
    again = "--resume" if options.resume else "--overwrite" if options.overwrite else ""
    if not (again or given["out"]):  # the run of before beside the program goes
        again = "--overwrite"
    given["out"] = given["out"] or str(folder / "run")
    steps = runs.Steps(folder, program.train.test, program.train.writes)
    flags = [*([again] if again else []), *(["--quiet"] if options.quiet else [])]
    return runs.train(steps, given, [*flags, *options.extra])


def evaluate(options: argparse.Namespace) -> int:
    """`bmc evaluate RUN`: the run's own program scores its weights."""
    more = ["--split", options.split] if options.split else []
    return _with_run(options, "evaluate.py", [*more, *(["--all"] if options.all else [])])


def predict(options: argparse.Namespace) -> int:
    """`bmc predict RUN`: the run's own program predicts with its weights."""
    return _with_run(options, "predict.py", ["-o", options.output] if options.output else [])


def _with_run(options: argparse.Namespace, file: str, more: list[str]) -> int:
    """Runs a file of the program that a run was made by."""
    from bmc import runs

    problems = Problems()
    try:
        return runs.again(Path(options.run), file, options.data, [*more, *options.extra])
    except FileRefused as refused:
        problems.add(refused.problem)
    return _finish(problems, options)


def _source(program: Program, file: str) -> str:
    """The data that a spec names: beside the spec, or where the command runs."""
    path = str(program.train.source) if program.train else ""
    beside = Path(file).parent / path
    return str(beside) if file != STDIN and beside.exists() else path


def summary(options: argparse.Namespace) -> int:
    """`bmc summary FILE`"""
    problems = Problems()
    program = _load(options.file, options, problems)
    if program is None or problems.failed:
        return _finish(problems, options)
    from bmc import columns, driver

    result = driver.summary(program)
    if options.format == "json":
        return _finish(problems, options, columns.to_data(result))
    print(columns.to_text(result))
    return _finish(problems, options, quiet=True)


def verify(options: argparse.Namespace) -> int:
    """`bmc verify FILE`"""
    problems = Problems()
    program = _load(options.file, options, problems)
    if program is None or problems.failed:
        return _finish(problems, options)
    from bmc.emit.backend import BUILT_IN, known_backends

    backends = tuple(BUILT_IN) if options.backends is None else options.backends
    backends = tuple(dict.fromkeys(backends))
    for name in backends:
        if name not in BUILT_IN and name not in known_backends():
            problems.add(UnknownBackend(program.main.span, name, known_backends()))
    if not problems.failed and len(backends) < 2:
        what = "has no other program here to be compared with"
        help = "name two backends or more: `--backends torch,keras`"
        problems.add(VerifyFailed(program.main.span, backends[0], what, help))
    if options.data and not options.steps:
        what = "is for training, which `--steps` compares"
        problems.add(VerifyFailed(program.main.span, "--data", what, "add `--steps 5`"))
    if problems.failed:
        return _finish(problems, options)
    from bmc.verify import command, training

    given = Path(options.weights) if options.weights else None
    names = Path(options.names) if options.names else None
    plan = command.Plan(backends, options.dtype, options.seed, given, names)
    pairs = command.verify(program, plan, problems)
    if options.format == "text" and pairs:
        print(command.table(pairs), flush=True)
    fine = bool(pairs) and all(pair.fine for pair in pairs)
    more: dict[str, Any] = {}
    if options.steps and not problems.failed:
        updates = _rehearsed(program, options, problems)
        fine = fine and bool(updates) and all(update.fine for update in updates)
        more = {"updates": training.as_json(updates)}
    code = _finish(problems, options, {"pairs": command.as_json(pairs), **more})
    return code or (FINE if fine else FOUND)


def _rehearsed(program: Program, options: argparse.Namespace, problems: Problems) -> list[Update]:
    """The updates of `verify --steps`, which are told."""
    from bmc.verify import training

    if program.train is None:
        problems.add(SectionMissing(program.main.span, "train", "it says how to train"))
        return []
    data = Path(options.data or _source(program, options.file))
    updates = training.rehearse(program, options.steps, data, options.seed, problems)
    if options.format == "text" and updates:
        print(training.table(updates), flush=True)
    return updates


def weights(options: argparse.Namespace) -> int:
    """`bmc weights FILE`"""
    problems = Problems()
    program = _load(options.file, options, problems)
    if program is None or problems.failed:
        return _finish(problems, options)
    from bmc.weights.files import expected

    if options.source:
        return _convert(program, options, problems)
    found = expected(program.main)
    if options.format == "json":
        data = [{"name": name, "shape": list(shape)} for name, shape in found.items()]
        return _finish(problems, options, {"weights": data})
    wide = max(map(len, found), default=0)
    for name, shape in found.items():
        print(f"{name:{wide}}  [{', '.join(map(str, shape))}]")
    return _finish(problems, options, quiet=True)


def _convert(program: Program, options: argparse.Namespace, problems: Problems) -> int:
    """Renames another file's tensors, says what became of each, and writes them."""
    from bmc.weights.files import few, read_weights

    names = Path(options.names) if options.names else None
    found = read_weights(Path(options.source), program.main, problems, names)
    if found is None and names is None:
        return _propose(program, options, problems)
    if found is None:
        return _finish(problems, options)
    if options.output:
        from safetensors.numpy import save_file

        save_file(found.tensors, options.output)
    data = {"matched": len(found.tensors), "dropped": found.dropped, "unused": found.unused}
    if options.format == "text":
        print(f"{len(found.tensors)} tensors fit the model")
        for word, listed in (("left out", found.dropped), ("fits no tensor", found.unused)):
            for name in few(listed):
                print(f"  {escape(name)}: {word}")
    return _finish(problems, options, data)


def _propose(program: Program, options: argparse.Namespace, problems: Problems) -> int:
    """Prints a map that may make another file's names fit, and says what it leaves open."""
    from bmc.diagnostics.problems.backend import WeightsDiffer
    from bmc.diagnostics.problems.files import nowhere
    from bmc.weights.files import expected, few, shapes_of
    from bmc.weights.propose import propose

    theirs, ours = shapes_of(Path(options.source)), expected(program.main)
    if not theirs or set(ours) <= set(theirs):  # no file, or the names are right
        return _finish(problems, options)
    fits = sum(theirs.get(name) == shape for name, shape in ours.items())
    told = f"{fits} of the model's {len(ours)} tensors are in it, by their names and shapes"
    problems = Problems()
    problems.add(WeightsDiffer(nowhere(options.source), told, ()))
    made = propose(theirs, ours)
    data = {"proposed": made.names, "missing": made.missing, "spare": made.spare}
    if options.format == "text":
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in made.names.items()]
        print("{\n" + ",\n".join(lines) + "\n}")
    code = _finish(problems, options, data)
    if options.format == "text":
        say = "this map is proposed, from names and shapes; check it and give it as --names"
        print(say, file=sys.stderr)
        for what, names in (("the model", made.missing), ("the file", made.spare)):
            for name in few(names):
                print(f"  open in {what}: {escape(name)}", file=sys.stderr)
    return code


def format_files(options: argparse.Namespace) -> int:
    """`bmc fmt [--check] FILE…`"""
    problems, changed = Problems(), []
    for path in options.files:
        source = _read(path, options, problems)
        if source is None:
            continue
        text = _formatted(source[1], problems)
        if text is None:
            continue
        if path == STDIN and not options.check:
            sys.stdout.write(text)
        elif text != _as_stored(path, source[1]):
            changed.append(path)
            if not options.check:
                _overwrite(path, text, problems)
    code = _finish(problems, options, {"changed": changed}, quiet=STDIN in options.files)
    if options.format == "text" and options.check:
        for path in changed:
            print(f"would reformat {escape(path)}")
    return code or (FOUND if options.check and changed else FINE)


def explain(options: argparse.Namespace) -> int:
    """`bmc explain TOPIC`"""
    from bmc import docs

    page = docs.page(options.topic)
    if page is None:
        print(docs.nothing(options.topic), file=sys.stderr)
        return USAGE
    print(page)
    return FINE


def doctor(options: argparse.Namespace) -> int:
    """`bmc doctor`"""
    from bmc import doctor as examination

    findings = examination.examine()
    if options.format == "json":
        data = [{**vars(finding), "fine": finding.fine} for finding in findings]
        print(json.dumps(data, indent=2))
    else:
        print(examination.report(findings))
    return FINE if all(f.fine for f in findings if f.part == "bmc") else FOUND


def completion(options: argparse.Namespace) -> int:
    """`bmc completion SHELL`: `eval "$(bmc completion bash)"` teaches a shell the command line."""
    script = Path(__file__).with_name("completion") / f"bmc.{options.shell}"
    print(script.read_text("utf-8"), end="")
    return FINE


# --- reading and writing ------------------------------------------------------------------


def _load(
    path: str, options: argparse.Namespace, problems: Problems, needed: bool = True
) -> Program | None:
    """A file's program; without `needed` a file of blocks for others is fine, too."""
    found = _read(path, options, problems)
    if found is None:
        return None
    project, source = found
    from bmc import driver

    try:
        program = driver.load(source, project, problems, dict(options.settings))
        if program is None and needed and not problems.failed:
            reason = "it has blocks for others to import, and nothing to make a program of"
            problems.add(SectionMissing(Span(source, 0, 0), "model", reason))
        return program
    except FileRefused as refused:
        problems.add(refused.problem)
        return None


def _read(
    path: str, options: argparse.Namespace, problems: Problems
) -> tuple[Project, Source] | None:
    root = getattr(options, "root", None)
    try:
        if path != STDIN:
            return open_project(path, root)
        name = options.stdin_filename or "<stdin>"
        project, inner = locate(name, root)
        data = sys.stdin.buffer.read(MOST_IN_FILE + 1)
        if len(data) > MOST_IN_FILE:
            limit = f"{MOST_IN_FILE // MEBIBYTE} MiB"
            raise FileRefused(FileTooLarge(nowhere(name), "the input", f"over {limit}", limit))
        source = Source(name, decode(data, name, nowhere(name)), inner)
        return project, project.add(source)
    except FileRefused as refused:
        problems.add(refused.problem)
        return None


def _write(
    program: Program, options: argparse.Namespace, folder: str | Path, problems: Problems
) -> tuple[Path, ...]:
    """The files that were written; none when there are errors."""
    from bmc import driver

    files = driver.compile(program, options.backend, problems)
    return () if problems.failed else _store(folder, files, options.force, problems)


def _store(
    folder: str | Path, files: dict[str, str], force: bool, problems: Problems
) -> tuple[Path, ...]:
    """The files that were written; none when that was refused."""
    from bmc.output import write_project

    try:
        return write_project(folder, files, force)
    except FileRefused as refused:
        problems.add(refused.problem)
        return ()


def _formatted(source: Source, problems: Problems) -> str | None:
    from bmc.syntax.format import format_source

    return format_source(source, problems)


def _as_stored(path: str, source: Source) -> str:
    """The text with the line ends and the byte order mark that the file has."""
    if path == STDIN:
        return source.text
    return Path(path).read_bytes().decode()


def _overwrite(path: str, text: str, problems: Problems) -> None:
    """Replaces a file's text; the old one stays when that fails."""
    real = Path(os.path.realpath(path))
    temporary = real.with_name(f".{real.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(text.encode())
        temporary.chmod(real.stat().st_mode & 0o777)
        os.replace(temporary, real)
    except OSError as error:
        problems.add(CannotWrite(nowhere(path), path, (error.strerror or str(error)).lower()))
    finally:
        temporary.unlink(missing_ok=True)


# --- printing -----------------------------------------------------------------------------


def _finish(
    problems: Problems,
    options: argparse.Namespace,
    data: dict[str, Any] | None = None,
    *,
    quiet: bool = False,
) -> int:
    """Prints the problems, and `data` with them as JSON; returns the exit code."""
    if options.format == "json" and not quiet:
        print(json.dumps({"version": 1, **(data or {}), "problems": all_to_json(problems)}))
    elif len(problems):
        print(render_all(problems, _color(options)), file=sys.stderr)
        print(f"\n{summary_line(problems)}", file=sys.stderr)
    if any(_is_about_files(problem.code) for problem in problems):
        return USAGE
    return FOUND if problems.failed else FINE


def _is_about_files(code: str) -> bool:
    return code.startswith("BM6")


def _color(options: argparse.Namespace) -> bool:
    if options.color != "auto":
        return bool(options.color == "always")
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")
