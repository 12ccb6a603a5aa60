"""evaluate.py, predict.py and README.md: the frame that all backends share, and its slots.

A backend gives the texts that touch its framework: how a model is loaded and run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bmc.emit.backend import Function
from bmc.emit.gate import HEADER
from bmc.emit.imports import Import, import_block
from bmc.emit.layout import render
from bmc.emit.pyexpr import (
    Assign,
    AugAssign,
    Bin,
    Call,
    Compare,
    DictExpr,
    Expr,
    ExprStmt,
    For,
    IfStmt,
    Name,
    Return,
    SliceExpr,
    Statement,
    TupleExpr,
    call,
    chain,
    lit,
    method,
    walk,
)
from bmc.emit.pyexpr import Index as IndexExpr
from bmc.emit.templates import Code, markdown_text
from bmc.emit.templates import render as fill
from bmc.emit.text import clean, string
from bmc.ir.training import TensorRef, Tree
from bmc.records import field, record
from bmc_programs.library import needed
from bmc_programs.lower.table import LOWERINGS
from bmc_programs.padding import places_shown
from bmc_programs.run import Run, class_entry, metric_rule, name
from bmc_programs.trees import Printer
from bmc_programs.undo import undo_arguments
from bmc_programs.weights import RUNS, STATES

PLACE = "import __imports__"
# What programs take from scikit-learn, where a metric asks for it.
LEARNED = (
    "average_precision_score",
    "cohen_kappa_score",
    "f1_score",
    "jaccard_score",
    "matthews_corrcoef",
    "precision_score",
    "recall_score",
    "roc_auc_score",
)
STANDARD = {
    "argparse": Import("argparse"),
    "copy": Import("copy"),
    "csv": Import("csv"),
    "partial": Import("functools", "partial"),
    "dataclass": Import("dataclasses", "dataclass"),
    "replace": Import("dataclasses", "replace"),
    "json": Import("json"),
    "math": Import("math"),
    "os": Import("os"),
    "signal": Import("signal"),
    "sys": Import("sys"),
    "time": Import("time"),
    "Any": Import("typing", "Any"),
    "Callable": Import("collections.abc", "Callable"),
    "Counter": Import("collections", "Counter"),
    "Iterable": Import("collections.abc", "Iterable"),
    "Mapping": Import("collections.abc", "Mapping"),
    "Sequence": Import("collections.abc", "Sequence"),
    "Path": Import("pathlib", "Path"),
    "np": Import("numpy", alias="np"),
    "tqdm": Import("tqdm", "tqdm"),
    **{name: Import("sklearn.metrics", name) for name in LEARNED},
}
OWN = {
    "write_table": Import("table", "write_table"),
    "Array": Import("data", "Array"),
    "Arrays": Import("data", "Arrays"),
    "Data": Import("data", "Data"),
    "load": Import("data", "load"),
    "name_pictures": Import("data", "name_pictures"),
    "read_start": Import("start", "read_start"),
    "load_inputs": Import("data", "load_inputs"),
    "load_kept": Import("data", "load_kept"),
    "Log": Import("log", "Log"),
    "compute_metrics": Import("evaluate", "compute_metrics"),
    "choose_device": Import("predict", "choose_device"),
    "compute_outputs": Import("predict", "compute_outputs"),
    "load_model": Import("predict", "load_model"),
    "read_learned": Import("weights", "read_learned"),
    "read_tensors": Import("weights", "read_tensors"),
    "read_weights": Import("weights", "read_weights"),
    "write_weights": Import("weights", "write_weights"),
    **{name: Import("weights", name) for name in STATES},
    "Checkpoint": Import("checkpoint", "Checkpoint"),
    "watch_gradients": Import("gradients", "watch_gradients"),
    **{
        name: Import("runs", name)
        for name in (*RUNS, "Patience", "Plateau", "share_of", "cut_records", "prepare_ahead")
    },
}


@record
class Framework:
    """What a backend adds to the shared files."""

    title: str
    names: Mapping[str, Import]  # of the framework and of its model.py
    weights: str  # the file that --weights takes, as help texts say it
    loading: str  # choose_device and load_model
    setup: Sequence[str]  # the lines of main that make `model`
    compute: str  # compute_outputs
    between: str = ""  # what stands after the imports of the standard library
    constants: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    notes: str = ""
    alone: str = ""  # how model.py is used without the other files


def finished(text: str, framework: Framework, run: Run) -> str:
    """A file with its imports in place."""
    table = {**STANDARD, **framework.names, **OWN}
    table |= {f"undo_{entry}": Import("data", f"undo_{entry}") for entry in run.undone}
    table |= {f"classes_{entry}": Import("data", f"classes_{entry}") for entry in run.named}
    block = import_block(text.replace(PLACE, ""), table)
    if framework.between and "import keras" in block:
        block = import_block(text.replace(PLACE, ""), table, framework.between)
    return text.replace(PLACE, block)


def text_of(package: str, file: str, **slots: Any) -> str:
    """A piece of a file, from its template."""
    return fill(package, file, **slots).rstrip("\n")


def template(framework: Framework, run: Run, file: str, **values: Any) -> str:
    """A shared template with its slots filled."""
    shared: dict[str, Any] = {
        "header": Code(HEADER.rstrip("\n")),
        "imports": Code(PLACE),
        "model": Code(run.model),
        "data": Code(run.path),
        "weights": Code(framework.weights),
    }
    return finished(fill("bmc_programs", file, **shared, **values), framework, run)


def evaluate_file(run: Run, framework: Framework) -> str:
    """evaluate.py"""
    before, scores = _scores(run)
    names = [key.replace("_", " ") for key in scores]
    table = DictExpr(tuple((lit(key), value) for key, value in scores.items()))
    body = [*before, Return(table)]
    helpers = [h for h in needed(_functions(body), False) if h.name not in SHARED]
    reads = "load(args.data, read_learned(args.weights))" if run.learned else "load(args.data)"
    setup = [*framework.setup, f"data = {reads}"]
    return template(
        framework,
        run,
        "evaluate.py",
        about=Code(_about(names)),
        split=Code(run.split),
        splits=Code(repr(splits_of(run)).replace("'", '"')),
        functions=Code("\n" + "\n\n\n".join(h.text for h in helpers)),
        scores=Code(render(body, indent=4).rstrip("\n")),
        setup=setup_lines(setup),
    )


def splits_of(run: Run) -> list[str]:
    """The splits that rows may belong to."""
    known = run.data.splits()
    by_column = run.data.split is not None and run.data.split.by_column
    names = ("train", "validation", "test")
    return [name for name in names if by_column or name in known]


SHARED = ("Array", "Arrays", "Columns", "Data", "DataError")


def _scores(run: Run) -> tuple[list[Statement], dict[str, Expr]]:
    """Lines that work out several losses, and `"loss": cross_entropy(arrays["logits"], …)`."""
    printer = Printer(LOWERINGS, array_of)
    losses = {term.name: printer(term.value) for term in run.rows.losses}
    before: list[Statement] = []
    if len(losses) > 1:
        words = {key: Name(f"{name(key)}_loss") for key in losses}
        before = [Assign(words[key], value) for key, value in losses.items()]
        losses = dict(words)
    found = {"loss": chain("+", list(losses.values())), **(losses if before else {})}
    for report in run.rows.metrics:
        measure = metric_rule(report)
        assert isinstance(measure, Function)
        given = [printer(item) for item in report.inputs]
        if report.metric.sequences:
            shown = dict.fromkeys(places_shown(report.inputs, run.places))
            given += [array_named(run.lengths[one]) for one in shown]
        found[report.name] = measure.build(given)
    return before, found


def array_of(ref: TensorRef) -> Expr:
    """`arrays["logits"]`"""
    return array_named(ref.name)


def array_named(name: str) -> Expr:
    """An array by its name."""
    return IndexExpr(Name("arrays"), (lit(name),))


def _functions(values: Iterable[Any]) -> set[str]:
    """The names of what is called."""
    calls = (node.fn for value in values for node in walk(value) if isinstance(node, Call))
    return {function.id for function in calls if isinstance(function, Name)}


def _names(values: Iterable[Expr]) -> set[str]:
    return {node.id for value in values for node in walk(value) if isinstance(node, Name)}


def _columns(run: Run) -> dict[str, Expr]:
    """What each prediction is, as NumPy."""
    return {one.name: _column(run, one.value) for one in run.rows.predictions}


def takes_learned(run: Run) -> bool:
    """Whether predictions need what the data taught."""
    return bool(run.named) or "learned" in _names(_columns(run).values())


def predict_file(run: Run, framework: Framework) -> str:
    """predict.py"""
    columns, takes_fitted = _columns(run), takes_learned(run)
    table = _table(run, columns)
    helpers = [h for h in needed(_functions(table), False) if h.name not in SHARED]
    body: list[Any] = []
    for tensor in (*run.reread, *run.kept):
        read = IndexExpr(Name("arrays"), (lit(tensor),))
        if name(tensor) in _names(columns.values()):
            body.append(Assign(Name(name(tensor)), read))
    body += table
    learned = run.learned
    setup = list(framework.setup)
    if learned and (takes_fitted or run.learned_inputs):
        setup.append("learned = read_learned(args.weights)")
    reads = "load_inputs(args.data, learned)" if run.learned_inputs else "load_inputs(args.data)"
    setup.append(f"data = {reads}")
    if run.train.keep:
        setup.append("kept = load_kept(args.data)")
    predicted = f"predict(arrays{', learned' if takes_fitted else ''})"
    constants = [*framework.constants, *filter(None, [places_constant(run)])]
    functions = "".join(h.text + "\n\n\n" for h in helpers)
    return template(
        framework,
        run,
        "predict.py",
        constants=Code("".join("\n" + line for line in constants)),
        loading=Code(framework.loading),
        functions=Code(functions),
        compute=Code(framework.compute),
        fitted=Code(", learned: dict[str, Any]" if takes_fitted else ""),
        columns=Code(render(body, indent=4).rstrip("\n")),
        output=run.train.writes,
        unit=Code("row" if run.by_place is None else "place"),
        setup=setup_lines(setup),
        written=setup_lines(_written(run, set(columns), predicted)),
    )


def table_file() -> str:
    """table.py"""
    return fill("bmc_programs", "table.py", header=Code(HEADER.rstrip("\n")))


def requirements_file(run: Run, package: str) -> str:
    """requirements.txt: what the framework's programs need, and what this one writes with."""
    lines = fill(package, "requirements.txt").splitlines()
    if run.pictures:
        lines.append("pillow>=11")
    if run.train.writes.endswith(".parquet"):
        lines.append("polars>=1")
    lines += [f"{place}>=2" for place in run.train.log if place != "wandb"]
    lines += ["wandb>=0.19"] if "wandb" in run.train.log else []
    return "\n".join(sorted(lines)) + "\n"


