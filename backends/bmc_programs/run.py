"""A training run as the programs of all backends see it, and what none of them does yet.

Evaluating and predicting are the same numpy in every backend; only the model differs.
"""

from __future__ import annotations

from collections.abc import Callable

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.backend import Unsupported
from bmc.emit.backend import NOWHERE, Function, Lowerings, Site
from bmc.emit.backend import Unsupported as NotLowered
from bmc.emit.lowering import rule_for
from bmc.emit.names import class_name, identifier
from bmc.emit.text import clean
from bmc.ir.data import DataProgram
from bmc.ir.model import Program
from bmc.ir.training import (
    Applied,
    Pretrained,
    Report,
    TensorRef,
    TrainProgram,
    Tree,
    Undo,
    parts,
    tensors,
)
from bmc.ops.kinds import Refusal
from bmc.ops.losses import SCALAR, Loss
from bmc.records import record, replace
from bmc.source import Span
from bmc_programs.library import functions
from bmc_programs.lower.table import BATCHING, LOWERINGS, PREPARING
from bmc_programs.padding import (
    Places,
    as_rows,
    is_padded,
    masked,
    places_of,
    places_shown,
)
from bmc_programs.trees import refused
from bmc_programs.undo import classes

PADDED = "padding would count"
HALF = {"bf16": "bfloat16", "fp16": "float16"}  # as the frameworks call them


@record
class Run:
    """Names and facts that several files of a program need."""

    program: Program
    train: TrainProgram
    data: DataProgram

    @property
    def model(self) -> str:
        """The model's name in code."""
        return class_name(self.train.model.name)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The data entries that the model takes."""
        return self.train.model.inputs

    @property
    def places(self) -> Places:
        """The padded tensors."""
        return places_of(self.program, self.train, self.data)

    @property
    def dropped(self) -> dict[str, str]:
        """The arrays whose padding is dropped, each with the input that shows where it begins."""
        given = {*self.outputs, *self.reread, *self.targets}
        return {one: by for one, by in self.places.shown.items() if one in given}

    @property
    def kept(self) -> tuple[str, ...]:
        """The outputs that evaluating and predicting keep: not those of other lengths."""
        types = {output.name: output.value.type for output in self.program.main.outputs}
        return tuple(o for o in self.outputs if not types[o].ragged or o in self.places)

    @property
    def rows(self) -> TrainProgram:
        """Losses, metrics and predictions after padding has been dropped: places are rows."""
        places, train = self.places, self.train

        def flat(tree: Tree) -> Tree:
            return as_rows(tree, places)

        return replace(
            train,
            losses=tuple(replace(term, value=flat(term.value)) for term in train.losses),
            metrics=tuple(
                replace(report, inputs=tuple(map(flat, report.inputs))) for report in train.metrics
            ),
            predictions=tuple(
                replace(prediction, value=flat(prediction.value))
                for prediction in train.predictions
            ),
        )

    @property
    def by_place(self) -> str | None:
        """The input whose places predictions are for, where they are for places of sequences."""
        for prediction in self.train.predictions:
            if is_padded(prediction.value, self.places):
                names = [ref.name for ref in tensors(prediction.value)]
                return next(self.places.shown[one] for one in names if one in self.places)
        return None

    @property
    def lengths(self) -> dict[str, str]:
        """The inputs whose rows' lengths metrics of sequences need, each with that array's name."""
        trees = [
            side
            for report in self.train.metrics
            if report.metric.sequences
            for side in report.inputs
        ]
        taken = {*self.outputs, *(entry.name for entry in self.data.entries)}
        found = {}
        for shown in dict.fromkeys(places_shown(trees, self.places)):
            found[shown] = f"{shown}_lengths"
            while found[shown] in taken:
                found[shown] += "_"
        return found

    @property
    def scored(self) -> list[Tree]:
        """What losses and metrics are made of."""
        trees: list[Tree] = [term.value for term in self.train.losses]
        for report in self.train.metrics:
            trees += report.inputs
        return trees

    @property
    def targets(self) -> tuple[str, ...]:
        """The data entries that losses and metrics compare with, besides the model's inputs."""
        names = _entries(self.scored)
        return tuple(name for name in dict.fromkeys(names) if name not in self.inputs)

    @property
    def reread(self) -> tuple[str, ...]:
        """The model's inputs that scores or predictions are made of, too: of an autoencoder."""
        predicted = [prediction.value for prediction in self.train.predictions]
        names = set(_entries([*self.scored, *predicted]))
        return tuple(name for name in self.inputs if name in names)

    @property
    def outputs(self) -> tuple[str, ...]:
        """All outputs of the model."""
        return self.train.model.outputs

    @property
    def split(self) -> str:
        """What `evaluate.py` reads: the test rows, else the validation rows."""
        splits = self.data.splits()
        return next(name for name in ("test", "validation", "train") if name in splits)

    @property
    def start(self) -> Pretrained | None:
        """The weights to start from."""
        return self.train.weights[0] if self.train.weights else None

    @property
    def precision(self) -> str:
        """The numbers that training computes in, if the spec says so."""
        return self.train.precision or ""

    @property
    def half(self) -> str | None:
        """The numbers of 16 bits that training computes in, if it does."""
        return HALF.get(self.precision)

    @property
    def rounded(self) -> tuple[str, ...]:
        """The outputs that come in 16 bits."""
        types = {value.name: value.value.type for value in self.program.main.outputs}
        return tuple(o for o in self.outputs if self.half and types[o].dtype == "float")

    @property
    def scaled(self) -> bool:
        """Whether losses are scaled, so that small gradients are not lost."""
        return self.precision == "fp16"

    @property
    def pictures(self) -> bool:
        """Whether batches are made of picture files, which takes time that a device need not wait."""
        from bmc_programs.batch import of_pictures, storing

        return any(of_pictures(storing(self.data, entry)) for entry in self.data.wanted())

    @property
    def learned(self) -> bool:
        """Whether preparing the data learns something, which is then kept with the weights."""
        from bmc_programs.load import learned_keys

        return bool(learned_keys(self.data, self.data.entries))

    @property
    def learned_inputs(self) -> bool:
        """Whether what was learned is needed to read the inputs alone."""
        from bmc_programs.load import learned_keys

        needed = {one.name for name in self.inputs for one in self.data.line(self.data.entry(name))}
        entries = tuple(entry for entry in self.data.entries if entry.name in needed)
        return bool(learned_keys(self.data, entries))

    @property
    def path(self) -> str:
        """The data's path as comments and help texts show it."""
        name = self.train.source.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return "".join(c if c.isalnum() or c in "._-" else "_" for c in clean(name))

    @property
    def named(self) -> tuple[str, ...]:
        """The entries whose classes name columns of predictions."""
        found = (class_entry(self, prediction.value) for prediction in self.train.predictions)
        return tuple(dict.fromkeys(entry for entry in found if entry is not None))

    @property
    def pictured(self) -> str | None:
        """The entry whose classes' names stand beside the picture of the first loss."""
        terms = (one for term in self.rows.losses for one in parts(term.value))
        first = next((one for one in terms if isinstance(one, Applied)), None)
        ref = first.inputs[0] if first is not None and isinstance(first.op, Loss) else None
        return class_entry(self, ref) if isinstance(ref, TensorRef) else None

    @property
    def undone(self) -> tuple[str, ...]:
        """The entries whose steps predictions undo."""
        found: dict[str, None] = {}
        for prediction in self.train.predictions:
            for tree in parts(prediction.value):
                if isinstance(tree, Undo):
                    found[tree.entry] = None
        return tuple(found)


