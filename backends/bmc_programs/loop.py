"""What the train.py of every backend that trains has alike: constants, schedule, loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bmc.emit.backend import Lowerings, Support
from bmc.emit.gate import HEADER
from bmc.emit.imports import Import, import_block
from bmc.emit.layout import render
from bmc.emit.pyexpr import (
    Assign,
    Call,
    Expr,
    ExprStmt,
    Name,
    Statement,
    TupleExpr,
    call,
    chain,
    lit,
)
from bmc.emit.pyexpr import name as dotted
from bmc.emit.templates import Code
from bmc.emit.templates import render as fill
from bmc.ops.schedules import Patience, Plateau
from bmc.records import record
from bmc_programs.files import OWN, PLACE, STANDARD
from bmc_programs.optimizing import Part, optimizer_constants
from bmc_programs.padding import masked
from bmc_programs.rate import Rates
from bmc_programs.run import Run, name
from bmc_programs.trees import Printer

FILES = {
    "train.py": "the training loop",
    "checkpoint.py": "the state of a run, which goes on from it",
    "runs.py": "the folder of a run, its records",
}


def files_of(run: Run, classes: Sequence[Support]) -> dict[str, str]:
    """What the README says of the files around the training loop."""
    rule = {"optimizer.py": "the update rule"} if classes else {}
    log = {"log.py": "where else the records of a run go"} if run.train.log else {}
    watch = {} if run.train.whole else {"gradients.py": "which gradient grew, for `--watch`"}
    return {**rule, **FILES, **watch, **log}


def constants(run: Run, parts: Sequence[Part], more: Mapping[str, Expr] | None = None) -> str:
    """The constants of train.py, in a fixed order; `more` are those of one framework alone."""
    train = run.train
    found: dict[str, Any] = {}
    if train.epochs is not None:
        found["EPOCHS"] = train.epochs
    else:
        found["STEPS"] = train.steps
    if not train.whole:
        found["BATCH"] = train.batch
    if train.accumulate > 1:
        found["ACCUMULATE"] = train.accumulate
    found |= more or {}
    found["SEED"] = train.seed
    found |= optimizer_constants(parts, Rates(train).constants())
    for key in ("clip_norm", "clip_value", "ema"):
        if getattr(train, key) is not None:
            found[key.upper()] = getattr(train, key)
    if train.stop is not None:
        found["PATIENCE"] = train.stop.evaluations
        if train.stop.least:
            found["LEAST_GAIN"] = train.stop.least
    if "checkpoint" in train.spans:
        span = train.checkpoint.span
        found[f"CHECKPOINT_{span.unit.upper()}"] = span.value
    if train.freeze:
        found["FROZEN"] = tuple(f"{path}." for path in train.freeze)
    text = render([Assign(Name(key), lit(value)) for key, value in found.items()])
    files = {"WEIGHTS": "weights.safetensors"}
    if train.stop is not None:
        files["LAST"] = "last.safetensors"
    if run.start is not None:
        files = {"START": run.start.file, **files}
    return text + "\n" + render([Assign(Name(k), lit(v)) for k, v in files.items()]).rstrip("\n")


def loss_lines(run: Run, table: Lowerings) -> tuple[list[Statement], list[Support]]:
    """The statements that give `loss` its value, and the helpers that they call."""
    terms = run.train.losses
    printer = Printer(table, lambda ref: Name(name(ref.name)))
    names = ["loss" if len(terms) == 1 else f"{name(term.name)}_loss" for term in terms]
    found: list[Statement] = [
        Assign(Name(word), printer(masked(term.value, run.places)))
        for word, term in zip(names, terms)
    ]
    if len(names) > 1:
        found.append(Assign(Name("loss"), chain("+", [Name(word) for word in names])))
    return found, list(printer.support.values())


def lines_of(statements: Sequence[Statement]) -> list[str]:
    """Statements of the loop over batches as lines, laid out for where they will stand."""
    deep = " " * 12
    text = render(list(statements), indent=len(deep)).rstrip("\n")
    return [line.removeprefix(deep) for line in text.split("\n")]


@record
class Turn:
    """What a framework says in the loop: `step` are the lines for one batch, `first` an array of it.

    `mode` makes the model learn again after an evaluation; `collected` are the losses of a record as
    one array; `average` moves the average of the weights, where there is one; `around` is what an
    evaluation stands in.
    """

    step: Sequence[str]
    first: str
    mode: str
    collected: str
    average: str
    around: str = ""


def watched(run: Run, rule: Patience | Plateau | None) -> tuple[str, str]:
    """The score that a rule watches, and `, higher=True` where more of it is better."""
    if rule is None:
        return "", ""
    score = rule.on.removeprefix("validation.")
    better = [report.metric.better for report in run.train.metrics if report.name == score]
    return score, ", higher=True" if better == ["higher"] else ""


def text(run: Run, turn: Turn) -> Code:
    """The loop over epochs or steps."""
    train = run.train
    rates = Rates(train)
    before = rates.before()
    rows = 'data.sizes["train"]'
    if train.model.least_rows > 1:
        rows = f"({rows} - 1)"  # a last batch of one row is left out
    per_epoch = "1" if train.whole else f"math.ceil({rows} / BATCH)"
    accumulate = train.accumulate > 1
    count = "step += (number - 1) % ACCUMULATE == 0" if accumulate else "step += 1"
    lines = [count, *turn.step]
    if train.ema is not None:
        lines += ["if last:", f"    {turn.average}"] if accumulate else [turn.average]
    if train.steps is None:
        length = ["steps = args.epochs * steps_per_epoch"] if rates.counts_steps() else []
        before = [*length, *before]
    elif any("steps_per_epoch" in line for line in before) and not accumulate:
        before = [f"steps_per_epoch = {per_epoch}", *before]
    score, gains = watched(run, train.stop)
    if train.stop is not None and train.stop.least:
        gains = f", LEAST_GAIN{gains}"
    schedule = train.schedule if isinstance(train.schedule, Plateau) else None
    followed, higher = watched(run, schedule)
    made = fill(
        "bmc_programs",
        "steps.py" if train.steps is not None else "epochs.py",
        per_epoch=Code(per_epoch),
        size=size(run),
        counters=Code("\n".join(f"    {line}" for line in before)),
        mode=Code(turn.mode),
        step=Code("\n".join(" " * 12 + line for line in lines)),
        first=Code(turn.first),
        collected=Code(turn.collected),
        validated=train.validation,
        logged=bool(train.log),
        pictures=run.pictures,
        whole=train.whole,
        scored=Code("model" if train.ema is None else "average"),
        around=Code(turn.around),
        accumulate=accumulate,
        updates=any("steps_per_epoch" in line for line in before),
        lone=train.model.least_rows > 1,
        length=Code("batches_per_epoch" if accumulate else "steps_per_epoch"),
        watched=score,
        followed=followed,
        higher=Code(higher),
        gains=Code(gains),
        saved=learned(run),
        checkpoint=Code(checkpoint_line(run)),
        spaced=train.checkpoint.span.unit if "checkpoint" in train.spans else "",
    )
    return Code(made.rstrip("\n"))


def size(run: Run) -> Code:
    """How many rows a batch has: a constant, or all."""
    return Code('data.sizes["train"]' if run.train.whole else "BATCH")


def start_slots(run: Run) -> dict[str, Code]:
    """The argument and the line that set the weights to start from, if there are any."""
    if run.start is None:
        return {"start_argument": Code(""), "start": Code("")}
    words = 'help="first weights"'
    argument = f'    parser.add_argument("--start", type=Path, default=START, {words})'
    return {"start_argument": Code(argument), "start": Code("    load_start(model, args.start)")}


def beginning(run: Run) -> Code:
    """`begin_run(…)` with the files of a run; the first of them marks that there is one."""
    last = (Name("LAST"),) if run.train.stop is not None else ()
    kept = (lit("learned.json"),) if run.learned else ()
    names = TupleExpr((Name("METRICS"), Name("WEIGHTS"), *last, *kept))
    flags = (dotted("args.data"), dotted("args.overwrite"), dotted("args.resume"))
    line = ExprStmt(call("begin_run", dotted("args.out"), names, *flags))
    return Code(render([line], indent=4).rstrip("\n"))


def rules_of(run: Run) -> list[tuple[str, str]]:
    """What watches scores, as a variable and its class: it is part of a run's state."""
    train = run.train
    found = [("plateau", "Plateau")] if isinstance(train.schedule, Plateau) else []
    return found + ([("patience", "Patience")] if train.stop is not None else [])