def _table(run: Run, columns: dict[str, Expr]) -> list[Statement]:
    """The lines that return the columns; those of classes have the classes' names."""
    found: list[Statement] = []
    plain: dict[str, Expr] = {}
    if run.by_place is not None:
        plain = {column: array_named(column) for column in place_columns(run)}

    def add(value: Expr) -> None:
        table = Name("table")
        found.append(
            AugAssign(table, "|", value) if found else Assign(table, value, Name("Arrays"))
        )

    def close() -> None:
        if plain:
            add(DictExpr(tuple((lit(key), value) for key, value in plain.items())))
            plain.clear()

    for prediction in run.train.predictions:
        entry = class_entry(run, prediction.value)
        if entry is None:
            plain[prediction.name] = columns[prediction.name]
            continue
        close()
        names = call(f"classes_{entry}", Name("learned"))
        add(call("class_columns", prediction.name, columns[prediction.name], names))
    if not found:
        return [Return(DictExpr(tuple((lit(key), value) for key, value in plain.items())))]
    close()
    return [*found, Return(Name("table"))]


def _written(run: Run, taken: set[str], predicted: str) -> list[str]:
    """The lines that write the table: predictions, and what stands before them."""
    lines: list[str] = []
    if run.train.keep and run.by_place is None:
        lines.append("columns = kept | columns")
    elif run.train.keep:
        lines.append(f"rows = arrays[{string(place_columns(run)[0])}]")
        lines.append("kept = {name: column[rows] for name, column in kept.items()}")
        lines.append("columns = kept | columns")
    entries = [e for e in run.data.entries if e.head == "paths" and e.name in run.inputs]
    if entries:
        column = "file"
        while column in taken:
            column += "_"
        lines.append(f"paths = data.columns[{string(entries[0].name)}]")
        lines.append(f'columns = {{"{column}": name_pictures(paths, args.data)}} | columns')
    if not lines:
        return [f"write_table(args.output, {predicted})"]
    return [f"columns = {predicted}", *lines, "write_table(args.output, columns)"]