def _entries(trees: list[Tree]) -> list[str]:
    return [ref.name for tree in trees for ref in tensors(tree) if ref.origin == "data"]


def class_entry(run: Run, tree: Tree) -> str | None:
    """The entry whose classes a prediction has a number for each of, if they have names.

    It is what a loss compares the same output with; softmax and its like keep the classes' places.
    """
    output = next(tensors(tree), None)
    if output is None or output.type.rank != 1 or Undo in map(type, parts(tree)):
        return None
    if any(ref != output for ref in tensors(tree)):
        return None
    if any(part.type.shape != output.type.shape for part in parts(tree)):
        return None
    for term in run.train.losses:
        for part in parts(term.value):
            if isinstance(part, Applied) and part.inputs[:1] == (output,):
                if not isinstance(part.op, Loss):
                    return None
                target = part.op.target(part.inputs)
                ids = target.type.rank == 0 and target.type.dtype == "int"
                if ids and isinstance(target, TensorRef):
                    return target.name if classes(run.data, target.name) else None
    return None


def name(text: str) -> str:
    """A data entry or an output as a variable that hides nothing of a program."""
    word = identifier(text)
    return f"{word}_" if word in TAKEN or word in functions("values", "losses", "scores") else word


TAKEN = frozenset(
    """
    args arrays average batch batches before checkpoint data device done epoch every file finite
    first found hidden keras largest last latest layers learned log logging loss losses math
    mean_loss model nn np number ops optimizer order outputs partial path patience plateau progress
    rate record report rows scaler scores settings share started step steps steps_per_epoch stopped
    table tape tf todo torch total tqdm train validation variables
    """.split()
)


# --- what is refused ----------------------------------------------------------------------------


def metric_rule(report: Report) -> Function | NotLowered:
    """What a metric is in NumPy, or why it is nothing yet."""
    types = tuple(item.type for item in report.inputs)
    found = rule_for(LOWERINGS, report.metric, Site(types, (SCALAR,), {}))
    assert isinstance(found, Function | NotLowered)
    return found