def checkpoint_file(run: Run, package: str, names: Mapping[str, Import], **slots: Any) -> str:
    """checkpoint.py, from the template of a backend."""
    train = run.train
    batched = train.steps is not None
    text = fill(
        package,
        "checkpoint.py",
        header=Code(HEADER.rstrip("\n")),
        imports=Code(PLACE),
        optimizer=train.main_optimizer.name,
        kept=train.checkpoint.keep,
        average=train.ema is not None,
        scaled=run.scaled,
        rules=[(Code(rule), Code(kind)) for rule, kind in rules_of(run)],
        numbers=Code(", ".join(["int"] * (3 if batched else 2))),
        start=Code("1, 0, 0" if batched else "1, 0"),
        keys=[Code(key) for key in ("epoch", "batch", "step") if batched or key != "batch"],
        **slots,
    )
    block = import_block(text.replace(PLACE, ""), {**STANDARD, **names, **OWN})
    return text.replace(PLACE, block)


def gradients_file(run: Run, package: str, **slots: Any) -> dict[str, str]:
    """gradients.py; a line search, which takes no step where a loss is not finite, has none."""
    if run.train.whole:
        return {}
    slots["header"] = Code(HEADER.rstrip("\n"))
    return {"gradients.py": fill(package, "gradients.py", **slots)}


def log_file(run: Run, backend: str) -> dict[str, str]:
    """log.py, where the records go somewhere else, too."""
    places = run.train.log
    if not places:
        return {}
    shown = [NAMES[place] for place in places]
    text = fill(
        "bmc_programs",
        "log.py",
        header=Code(HEADER.rstrip("\n")),
        places=Code(" and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))),
        others=[Code(place) for place in sorted(set(places) - {"tensorboard"})],
        torch="tensorboard" in places and backend == "torch",
        keras="tensorboard" in places and backend == "keras",
        name=run.train.model.name,
    )
    return {"log.py": text}


NAMES = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases", "mlflow": "MLflow"}


def checkpoint_line(run: Run) -> str:
    """`checkpoint = Checkpoint(…)`"""
    train = run.train
    more = ["average"] if train.ema is not None else []
    more += ["scaler"] if run.scaled else []
    more += [rule for rule, _ in rules_of(run)]
    given = (
        dotted("args.out"),
        *(Name(word) for word in ("model", "optimizer", "settings", *more)),
    )
    made = Assign(Name("checkpoint"), Call(Name("Checkpoint"), given))
    return render([made], indent=4).rstrip("\n")


def handed(run: Run) -> dict[str, Code]:
    """What `save_weights` takes and gives of what was learned from the data."""
    if not run.learned:
        return {"takes": Code(""), "gives": Code("")}
    return {"takes": Code(", learned: dict[str, Any]"), "gives": Code(", learned")}


def learned(run: Run) -> Code:
    """What was learned from the data, if anything was, as it is handed on to be kept."""
    return Code(", data.fitted" if run.learned else "")
