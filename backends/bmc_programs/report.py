"""report.py: curves of a run, a picture of what its model gives, and its worst rows."""

from __future__ import annotations

from typing import Any

from bmc.emit.imports import Import
from bmc.emit.layout import render
from bmc.emit.pyexpr import (
    Assign,
    Call,
    Compare,
    Def,
    Expr,
    Name,
    Param,
    Return,
    chain,
    lit,
    method,
    walk,
)
from bmc.emit.templates import Code
from bmc.ir.training import Applied, Tree, parts
from bmc.ops.losses import Loss, Weighted
from bmc.records import replace
from bmc_programs.files import Framework, array_of, setup_lines, splits_of, template, text_of
from bmc_programs.lower.table import LOWERINGS
from bmc_programs.run import Run
from bmc_programs.trees import Printer

MOST_CLASSES = 60  # that a picture has room for
FEW_CLASSES = 20  # that it has room for numbers of
NAMES = {
    "Figure": Import("matplotlib.figure", "Figure"),
    "ConfusionMatrixDisplay": Import("sklearn.metrics", "ConfusionMatrixDisplay"),
    "predict": Import("predict", "predict"),
    "write_table": Import("table", "write_table"),
    "compute_outputs": Import("predict", "compute_outputs"),
}


def report_file(run: Run, framework: Framework, learned: bool) -> str:
    """report.py; `learned` says that predictions need what the data taught."""
    loss = _loss(run)
    kind, slots = _picture(run)
    picture = text_of("bmc_programs", f"{kind}.py", **slots) if kind else ""
    names = bool(slots.get("names"))
    reads = "load(args.data, read_learned(args.weights))" if run.learned else "load(args.data)"
    setup = [*framework.setup]
    if learned or names:
        setup.append("learned = read_learned(args.weights)")
        reads = "load(args.data, learned)"
    among = any(
        isinstance(one.op, Loss) and one.op.among_rows
        for term in run.rows.losses
        for one in _losses(term.value)
    )
    worst = not run.dropped and not among and bool(run.train.predictions)
    functions = render([loss]).rstrip("\n") if worst else ""
    entry = slots.get("entry")
    helpers = {
        node.fn.id: Import("evaluate", node.fn.id)
        for node in walk(loss)
        if isinstance(node, Call) and isinstance(node.fn, Name)
    }
    if entry:
        helpers[f"classes_{entry}"] = Import("data", f"classes_{entry}")
    named = f", classes_{entry}(learned)" if names else ""
    return template(
        replace(framework, names={**framework.names, **NAMES, **helpers}),
        run,
        "report.py",
        split=Code(run.split),
        splits=Code(repr(splits_of(run)).replace("'", '"')),
        functions=Code(f"\n\n{functions}" if functions else ""),
        picture=Code(picture),
        kind=Code(kind),
        named=Code(named),
        worst=worst,
        fitted=Code(", learned: dict[str, Any]" if learned else ""),
        handed=Code(", learned" if learned else ""),
        setup=setup_lines([*setup, f"data = {reads}"]),
    )


def _loss(run: Run) -> Def:
    """`compute_loss`: the loss of some rows."""
    printer = Printer(LOWERINGS, array_of)
    total = chain("+", [printer(term.value) for term in run.rows.losses])
    takes = (Param("arrays", Name("Arrays")),)
    doc = "Return the loss of some rows."
    return Def("compute_loss", takes, Name("float"), (Return(total),), doc)


def _picture(run: Run) -> tuple[str, dict[str, Any]]:
    """What shows the first loss: the template's name, and its slots; nothing where nothing does."""
    found = next((one for term in run.rows.losses for one in _losses(term.value)), None)
    if found is None:
        return "", {}
    op = found.op.each_loss if isinstance(found.op, Weighted) else found.op
    assert isinstance(op, Loss)
    if op.among_rows:
        return "", {}
    count = len(op.takes)
    score, target = found.inputs[0], found.inputs[count - 1]
    if count != 2:
        return "", {}
    printer = Printer(LOWERINGS, array_of)
    given, true = printer(score), printer(target)
    classes = op.classes(score.type)
    if classes is not None and score.type.rank > target.type.rank:
        if not isinstance(classes, int) or classes > MOST_CLASSES or getattr(op, "axis", -1) != -1:
            return "", {}
        chosen = method(given, "argmax", axis=-1)
        return "confusion", _confusion(run, chosen, true, int(classes))
    if target.type.shape != score.type.shape:
        return "", {}
    if op.target_type(score.type).dtype == "int" or target.type.dtype in ("int", "bool"):
        yes = method(Compare(">", given, lit(0.0)), "astype", "int64")
        return "confusion", _confusion(run, yes, method(true, "astype", "int64"), 2)
    return "scatter", _lines(given, true)


def _losses(tree: Tree) -> list[Applied]:
    return [one for one in parts(tree) if isinstance(one, Applied) and isinstance(one.op, Loss)]


def _confusion(run: Run, given: Expr, true: Expr, classes: int) -> dict[str, Any]:
    entry = run.pictured
    few = classes <= FEW_CLASSES
    return {
        **_lines(given, true),
        "classes": classes,
        "names": Code(", names: list[str]" if entry is not None else ""),
        "entry": entry,
        "size": 3 + 0.4 * classes if few else 10,
        "values": Code(str(few)),
    }


def _lines(given: Expr, true: Expr) -> dict[str, Any]:
    """`target = …` and `predicted = …`"""
    return {
        word: Code(render([Assign(Name(word), value)], indent=4).strip())
        for word, value in (("target", true), ("predicted", given))
    }
