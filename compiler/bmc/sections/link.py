"""Ties a model to its data and training: which entry feeds which input, which is a target.

Losses say what type their targets have, model inputs what type the data must give; this pass
carries both to the data section.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.params import BadExpression
from bmc.diagnostics.problems.training import MissingData, SectionMissing
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import UNKNOWN, FileTable, Scope
from bmc.ir.data import DataProgram, Wanted
from bmc.ir.model import Apply, BlockSpec, Program, Value
from bmc.ir.model import weights as all_weights
from bmc.ir.training import Applied, ModelUse, TensorRef, TrainProgram, Tree, parts, tensors
from bmc.ops.base import Layer
from bmc.ops.losses import NO_CLASS, Loss, PaddedCrossEntropy
from bmc.records import replace
from bmc.sections.data import build_data
from bmc.sections.pipelines import Surroundings
from bmc.sections.train import build_training
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Sym, known
from bmc.types.tensor import TensorType

KEYS = ("source", "split")
SHORTEST = 4096  # the longest window that a padded input is filled up to
PARTS = ("train", "validation", "test")


def link(
    program: Program,
    table: FileTable,
    sections: dict[str, ast.Section],
    problems: Problems,
    read: Callable[[str, Span], str],
) -> None:
    """Fills `program.data` and `program.train` from their sections.

    `read` gives the text of a file beside the spec.
    """
    data, train = sections.get("data"), sections.get("train")
    if train is not None and data is None:
        problems.add(SectionMissing(train.span, "data", "training needs something to learn from"))
        return
    if data is None:
        return
    model = program.main
    around = replace(_surroundings(model, data, table, problems), read=read)
    trained = build_training(train, sections.get("predict"), around, problems)
    if problems.failed:
        return
    wanted = _wanted_inputs(model)
    if not _inputs_present(model, data, problems):
        return
    if trained is not None:
        wanted |= _wanted_targets(trained, wanted)
    entries = tuple(_balance(name, *made) for name, made in around.balanced.items())
    data = replace(data, body=(*data.body, *entries))
    program.data = build_data(data, wanted, problems, table.lets)
    if trained is not None and program.data is not None:
        program.train = _with_data(trained, program.data)


def _balance(name: str, target: str, classes: int, span: Span) -> ast.Assign:
    """`kind_weight = kind -> balance(3)`, which a loss has asked for."""
    step = ast.Call(
        span,
        ast.Name(span, "balance"),
        (ast.Argument(span, None, ast.Number(span, classes, str(classes))),),
    )
    value = ast.Flow(span, ast.Name(span, target), (ast.Target(span, step, None),))
    return ast.Assign(span, (ast.Place(span, name, None),), None, value, None)


def _with_data(trained: TrainProgram, data: DataProgram) -> TrainProgram:
    splits = data.splits()
    source = getattr(data.source, "path", None) or getattr(data.source, "file", None) or "data"
    return replace(trained, source=source, validation="validation" in splits, test="test" in splits)


# --- what the training section sees ---------------------------------------------------------


def _surroundings(
    model: BlockSpec, data: ast.Section, table: FileTable, problems: Problems
) -> Surroundings:
    refs: dict[str, TensorRef] = {}
    untyped: set[str] = set()
    spans = {}
    inputs = {entry.value.name: entry.value.type for entry in model.inputs}
    for place, statement in _entries(data):
        kind = inputs.get(place.name) or _declared(statement, table, problems)
        if kind is None:
            untyped.add(place.name)
            kind = TensorType("float", ())
        refs[place.name] = TensorRef(place.name, kind, "data")
        spans[place.name] = place.span
    for output in model.outputs:
        if output.name in refs:
            message = f"`{output.name}` is an output of the model, too"
            advice = "give one of them another name: scores and predictions go by names"
            problems.add(BadExpression(spans[output.name], message, advice))
            continue
        refs[output.name] = TensorRef(output.name, output.value.type, "output")
        spans[output.name] = output.value.span
    return Surroundings(
        scope=Scope(table),
        model=_use(model),
        tensors=refs,
        untyped=untyped,
        spans=spans,
        weight_names=tuple(name for name, _ in all_weights(model)),
        splits=_split_names(data),
    )


def _entries(data: ast.Section) -> list[tuple[ast.Place, ast.Assign]]:
    return [
        (place, statement)
        for statement in data.body
        if isinstance(statement, ast.Assign)
        for place in statement.targets
        if place.name not in KEYS
    ]


def _declared(statement: ast.Assign, table: FileTable, problems: Problems) -> TensorType | None:
    """The type that an entry is given, when all of its axes are numbers."""
    if statement.type is None:
        return None
    evaluator = Evaluator(problems)
    shape = []
    for dim in statement.type.dims:
        if isinstance(dim, ast.DimSetting):
            continue
        size = evaluator.constant(dim.size, Scope(table)) if isinstance(dim, ast.Dim) else UNKNOWN
        if isinstance(size, bool) or not isinstance(size, int):
            return None
        shape.append(size)
    kind: Any = statement.type.kind
    return TensorType(kind, tuple(shape))


def _split_names(data: ast.Section) -> tuple[str, ...]:
    """The splits that `source` and `split` name, before either is checked."""
    found = ["train"]
    for statement in data.body:
        if isinstance(statement, ast.Assign) and statement.targets[0].name in KEYS:
            call = statement.value
            if isinstance(call, ast.Call):
                found += [a.name for a in call.arguments if a.name in PARTS]
                if isinstance(call.function, ast.Name) and call.function.id == "column":
                    found += PARTS
    return tuple(dict.fromkeys(found))


def _use(model: BlockSpec) -> ModelUse:
    return ModelUse(
        model.name,
        tuple(entry.value.name for entry in model.inputs),
        tuple(output.name for output in model.outputs),
        least_rows=max((op.least_rows(*types) for op, types in _sites(model)), default=1),
    )


def _sites(model: BlockSpec) -> list[tuple[Layer, tuple[TensorType, ...]]]:
    """Every use of a layer in the model and in its blocks, with the types that it sees there."""
    found: list[tuple[Layer, tuple[TensorType, ...]]] = []
    specs, known = [model], {model}
    while specs:
        uses = specs.pop().applies()
        stack = [(use.instance, tuple(v.type for v in use.inputs)) for use in uses]
        while stack:
            instance, types = stack.pop()
            target = instance.target
            if isinstance(target, Layer):
                found.append((target, types))
            elif not isinstance(target, BlockSpec):
                stack += [(inner, inner.inputs) for _, inner in instance.inside()]
            elif target not in known:  # a block of the same types is one spec
                known.add(target)
                specs.append(target)
    return found


# --- what the data section must give ----------------------------------------------------------


def _inputs_present(model: BlockSpec, data: ast.Section, problems: Problems) -> bool:
    names = {place.name for place, _ in _entries(data)}
    fine = True
    for entry in model.inputs:
        if entry.value.name not in names:
            problems.add(MissingData(entry.value.span, entry.value.name, model.name))
            fine = False
    return fine


def _wanted_inputs(model: BlockSpec) -> dict[str, TensorType | Wanted]:
    wanted: dict[str, TensorType | Wanted] = {}
    for entry in model.inputs:
        value = entry.value
        pad = None if entry.pad is None else int(entry.pad)
        longest = next(iter(entry.limits.values()), None)
        wanted[value.name] = Wanted(
            value.type,
            "input",
            pad=pad,
            longest=None if longest is None else int(longest),
            shortest=1 if pad is None else _shortest(model, value),
            count=_ids(model, value),
            model=model.name,
        )
    return wanted


def _shortest(model: BlockSpec, value: Value) -> int:
    """The length of a padded input at which no value of the model is empty."""
    free = {name for dim in value.type.shape if isinstance(dim, Sym) for name in dim.symbols()}
    kinds = [*(output.value.type for output in model.outputs)]
    kinds += [kind for _, types in _sites(model) for kind in types]
    sizes = {dim for kind in kinds for dim in kind.shape if isinstance(dim, Sym)}
    found = 1
    for size in sizes:
        if set(size.symbols()) == free and len(free) == 1:
            while found < SHORTEST and size.evaluate(dict.fromkeys(free, found)) < 1:
                found += 1
    return found


def _ids(model: BlockSpec, value: Value) -> int | None:
    """How many ids every layer that takes the input has."""
    counts = [
        use.instance.target.ids()
        for use in model.applies()
        if value in use.inputs and isinstance(use.instance.target, Layer)
    ]
    return min((count for count in counts if count is not None), default=None)


def _wanted_targets(
    trained: TrainProgram, inputs: dict[str, TensorType | Wanted]
) -> dict[str, TensorType | Wanted]:
    wanted: dict[str, TensorType | Wanted] = {}
    groups: list[tuple[Tree, ...]] = [(loss.value,) for loss in trained.losses]
    groups += [report.inputs[::-1] for report in trained.metrics]
    counts = _class_counts([tree for trees in groups for tree in trees])
    for trees in groups:
        for ref in (ref for tree in trees for ref in tensors(tree)):
            if ref.origin == "data" and ref.name not in inputs:
                want = Wanted(ref.type, "target", count=counts.get(ref.name))
                wanted[ref.name] = _beside(want, trees, inputs)
    for prediction in trained.predictions:
        for ref in tensors(prediction.value):
            if ref.origin == "data" and ref.name not in inputs:
                wanted.setdefault(ref.name, Wanted(ref.type, "target"))
    for name in _classes_alone([loss.value for loss in trained.losses]):
        found = wanted.get(name)
        if isinstance(found, Wanted) and found.beside is not None:
            wanted[name] = replace(found, pad=NO_CLASS)
    if trained.sampler is not None and trained.sampler not in inputs:
        weights = Wanted(TensorType("float", ()), "sampler")
        wanted.setdefault(trained.sampler, weights)
    return wanted


def _beside(
    want: Wanted, trees: tuple[Tree, ...], inputs: dict[str, TensorType | Wanted]
) -> Wanted:
    """What is wanted of a target of padded predictions: it is as long as an input."""
    assert want.type is not None
    if not any(part.type.ragged for tree in trees for part in parts(tree)) or not want.type.rank:
        return want
    for name, other in inputs.items():
        if not isinstance(other, Wanted) or other.pad is None or other.type is None:
            continue
        if other.type.rank == 1 and other.type.shape[0] == want.type.shape[0]:
            return replace(want, pad=other.pad, shortest=other.shortest, beside=name)
    return want


def _classes_alone(trees: list[Tree]) -> set[str]:
    """The entries that losses take as classes and as nothing else."""
    uses: dict[str, list[bool]] = {}
    for part in (part for tree in trees for part in parts(tree)):
        for item in part.inputs if isinstance(part, Applied) else ():
            if isinstance(item, TensorRef):
                assert isinstance(part, Applied)
                fits = isinstance(part.op, Loss) and PaddedCrossEntropy.fits(part.op)
                fits = fits and item == part.inputs[-1]
                uses.setdefault(item.name, []).append(fits)
    return {name for name, fits in uses.items() if all(fits)}


def _class_counts(trees: list[Tree]) -> dict[str, int]:
    """Classes of each target of a loss over classes, from the width of its scores."""
    counts: dict[str, int] = {}
    for tree in trees:
        for part in parts(tree):
            if not isinstance(part, Applied) or not isinstance(part.op, Loss):
                continue
            if getattr(part.op, "ignore", None) is not None:
                continue  # a number that is no class stands there, too
            scores, target = part.inputs[0], part.op.target(part.inputs)
            size = part.op.classes(scores.type)
            if isinstance(target, TensorRef) and isinstance(size, int) and known(size):
                counts[target.name] = int(size)
    return counts


__all__ = ["Apply", "link"]