def refuse(
    run: Run, backend: str, problems: Problems, table: Lowerings, *, trains: bool = True
) -> bool:
    """Reports what the programs of a backend would leave out; True when there is nothing.

    `table` has the backend's rules for losses, where it trains.
    """
    check = _Refusals(run, backend, problems)
    check.tables = (table, LOWERINGS) if trains else (LOWERINGS,)
    check.inputs()
    check.data()
    if trains:
        check.settings()
    check.losses()
    check.metrics()
    check.predictions()
    return not problems.failed


class _Refusals:
    tables: tuple[Lowerings, ...] = ()

    def __init__(self, run: Run, backend: str, problems: Problems) -> None:
        self.run, self.backend, self.problems = run, backend, problems

    def no(
        self,
        key: str,
        what: str,
        reason: str = "it is not lowered yet",
        place: Span | None = None,
    ) -> None:
        spans = self.run.train.spans
        span: Span = place or spans.get(key) or self.run.program.main.span
        self.problems.add(Unsupported(span, self.backend, what, reason))

    def inputs(self) -> None:
        for entry in self.run.program.main.inputs:
            if entry.lengths_of is not None:
                reason = "data of different lengths is read as ids, which show where they end"
                self.no("data", f"the lengths of `{entry.lengths_of.name}`", reason)

    def data(self) -> None:
        for entry in self.run.data.entries:
            batched = [use for use in entry.uses() if use not in entry.load]
            for table, uses in ((PREPARING, entry.load), (BATCHING, batched)):
                for use in uses:
                    if table.find(use.step) is None:
                        self.no("data", f"`{use.step.name}`", place=use.span)
        if self.run.train.keep:
            source = self.run.data.source.name
            if source not in ("csv", "npz"):
                self.no("keep", f"`keep` from `{source}`", "it has no columns besides")
            if self.run.data.window() is not None:
                self.no("keep", "`keep` beside windows", "a window has many rows")
        if self.run.train.sampler is not None and self.run.data.window() is not None:
            self.no("sampler", "`sampler` of windows", "windows have no weights of their own")
        if LOWERINGS.find(self.run.data.source) is None:
            self.no("data", f"`{self.run.data.source.name}`")

    def settings(self) -> None:
        train = self.run.train
        if len(train.weights) > 1 or any(start.path for start in train.weights):
            self.no("weights", "weights for parts of the model")
        optimizers = [("optimizer", one.optimizer, self.tables[0]) for one in train.optimizers]
        for key, op, table in (*optimizers, ("schedule", train.schedule, LOWERINGS)):
            found = rule_for(table, op, NOWHERE) if op is not None else None
            if op is not None and isinstance(found, NotLowered):
                self.no(key, f"`{op.name}`", found.reason)

    def losses(self) -> None:
        for term in self.run.train.losses:
            for table in self.tables:
                form = as_rows if table is LOWERINGS else masked
                if self._tree("loss", term.value, table, term.span, form):
                    break

    def metrics(self) -> None:
        for report in self.run.train.metrics:
            sides = report.inputs
            if any([self._tree("metrics", side, LOWERINGS, report.span) for side in sides]):
                continue
            places = self.run.places
            inputs = tuple(as_rows(side, places) for side in sides)
            apart = report.metric.sequences and len(set(places_shown(sides, places))) > 1
            if any(side.type.ragged for side in inputs) or apart:
                self.no("metrics", f"`{report.metric.name}` of these values", PADDED, report.span)
                continue
            found = metric_rule(replace(report, inputs=inputs))
            if isinstance(found, NotLowered):
                what = f"`{report.metric.name}` of these values"
                self.no("metrics", what, found.reason, report.span)

    def predictions(self) -> None:
        for prediction in self.run.train.predictions:
            self._tree("predict", prediction.value, LOWERINGS)
            if self.run.by_place and not is_padded(prediction.value, self.run.places):
                reason = "the others are for places: a file has one or the other"
                self.no("predict", f"`{prediction.name}`, a prediction for whole rows", reason)
            for entry in _entries([prediction.value]):
                if entry not in self.run.inputs:
                    reason = "a file to predict has the model's inputs alone"
                    self.no("predict", f"`{entry}` in a prediction", reason)
        if not self.run.train.predictions:
            self.no("predict", "a file without predictions", "say what is predicted")

    def _tree(
        self,
        key: str,
        tree: Tree,
        table: Lowerings,
        place: Span | None = None,
        form: Callable[[Tree, Places], Tree] = as_rows,
    ) -> bool:
        """Reports the steps that have no rule; True when there are some.

        `form` takes padding out of what is checked.
        """
        try:
            tree = form(tree, self.run.places)
        except Refusal as refusal:
            what = f"`{tree.op.name}` of these values" if isinstance(tree, Applied) else "this"
            self.no(key, what, refusal.message, place)
            return True
        found = list(refused(tree, table))
        for step, why in found:
            self.no(key, f"`{getattr(step.op, 'sign', '') or step.op.name}`", why.reason, place)
        return bool(found)
