"""The `train` and `predict` sections: from the tree as written to a `TrainProgram`.

Knows no backend; what a backend can't do it refuses itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.files import FileRefused
from bmc.diagnostics.problems.names import UnknownModel, UnknownName
from bmc.diagnostics.problems.params import BadExpression, BadSetting
from bmc.diagnostics.problems.training import (
    BadSubject,
    DuplicateKey,
    KeyNeeds,
    LossShape,
    MissingKey,
    NotYet,
    UnknownEntry,
    UnknownKey,
)
from bmc.diagnostics.suggest import closest
from bmc.elaborate.scope import UNKNOWN
from bmc.ir.training import (
    Applied,
    LossTerm,
    OptimizerGroup,
    Pretrained,
    Report,
    TrainProgram,
    parts,
)
from bmc.ops.base import Declaration, alias_of
from bmc.ops.keys import KEYS, Key, key_alias
from bmc.ops.kinds import REGISTRY, Made, Measure, Refusal
from bmc.ops.losses import Loss
from bmc.ops.metrics import Metric
from bmc.ops.optimizers import Optimizer
from bmc.ops.schedules import Every
from bmc.records import replace
from bmc.sections.pipelines import Number, Resolver, Surroundings
from bmc.sections.predict import Predicting
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import plain

if TYPE_CHECKING:
    from bmc.ir.name_map import NameMap

Entry = tuple[str, ast.Expr, Span]  # subject as written, value, where


def build_training(
    section: ast.Section | None,
    predict: ast.Section | None,
    around: Surroundings,
    problems: Problems,
) -> TrainProgram | None:
    """The training run of a file, or None when there is no `train` section or it failed."""
    if section is None:
        return None
    return _Sections(section, predict, around, problems).build()


def _is_none(value: ast.Expr) -> bool:
    return isinstance(value, ast.Name) and value.id == "none"


def _argument(call: ast.Expr, name: str, place: int) -> Span:
    """Where an argument of a call is written."""
    given = call.arguments if isinstance(call, ast.Call) else ()
    named = [one.value.span for one in given if one.name is not None and one.name == name]
    return (named or [one.value.span for one in given[place : place + 1]] or [call.span])[0]


# Keys that an optimiser with a line search over all rows can't follow, and why.
SEARCHED: dict[str, tuple[Callable[[TrainProgram], bool], str]] = {
    "optimizer": (lambda train: len(train.optimizers) > 1, "changes all weights along one line"),
    "steps": (lambda train: True, "counts in `epochs`, each of many steps"),
    "batch": (lambda train: True, "takes all rows at once"),
    "accumulate": (lambda train: train.accumulate > 1, "takes all rows at once"),
    "sampler": (lambda train: True, "takes every row once"),
    "schedule": (lambda train: True, "searches for the length of each step"),
    "clip_norm": (lambda train: True, "needs gradients as they are"),
    "clip_value": (lambda train: True, "needs gradients as they are"),
    "precision": (lambda train: train.precision in ("bf16", "fp16"), "compares losses exactly"),
}


class _Sections:
    def __init__(
        self,
        section: ast.Section,
        predict: ast.Section | None,
        around: Surroundings,
        problems: Problems,
    ) -> None:
        self.section, self.predict, self.around, self.problems = section, predict, around, problems
        self.resolver = Resolver(around, problems)
        self.entries: dict[str, list[Entry]] = {}
        self.meant: set[str | None] = set()  # keys that misspelt ones stood for

    def fail(self, problem: Problem) -> None:
        self.problems.add(problem)

    def build(self) -> TrainProgram | None:
        before = len(self.problems)
        for statement in self.section.body:
            self._collect(statement)
        for name, entries in list(self.entries.items()):
            if KEYS[name].default is None and _is_none(entries[0][1]):
                del self.entries[name]  # as if it were not given
        losses = self._losses()
        metrics = self._metrics()
        groups = self._optimizers()
        settings = self._settings()
        self._length(settings)
        predicting = Predicting(self.predict, self.resolver, self.problems)
        predicted = predicting.build()
        if len(self.problems) > before and self.problems.failed:
            return None
        splits = self.around.splits
        program = TrainProgram(
            model=self.around.model,
            losses=losses,
            metrics=metrics,
            optimizers=groups,
            weights=self._weights(),
            freeze=self._freeze(),
            sampler=self._sampler(losses),
            **predicted,
            source=self.around.source,
            validation="validation" in splits,
            test="test" in splits,
            spans={"train": self.section.span, **self._spans(), **predicting.spans},
            **settings,
        )
        if program.checkpoint is None:
            program = replace(program, checkpoint=_default_checkpoint(program))
        self._watched(program)
        self._searched(program)
        least, batch = program.model.least_rows, self._one("batch")
        if program.batch < least:
            span = batch[2] if batch else self.section.span
            why = f"{least} rows or more: a norm over the batch learns nothing of one"
            self.fail(KeyNeeds(span, "batch", why))
        return None if len(self.problems) > before and self.problems.failed else program

    # --- statements -----------------------------------------------------------------------

    def _collect(self, statement: ast.Statement) -> None:
        match statement:
            case ast.Assign(targets=(ast.Place(index=None) as place,)):
                self._entry(place.name, place.span, "", statement.value)
            case ast.Keyed():
                subject = statement.subject.span.text
                self._entry(statement.key, statement.span, subject, statement.value)
            case ast.Update():
                self.meant |= {"loss", "optimizer"}  # which are inside it
                if statement.model != self.around.model.name:
                    known = (self.around.model.name,)
                    self.fail(UnknownModel(statement.span, statement.model, known))
                    return
                why = "one model is trained, with all its losses together"
                self.fail(NotYet(statement.span, "update", why))
            case _:
                text = statement.span.text.split("\n")[0]
                self.fail(UnknownKey(statement.span, text, "train", tuple(KEYS)))

    def _entry(self, name: str, span: Span, subject: str, value: ast.Expr) -> None:
        key = KEYS.get(name)
        if key is None:
            alias = key_alias(name)
            known = (alias, *(key for key in KEYS if key != alias)) if alias else tuple(KEYS)
            self.fail(UnknownKey(span, name, "train", known))
            self.meant.add(alias or closest(name, KEYS))
            return
        if key.later:
            self.fail(NotYet(span, name))
            return
        if subject and key.subject is None:
            self.fail(BadSubject(span, name, subject))
            return
        for other, _, first in self.entries.get(name, []):
            if other == subject:
                self.fail(DuplicateKey(span, name, "train", first))
                return
        self.entries.setdefault(name, []).append((subject, value, span))

    def _spans(self) -> dict[str, Span]:
        """Where each key is given, for those who refuse it."""
        spans = {name: entries[0][1].span for name, entries in self.entries.items()}
        if self.predict is not None:
            spans["predict"] = self.predict.span
        return spans

    def _one(self, name: str) -> Entry | None:
        entries = self.entries.get(name)
        return entries[0] if entries else None

    # --- losses and metrics ---------------------------------------------------------------

    def _losses(self) -> tuple[LossTerm, ...]:
        found: list[LossTerm] = []
        entries = self.entries.get("loss", [])
        if not entries and "loss" not in self.meant:
            self.fail(MissingKey(self.section.span, "train", "loss"))
        for subject, value, _ in entries:
            tree = self.resolver.tree(value)
            if tree is UNKNOWN:
                continue
            if isinstance(tree, Number) or tree.type.shape != () or tree.type.batched:
                what = "a number" if isinstance(tree, Number) else str(tree.type)
                message = f"is one number for a batch that depends on the model, and this is {what}"
                self.fail(LossShape(value.span, "loss", message, "end it with `-> mean`"))
                continue
            found.append(LossTerm(subject, tree, value.span))
        return tuple(found)

    def _metrics(self) -> tuple[Report, ...]:
        reports: list[Report] = []
        for subject, value, _ in self.entries.get("metrics", []):
            items = value.items if isinstance(value, ast.ListExpr) else (value,)
            for item in items:
                self._report(subject, item, reports)
        names = [report.name for report in reports]
        reports = [
            replace(report, name="_".join([report.name, *_special(report.metric)]))
            if names.count(report.name) > 1
            else report
            for report in reports
        ]
        names = [report.name for report in reports]
        for report in reports:
            if names.count(report.name) > 1 or report.name == "loss":
                self.fail(DuplicateKey(self.section.span, f"metrics {report.name}", "train",
                                       self.section.span))  # fmt: skip
                break
        return tuple(reports)

    def _report(self, subject: str, value: ast.Expr, reports: list[Report]) -> None:
        if not isinstance(value, ast.Flow):
            self.fail(
                LossShape(value.span, "metrics", "takes a pipeline like `(a, b) -> accuracy`")
            )
            return
        head: ast.Expr = value.head
        if len(value.targets) > 1:
            head = ast.Flow(value.span, value.head, value.targets[:-1])
        inputs = self.resolver.value(head)
        if inputs is UNKNOWN:
            return
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        last = value.targets[-1].layer
        layers = last.items if isinstance(last, ast.ListExpr) else (last,)
        for layer in layers:
            metric = self.resolver.metric(layer, inputs)
            if metric is not None and len(inputs) == len(metric.takes):
                name = f"{subject}_{metric.name}" if subject else metric.name
                name += f"_{int(metric.k)}" if hasattr(metric, "k") else ""
                reports.append(Report(name, metric, inputs, layer.span))

    # --- optimisers and plain settings ----------------------------------------------------

    def _make(self, key: Key, value: ast.Expr) -> Any:
        assert isinstance(key.kind, Made)
        family = key.kind.family
        head = value.function if isinstance(value, ast.Call) else value
        name = head.id if isinstance(head, ast.Name) else value.span.text
        declared = REGISTRY[family].get(name)
        if declared is None:
            alias = alias_of(family, name)
            known = (alias,) if alias else tuple(REGISTRY[family])
            self.fail(UnknownName(head.span, name, family, known))
            return UNKNOWN
        return self.resolver.evaluator.make(declared, _dotted(value), self.around.scope)

    def _optimizers(self) -> tuple[OptimizerGroup, ...]:
        groups: list[OptimizerGroup] = []
        for subject, value, span in self.entries.get("optimizer", []):
            if subject and not self._has_part(subject):
                self.fail(BadSubject(span, "optimizer", subject, self._parts()))
                continue
            optimizer = self._make(KEYS["optimizer"], value)
            if isinstance(optimizer, Optimizer):
                groups.append(OptimizerGroup(subject, optimizer))
        if not self.entries.get("optimizer") and "optimizer" not in self.meant:
            self.fail(MissingKey(self.section.span, "train", "optimizer"))
        elif groups and all(group.path for group in groups):
            span = self.entries["optimizer"][0][2]
            self.fail(KeyNeeds(span, "optimizer", "one `optimizer = …` for the rest of the model"))
        for group in groups:
            if not group.path and not group.optimizer.lr and len(groups) > 1:
                span = self.entries["optimizer"][0][2]
                message = "is 0, and the rates of parts follow it"
                help = "write `freeze = …` for what does not learn"
                self.fail(BadSetting(span, group.optimizer.name, "lr", message, help))
        # The longest path that a weight is under is the one that counts.
        return tuple(sorted(groups, key=lambda group: -group.path.count(".") - bool(group.path)))

    def _searched(self, program: TrainProgram) -> None:
        """What an optimiser that computes the loss of all rows again and again goes without."""
        for group in program.optimizers:
            if not group.optimizer.whole:
                continue
            name = group.optimizer.name
            for key, (given, why) in SEARCHED.items():
                if key in program.spans and given(program):
                    needs = f"another optimizer: `{name}` {why}"
                    self.fail(KeyNeeds(program.spans[key], key, needs))
            return

    def _parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.split(".")[0] for name in self.around.weight_names))

    def _has_part(self, path: str) -> bool:
        names = self.around.weight_names
        return any(name == path or name.startswith(path + ".") for name in names)

    def _settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("schedule", "epochs", "steps", "batch", "accumulate", "clip_norm", "clip_value",
                     "precision", "compile", "ema", "stop", "checkpoint", "log", "seed"):  # fmt: skip
            key, entry = KEYS[name], self._one(name)
            found[name] = key.default
            if entry is None:
                continue
            if isinstance(key.kind, Made):
                value = self._make(key, entry[1])
            else:
                value = self._value(key, entry[1])
            found[name] = None if value is UNKNOWN else _plain(value)
        return found

    def _value(self, key: Key, expr: ast.Expr) -> Any:
        value = self.resolver.evaluator.constant(expr, self.around.scope)
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, Measure) and value.unit == key.name:
            value = value.value
        try:
            return key.kind.convert(value)
        except Refusal as refusal:
            self.fail(
                BadSetting(expr.span, "train", key.name, refusal.message, refusal.help, key.doc)
            )
            return UNKNOWN

    def _length(self, settings: dict[str, Any]) -> None:
        epochs, steps = self._one("epochs"), self._one("steps")
        if epochs and steps:
            self.fail(DuplicateKey(steps[2], "the length of the run", "train", epochs[2]))
        elif not epochs and not steps and not self.meant & {"epochs", "steps"}:
            help = "add `epochs = 10`, or `steps = 10000`"
            self.fail(MissingKey(self.section.span, "train", "epochs", help))
        self._schedule_spans(settings)
        if settings["stop"] is not None and "validation" not in self.around.splits:
            entry = self._one("stop")
            assert entry is not None
            self.fail(KeyNeeds(entry[2], "stop", "a validation split in `data`"))

    def _schedule_spans(self, settings: dict[str, Any]) -> None:
        """Refuses what a run never reaches; a shorter trial of it may end in the warm-up."""
        schedule, entry = settings["schedule"], self._one("schedule")
        for name, span in schedule.values().items() if schedule is not None else ():
            if not isinstance(span, Measure) or entry is None:
                continue
            whole = 1 if span.unit == "%" else settings[span.unit]
            if whole is None or span.value <= whole or (span.unit != "%" and name != "restarts"):
                continue
            length = "the run" if span.unit == "%" else f"a run of {whole} {span.unit}"
            told = f"{span.value * 100:g}%" if span.unit == "%" else f"{span.value} {span.unit}"
            message = f"is {told}, longer than {length}"
            self.fail(BadSetting(_argument(entry[1], name, 99), schedule.name, name, message))

    def _watched(self, program: TrainProgram) -> None:
        """Refuses a watched number that no evaluation reports."""
        names = ("loss", *(report.name for report in program.metrics))
        names += tuple(term.name for term in program.losses if term.name)
        for key, rule in (("stop", program.stop), ("schedule", program.schedule)):
            on = getattr(rule, "on", None)
            entry = self._one(key)
            if on is None or entry is None:
                continue
            if "validation" not in self.around.splits:
                self.fail(KeyNeeds(entry[2], key, "a validation split in `data`"))
            elif on.removeprefix("validation.") not in names:
                self.fail(UnknownEntry(entry[1].span, on, tuple(f"validation.{n}" for n in names)))

    def _freeze(self) -> tuple[str, ...]:
        entry = self._one("freeze")
        if entry is None:
            return ()
        value = entry[1]
        items = value.items if isinstance(value, ast.ListExpr) else (value,)
        found: list[str] = []
        for item in items:
            path = item.span.text
            if isinstance(item, ast.Index):
                self.fail(NotYet(item.span, "an index in `freeze`", "name the whole part"))
            elif not self._has_part(path):
                self.fail(BadSubject(item.span, "freeze", path, self._parts()))
            else:
                found.append(path)
        return tuple(found)

    def _sampler(self, losses: tuple[LossTerm, ...]) -> str | None:
        """The entry with the weights that rows are drawn by."""
        entry = self._one("sampler")
        if entry is None:
            return None
        call = entry[1]
        name = call.function.span.text if isinstance(call, ast.Call) else ""
        given = call.arguments if isinstance(call, ast.Call) else ()
        ref = self.resolver.entry(given[0].value) if len(given) == 1 else None
        if name not in ("weighted", "balanced") or ref is None:
            message = f"`{call.span.text}` is no sampler"
            help = "write `weighted(data.w)`, or `balanced(data.kind)`"
            self.fail(BadExpression(call.span, message, help))
        elif name == "weighted":
            return ref.name
        else:
            scored = [one for term in losses for one in parts(term.value)]
            for one in scored:
                op = one.op if isinstance(one, Applied) else None
                if (
                    isinstance(one, Applied)
                    and isinstance(op, Loss)
                    and op.target(one.inputs) == ref
                ):
                    classes = op.classes(one.inputs[0].type)
                    if isinstance(classes, int):
                        return self.resolver.balance(ref, int(classes), call.span)
            message = f"`{ref.name}` is no target of a loss over classes"
            self.fail(BadExpression(call.span, message, "`weighted(data.w)` takes any weights"))
        return None

    def _weights(self) -> tuple[Pretrained, ...]:
        found: list[Pretrained] = []
        for subject, value, span in self.entries.get("weights", []):
            if subject and not self._has_part(subject):
                self.fail(BadSubject(span, "weights", subject, self._parts()))
                continue
            made = self._make(KEYS["weights"], value)
            if made is UNKNOWN:
                continue
            where = _argument(value, "names", 1)
            names = None if made.names is None else self._names(made.names, where)
            for part in made.anew:
                if not self._has_part(part):
                    place = _argument(value, "anew", 2)
                    self.fail(BadSubject(place, "anew", part, self._parts()))
            found.append(Pretrained(subject, made.file, names, made.anew))
        return tuple(found)

    def _names(self, path: str, span: Span) -> NameMap | None:
        """The map of names in a file beside the spec."""
        from bmc.diagnostics.problems.backend import WeightsDiffer
        from bmc.ir.name_map import BadMap, astray, parse_map

        try:
            names = parse_map(self.around.read(path, span))
        except FileRefused as refused:
            self.fail(refused.problem)
            return None
        except BadMap as error:
            self.fail(WeightsDiffer(span, f"the map of names `{path}` fails", (str(error),)))
            return None
        wrong = astray(names, self.around.weight_names)
        if wrong:
            what = f"the map of names `{path}` leads to tensors that the model has not"
            self.fail(WeightsDiffer(span, what, tuple(wrong[:8])))
        return names


def _default_checkpoint(program: TrainProgram) -> Every:
    """Every epoch; in a run counted in updates, at every evaluation."""
    if program.steps is None:
        return Every(span=Measure(1, "epochs"), keep=2)
    return Every(span=Measure(max(1, program.steps // 20), "steps"), keep=2)


def _special(metric: Metric) -> list[str]:
    """The settings of a metric that are not as they would be by themselves, as parts of a name."""
    values = metric.values()
    special = [value for key, value in values.items() if value != metric.settings[key].default]
    words = [str(getattr(value, "id", value)) for value in special if value is not None]
    return [re.sub(r"\W", "_", word) for word in words]


def _plain(value: Any) -> Any:
    if isinstance(value, Declaration | bool | str):
        return value
    if isinstance(value, tuple):
        return tuple(str(getattr(item, "id", item)) for item in value)  # words
    return plain(value)


def _dotted(value: ast.Expr) -> ast.Expr:
    """A call whose `validation.loss` arguments are single words."""
    if not isinstance(value, ast.Call):
        return value
    arguments = tuple(
        replace(a, value=ast.Name(a.value.span, f"validation.{a.value.name}"))
        if isinstance(a.value, ast.Attribute) and a.value.base.span.text == "validation"
        else a
        for a in value.arguments
    )
    return replace(value, arguments=arguments)
