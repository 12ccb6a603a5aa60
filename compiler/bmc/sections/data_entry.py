"""One entry of the data section: its columns, its steps, and the type that comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.names import DuplicateName, UnknownName
from bmc.diagnostics.problems.params import BadExpression, BadSetting
from bmc.diagnostics.problems.training import DataType, NotYet, UnknownEntry
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import UNKNOWN, Scope
from bmc.ir.data import Choice, Columns, Use, Wanted
from bmc.ops.data import LATER, Carrying, Source
from bmc.ops.data_images import PictureStep
from bmc.ops.data_steps import UNBUILT_TOKENS, Identity, Impute, Windows
from bmc.ops.kinds import REGISTRY, Refusal
from bmc.records import record, replace
from bmc.sections.data_types import Draft, agree, wanted_dtype
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.tensor import TensorType

RANDOM_HEADS = ("random_normal", "random_integer", "random_uniform", "graph")
LATER_WORDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "tokenize": (
        UNBUILT_TOKENS,
        "trained tokenisers come with a later version; use `characters` or `words`",
    ),
    "read_image": (("labels",), "pictures of labels come with a later version"),
}
DTYPES = ("float", "int", "bool")


@record
class Head:
    """Where a pipeline starts: columns, or an earlier entry."""

    span: Span
    columns: Columns | None = None
    base: str | None = None
    steps: tuple[Use | Choice, ...] = ()  # its own, before those that it shares


class Pipelines:
    """Turns the section's assignments into drafts, in written order."""

    def __init__(
        self,
        source: Source,
        wanted: Mapping[str, Wanted],
        problems: Problems,
        evaluator: Evaluator,
        scope: Scope,
    ) -> None:
        self.source = source
        self.wanted = wanted
        self.problems = problems
        self.evaluator = evaluator
        self.scope = scope
        self.drafts: dict[str, Draft] = {}
        self.count = 0

    def fail(self, problem: Problem) -> None:
        """Reports a problem."""
        self.problems.add(problem)

    def add(self, assign: ast.Assign) -> None:
        """Adds what one line defines: one entry, or several."""
        names = [place.name for place in assign.targets]
        for place in assign.targets:
            if place.name in self.drafts:
                first = self.drafts[place.name].span
                self.fail(DuplicateName(place.span, place.name, "entry", first))
                return
        heads, steps = self._chain(assign.value)
        drafts = [Draft(place.name, place.span, assign.doc) for place in assign.targets]
        self.drafts.update(zip(names, drafts, strict=True))
        if heads is None or steps is None:
            return
        if assign.type is not None and len(drafts) > 1:
            message = "a type belongs to one entry: write each on a line of its own"
            self.fail(BadExpression(assign.type.span, message, None))
            return
        makes = max((use.step.results() for use in _flat(steps)), default=1) * len(heads)
        if makes != len(drafts):
            message = f"this makes {makes} {_plural(makes)}, and {len(drafts)} names take it"
            self.fail(BadExpression(assign.value.span, message, None))
            return
        for part, draft in enumerate(drafts):
            head = heads[part] if len(heads) > 1 else heads[0]
            draft.part = part if len(heads) == 1 else 0
            draft.want = self._want(draft.name, assign.type)
            self._fill(draft, head, (*head.steps, *steps))

    # --- reading the tree -------------------------------------------------------------------

    def _chain(self, value: ast.Expr) -> tuple[list[Head] | None, tuple[Use | Choice, ...] | None]:
        """The heads and the steps of a pipeline; None for what failed."""
        if isinstance(value, ast.Paren):
            return self._chain(value.inner)
        if not isinstance(value, ast.Flow):
            return self._heads(value), ()
        if isinstance(value.head, ast.TupleExpr):
            return self._joint(value)
        heads, first = self._chain(value.head)
        rest = self._targets(value.targets)
        return heads, None if first is None or rest is None else (*first, *rest)

    def _joint(self, value: ast.Flow) -> tuple[list[Head] | None, tuple[Use | Choice, ...] | None]:
        """`(a, b) -> step`: the same steps, with the same draws, for several columns."""
        assert isinstance(value.head, ast.TupleExpr)
        heads: list[Head] = []
        for item in value.head.items:
            found, steps = self._chain(item)
            if found is None or steps is None or len(found) != 1:
                return None, None
            heads.append(replace(found[0], steps=steps))
        return heads, self._targets(value.targets)

    def _heads(self, value: ast.Expr) -> list[Head] | None:
        if isinstance(value, ast.String):
            return [Head(value.span, self._known(value, Columns((value.value,), True)))]
        if isinstance(value, ast.ListExpr):
            columns = self._columns(value)
            return None if columns is None else [Head(value.span, columns)]
        if isinstance(value, ast.Name) and value.id in self.drafts:
            return [Head(value.span, base=value.id)]
        if isinstance(value, ast.Name):
            self.fail(UnknownEntry(value.span, value.id, tuple(self.drafts)))
            return None
        if isinstance(value, ast.Call) and isinstance(value.function, ast.Name):
            name = value.function.id
            if name in RANDOM_HEADS or name in LATER["step"].names:
                self.fail(NotYet(value.function.span, name, "it comes with a later version"))
                return None
        help_text = 'start with a column, as in `"age" -> …`, or with an entry defined before'
        if isinstance(value, ast.Binary) and value.operator == "..":
            help_text = f"a range of columns stands in brackets: `[{value.span.text}]`"
        self.fail(BadExpression(value.span, "data can't start here", help_text))
        return None

    def _columns(self, value: ast.ListExpr) -> Columns | None:
        names: list[str | tuple[str, str]] = []
        for item in value.items:
            if isinstance(item, ast.String):
                names.append(item.value)
                continue
            if (
                isinstance(item, ast.Binary)
                and item.operator == ".."
                and isinstance(item.left, ast.String)
                and isinstance(item.right, ast.String)
            ):
                names.append((item.left.value, item.right.value))
                continue
            help_text = 'as in `["age", "height"]` or `["first".."last"]`'
            self.fail(
                BadExpression(item.span, "a list of columns holds names in quotes", help_text)
            )
            return None
        if not names or not self.source.tabular:
            message = f"a list of columns needs a table, and the source is `{self.source.name}`"
            self.fail(BadExpression(value.span, message if names else "an empty list", None))
            return None
        return Columns(tuple(names), False)

    def _known(self, value: ast.String, columns: Columns) -> Columns:
        """Reports a column that the source can't have."""
        known = self.source.known
        if known and value.value not in known:
            listed = " and ".join(f'"{name}"' for name in known)
            message = f"`{self.source.name}` has no column {value.value!a}, only {listed}"
            self.fail(BadExpression(value.span, message, None))
        return columns

    def _targets(self, targets: tuple[ast.Target, ...]) -> tuple[Use | Choice, ...] | None:
        steps: list[Use | Choice] = []
        for target in targets:
            if target.count is not None:
                message = "steps of the data section do not repeat"
                self.fail(BadExpression(target.span, message, None))
                return None
            found = self._steps(target.layer)
            if found is None:
                return None
            steps += found
        return tuple(steps)

    def _steps(self, expr: ast.Expr) -> tuple[Use | Choice, ...] | None:
        """The steps that one stop of an arrow stands for."""
        if isinstance(expr, ast.Paren):
            return self._steps(expr.inner)
        if isinstance(expr, ast.If):
            return self._choice(expr)
        if isinstance(expr, ast.Flow):
            first = self._steps(expr.head)
            rest = self._targets(expr.targets)
            return None if first is None or rest is None else (*first, *rest)
        use = self._step(expr)
        return None if use is None else (use,)

    def _choice(self, expr: ast.If) -> tuple[Use | Choice, ...] | None:
        condition = expr.condition
        if not (isinstance(condition, ast.Name) and condition.id == "training"):
            value = self.evaluator.constant(condition, self.scope)
            if isinstance(value, bool):
                return self._steps(expr.then if value else expr.otherwise)
            if value is not UNKNOWN:
                help_text = "`if training then … else …`, or a setting that is true or false"
                self.fail(BadExpression(condition.span, "not a condition", help_text))
            return None
        then, otherwise = self._steps(expr.then), self._steps(expr.otherwise)
        if then is None or otherwise is None:
            return None
        for use in (*then, *otherwise):
            if isinstance(use, Choice) or not isinstance(use.step, PictureStep | Identity):
                message = "only steps that take and give pictures can differ in training"
                self.fail(BadExpression(expr.span, message, None))
                return None
        return (Choice(_flat(then), _flat(otherwise)),)

    def _step(self, expr: ast.Expr) -> Use | None:
        name = expr.function if isinstance(expr, ast.Call) else expr
        if not isinstance(name, ast.Name):
            self.fail(BadExpression(expr.span, "an arrow leads to a step here", None))
            return None
        if name.id in LATER["step"].names:
            what = LATER["step"].names[name.id]
            self.fail(NotYet(name.span, name.id, f"{what}: this comes with a later version"))
            return None
        declaration = REGISTRY["step"].get(name.id)
        if declaration is None:
            self.fail(UnknownName(name.span, name.id, "step", tuple(REGISTRY["step"])))
            return None
        if self._later_word(name.id, expr):
            return None
        step = self.evaluator.make(declaration, expr, self.scope)
        if step is UNKNOWN:
            return None
        self.count += 1
        return Use(step, "", self.count, expr.span)

    def _later_word(self, step: str, expr: ast.Expr) -> bool:
        """Reports a word among a step's settings that is known and not built yet."""
        words, why = LATER_WORDS.get(step, ((), ""))
        for argument in expr.arguments if isinstance(expr, ast.Call) else ():
            if isinstance(argument.value, ast.Name) and argument.value.id in words:
                self.fail(NotYet(argument.value.span, argument.value.id, why))
                return True
        return False

    # --- types -------------------------------------------------------------------------------

    def _want(self, name: str, written: ast.Type | None) -> Wanted | None:
        """What is known of an entry from models and losses, and from its own type."""
        want = self.wanted.get(name)
        if written is None:
            return want
        own = self._type(written)
        if own is None or own.type is None:
            return want
        if want is None:
            return replace(own, role="target") if name in self.wanted else own
        if want.type is not None and not agree(want.type, own.type):
            self.fail(DataType(written.span, name, str(want.type), str(own.type)))
            return want
        return replace(
            want,
            type=own.type if want.type is None else want.type,
            pad=own.pad if want.pad is None else want.pad,
            longest=own.longest if want.longest is None else want.longest,
        )

    def _type(self, written: ast.Type) -> Wanted | None:
        if written.kind not in DTYPES:
            self.fail(BadExpression(written.span, f"`{written.kind}` can't be read yet", None))
            return None
        shape: list[Any] = []
        pad: int | None = None
        longest: int | None = None
        for dim in written.dims:
            if isinstance(dim, ast.DimSetting):
                value = self.evaluator.constant(dim.value, self.scope)
                pad = int(value) if dim.name == "pad" and isinstance(value, int) else pad
                continue
            if isinstance(dim, ast.AnyLeading):
                continue
            size = self.evaluator.constant(dim.size, self.scope)
            shape.append(int(size) if isinstance(size, int) else None)
            if dim.limit is not None:
                limit = self.evaluator.constant(dim.limit, self.scope)
                longest = int(limit) if isinstance(limit, int) else None
        kind: Any = written.kind
        tensor = TensorType(kind, tuple(shape), ragged=pad is not None)
        return Wanted(tensor, "target", pad, longest)

    # --- from steps to an entry ---------------------------------------------------------------

    def _fill(self, draft: Draft, head: Head, steps: tuple[Use | Choice, ...]) -> None:
        """Sets a draft's columns or base, its steps and what comes out of them."""
        carrying: Carrying | None
        draft.columns = head.columns
        before: tuple[Use | Choice, ...] = ()
        if head.base is not None:
            base = self.drafts[head.base]
            carrying = base.carrying
            if carrying is None:
                return
            if base.columns is not None and not base.load and not base.batch:
                draft.columns = base.columns
            else:
                draft.base, before = base.name, base.batch
                draft.part = base.part if not any(_windows(use) for use in steps) else draft.part
        if draft.columns is not None:
            carrying = self._parsed(draft, steps)
            if carrying is None:
                return
        assert carrying is not None
        draft.head = carrying.kind
        self._walk(draft, carrying, before, steps)

    def _parsed(self, draft: Draft, steps: tuple[Use | Choice, ...]) -> Carrying | None:
        """What the columns hold, by the source, the first steps and the wanted type."""
        assert draft.columns is not None
        source, name = self.source, draft.columns.names[0]
        held = source.holds(str(name))
        if held is not None:
            return held
        shape: tuple[int | None, ...] = ()
        if not draft.columns.single:
            ranged = any(isinstance(item, tuple) for item in draft.columns.names)
            shape = (None,) if ranged else (len(draft.columns.names),)
        for use in _flat(steps):
            if isinstance(use.step, Impute | Identity):
                continue
            return Carrying("text" if use.step.as_text else "numbers", shape)
        dtype = wanted_dtype(draft.want)
        if dtype is None and draft.want is None:
            return Carrying("numbers" if steps else "text", shape)
        if dtype is None:
            help_text = f"give it a type, as in `{draft.name}: float[] = …`"
            self.fail(
                BadExpression(draft.span, "numbers or classes? nothing says which", help_text)
            )
            return None
        return Carrying("numbers" if dtype == "float" or steps else "ids", shape)

    def _walk(
        self,
        draft: Draft,
        carrying: Carrying,
        before: tuple[Use | Choice, ...],
        steps: tuple[Use | Choice, ...],
    ) -> None:
        """Sends what the head carries through the steps, and sorts these by when they run."""
        last = max((i for i, use in enumerate(steps) if _when(use) == "load"), default=-1)
        load: list[Use] = []
        batch: list[Use | Choice] = list(before)
        for index, use in enumerate(steps):
            early = carrying.kind not in ("array", "images", "paths") and not batch
            if isinstance(use, Use) and (index <= last or (early and use.step.when == "either")):
                if batch or use.step.when == "batch":
                    message = "is done for each batch, so no step that prepares all rows follows"
                    self.fail(BadSetting(use.span, use.step.name, "", message))
                    return
                key = f"{draft.name}.{use.step.name}"
                again = sum(other.step.name == use.step.name for other in load)
                load.append(replace(use, key=f"{key}.{again + 1}" if again else key))
            else:
                batch.append(use)
            after = self._through(carrying, use)
            if after is None:
                return
            carrying = after
        draft.load, draft.batch, draft.carrying = tuple(load), tuple(batch), carrying

    def _through(self, carrying: Carrying, use: Use | Choice) -> Carrying | None:
        if isinstance(use, Choice):
            one = self._all(carrying, use.training)
            other = self._all(carrying, use.otherwise)
            if one is None or other is None:
                return None
            kinds = {one.kind, other.kind} - {"paths"}
            if len(kinds) > 1 and kinds != {"array", "images"}:
                message = f"one branch gives {one.noun}, the other {other.noun}"
                self.fail(BadExpression(use.training[0].span, message, None))
                return None
            return one if one.kind == "images" else other
        try:
            return use.step.infer(carrying)
        except Refusal as refusal:
            name, key = use.step.name, refusal.setting or ""
            self.fail(BadSetting(use.span, name, key, refusal.message, refusal.help))
            return None

    def _all(self, carrying: Carrying, uses: tuple[Use, ...]) -> Carrying | None:
        for use in uses:
            after = self._through(carrying, use)
            if after is None:
                return None
            carrying = after
        return carrying


def _flat(steps: tuple[Use | Choice, ...]) -> tuple[Use, ...]:
    found: list[Use] = []
    for use in steps:
        found += [*use.training, *use.otherwise] if isinstance(use, Choice) else [use]
    return tuple(found)


def _windows(use: Use | Choice) -> bool:
    return isinstance(use, Use) and isinstance(use.step, Windows)


def _when(use: Use | Choice) -> str:
    return "batch" if isinstance(use, Choice) else use.step.when


def _plural(count: int) -> str:
    return "entry" if count == 1 else "entries"
