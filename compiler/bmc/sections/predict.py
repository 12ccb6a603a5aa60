"""The `predict` section: the columns of predictions, what stands beside them, and their file."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Problem, Problems
from bmc.diagnostics.problems.params import BadExpression, BadSetting
from bmc.diagnostics.problems.training import NotYet, UnknownKey
from bmc.elaborate.scope import UNKNOWN
from bmc.ir.training import Prediction, Tree
from bmc.project import bad_form
from bmc.sections.pipelines import Number, Resolver
from bmc.source import Span
from bmc.syntax import ast

FORMATS = ("csv", "jsonl", "npz", "parquet")
LEAVES = "the path leaves the folder that the program runs in"
ELSEWHERE = "name a file beside the run; `predict.py -o` writes anywhere"


class Predicting:
    """Reads the section; `spans` are the places of its keys."""

    def __init__(self, section: ast.Section | None, resolver: Resolver, problems: Problems) -> None:
        self.section, self.resolver, self.problems = section, resolver, problems
        self.spans: dict[str, Span] = {}

    def fail(self, problem: Problem) -> None:
        """Reports a problem."""
        self.problems.add(problem)

    def build(self) -> dict[str, Any]:
        """What a `TrainProgram` says of predictions."""
        found: list[Prediction] = []
        writes = "predictions.csv"
        keep: tuple[str, ...] = ()
        for statement in self.section.body if self.section else ():
            match statement:
                case ast.Assign(targets=(ast.Place(name="write", index=None),)):
                    writes = self._writer(statement.value) or writes
                case ast.Assign(targets=(ast.Place(name="keep", index=None),)):
                    keep = self._kept(statement.value)
                    self.spans["keep"] = statement.value.span
                case ast.Assign(targets=(ast.Place(index=None) as place,)):
                    self._prediction(place.name, statement.value, found)
                case _:
                    text = statement.span.text.split("\n")[0]
                    self.fail(UnknownKey(statement.span, text, "predict", ("write", "keep")))
        for name in keep:
            if any(prediction.name == name for prediction in found):
                message = f"`{name}` is a prediction, too"
                self.fail(BadExpression(self.spans["keep"], message, "give it another name"))
        return {"predictions": tuple(found), "writes": writes, "keep": keep}

    def _kept(self, value: ast.Expr) -> tuple[str, ...]:
        """Names of columns: `["id", "name"]`."""
        items = value.items if isinstance(value, ast.ListExpr) else (value,)
        found = tuple(item.value for item in items if isinstance(item, ast.String))
        if len(found) < len(items) or len(set(found)) < len(found):
            message = "`keep` takes names of columns, each once"
            self.fail(BadExpression(value.span, message, 'write `keep = ["id"]`'))
        return found

    def _prediction(self, name: str, value: ast.Expr, found: list[Prediction]) -> None:
        tree: Tree | Any = self.resolver.tree(value)
        if isinstance(tree, Number):
            message = "a prediction depends on the model, and this is a number"
            self.fail(BadExpression(value.span, message))
        elif tree is not UNKNOWN:
            found.append(Prediction(name, tree))

    def _writer(self, value: ast.Expr) -> str | None:
        if isinstance(value, ast.Call) and isinstance(value.function, ast.Name):
            arguments = value.arguments
            name = value.function.id
            if (
                name in FORMATS
                and len(arguments) == 1
                and isinstance(arguments[0].value, ast.String)
            ):
                path = arguments[0].value.value
                reason = bad_form(path) or ("" if ".." not in path.split("/") else LEAVES)
                ending = next((f for f in FORMATS if path.endswith(f".{f}")), "csv")
                if not reason and ending != name:
                    reason = f"the file's name says the format, and this one says {ending}"
                if reason:
                    self.fail(BadSetting(value.span, name, "path", reason, help=ELSEWHERE))
                return path
        forms = ", ".join(f'`{name}("…")`' for name in FORMATS)
        self.fail(NotYet(value.span, value.span.text, f"predictions are written as {forms}"))
        return None