def _column(run: Run, tree: Tree) -> Expr:
    """A prediction as numpy on the model's outputs."""

    def undo(entry: str, value: Expr) -> Expr:
        places = run.by_place and run.data.entry(entry).ragged
        if places:
            value = IndexExpr(value, (SliceExpr(), lit(None)))  # a list of one id each
        arguments = undo_arguments(run.data, entry)
        if arguments is None:
            return value
        more = [Name("learned")] if "fitted" in arguments else []
        undone = call(f"undo_{entry}", value, *more)
        return call("np.array", undone) if places else undone

    return Printer(LOWERINGS, lambda ref: Name(name(ref.name)), undo)(tree)


def readme(run: Run, framework: Framework) -> str:
    """README.md"""
    about = (run.program.doc or run.program.main.doc or run.model).strip()
    files = [f"| `{file}` | {what} |" for file, what in framework.files.items()]
    return fill(
        "bmc_programs",
        "README.md",
        title=Code(f"{run.model} in {framework.title}"),
        about=markdown_text(about),
        source=markdown_text(run.program.file.replace("\\", "/").rpartition("/")[2]),
        framework=Code(framework.title),
        files=Code("\n".join(files)),
        commands=Code("\n".join(framework.commands)),
        notes=Code(framework.notes),
        alone=Code(framework.alone),
    )


FILES = {
    "model.py": "the network, a module of its own",
    "data.py": "reading, preparing and batching the data",
    "evaluate.py": "loss and metrics of saved weights",
    "predict.py": "predictions as a table",
    "table.py": "the formats of that table: CSV, JSON lines, arrays, Parquet",
    "report.py": "pictures of a run, and its worst rows",
    "weights.py": "reading and writing weights, checked",
}


def commands(run: Run, weights: str) -> tuple[str, ...]:
    """The commands of a README."""
    return (
        f"python train.py --data {run.path} --out run",
        f"python evaluate.py --weights run/{weights} --data {run.path}",
        f"python predict.py --weights run/{weights} --data {run.path} -o predictions.csv",
        f"python report.py --weights run/{weights} --data {run.path}",
    )


def taken(run: Run, entry: str) -> Expr:
    """An input out of its batch, in which it stays if it is read again."""
    if entry in run.reread:
        return IndexExpr(Name("batch"), (lit(entry),))
    return call("batch.pop", entry)


def outputs_of(
    run: Run,
    form: Callable[[Expr], Expr] = lambda value: value,
    widen: Callable[[Expr], Expr] = lambda value: value,
) -> Code:
    """`rows.append(batch | {"logits": logits})`, each value in a form such as `x.numpy()`.

    `widen` gives the 32 bits back to values that a run computes in 16.
    """
    values = {output: Name(name(output)) for output in run.kept}
    pairs = [
        (lit(output), form(widen(value) if output in run.rounded else value))
        for output, value in values.items()
    ]
    found = Bin("|", Name("batch"), DictExpr(tuple(pairs)))
    lines: list[Statement] = [ExprStmt(call("rows.append", found))]
    if run.dropped:
        lines = _without_padding(run, found)
    return Code(render(lines, indent=8).rstrip("\n"))


def _without_padding(run: Run, found: Expr) -> list[Statement]:
    """The lines that drop the padding of a batch's arrays."""
    arrays = Name("arrays")
    name = IndexExpr(arrays, (Name("name"),))
    mask = IndexExpr(Name("masks"), (Name("shown"),))
    dropped = IfStmt(Compare("in", Name("name"), arrays), (Assign(name, IndexExpr(name, (mask,))),))
    pairs = TupleExpr((Name("name"), Name("shown")))
    lines: list[Statement] = [Assign(arrays, found), For(pairs, call("PLACES.items"), (dropped,))]
    for shown, lengths in run.lengths.items():
        mask = IndexExpr(Name("masks"), (lit(shown),))
        value = method(mask, "sum", axis=1)
        lines.append(Assign(IndexExpr(arrays, (lit(lengths),)), value))
    if run.by_place is not None:
        row, place = place_columns(run)
        mask = IndexExpr(Name("masks"), (lit(run.by_place),))
        lines.append(Assign((Name("row"), Name("place")), call("np.nonzero", mask)))
        start = Bin("+", Name("done"), Name("row"))
        where = DictExpr(((lit(row), start), (lit(place), Name("place"))))
        lines.append(AugAssign(arrays, "|", where))
        lines.append(AugAssign(Name("done"), "+", call("len", mask)))
    return [*lines, ExprStmt(call("rows.append", arrays))]


def place_columns(run: Run) -> tuple[str, str]:
    """The columns that say where a prediction for a place belongs."""
    taken = {*run.outputs, *(entry.name for entry in run.data.entries)}
    taken |= {*run.train.keep, *(prediction.name for prediction in run.train.predictions)}
    found = []
    for word in ("row", "place"):
        while word in taken:
            word += "_"
        found.append(word)
    return found[0], found[1]


def masks_of(run: Run) -> str:
    """The line before a batch is run, if there is padding to drop."""
    if not run.dropped:
        return ""
    pads = run.places.pads
    pairs = [
        (lit(one), Compare("!=", IndexExpr(Name("batch"), (lit(one),)), lit(pads[one])))
        for one in dict.fromkeys(run.dropped.values())
    ]
    line = render([Assign(Name("masks"), DictExpr(tuple(pairs)))], indent=8)
    return line.rstrip("\n")


def places_constant(run: Run) -> str:
    """`PLACES`, which compute_outputs reads, if there is padding to drop."""
    if not run.dropped:
        return ""
    pairs = tuple((lit(one), lit(by)) for one, by in run.dropped.items())
    line = render([Assign(Name("PLACES"), DictExpr(pairs))]).rstrip("\n")
    return f"# Padded arrays, each with the input whose ids show where its data ends.\n{line}"


def setup_lines(lines: Sequence[str]) -> Code:
    """Lines of `main`."""
    return Code("\n".join(f"    {line}" for line in lines))


def _about(names: Sequence[str]) -> str:
    """`loss and accuracy`, if there are not too many."""
    told = _listed(names)
    return told if len(told) <= 38 else "loss and metrics"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return clean(f"{', '.join(names[:-1])} and {names[-1]}")
