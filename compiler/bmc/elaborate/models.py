"""From blocks as written to blocks as meant: names, settings and shapes in one walk.

One walk, not three passes: what a block contains can depend on the shapes it sees
(`if C == out then x else …`), so names, settings and shapes are known together or not at all.
Each distinct (block, settings, input types) is elaborated once and shared.
"""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Label, Problems
from bmc.diagnostics.problems.names import (
    DuplicateName,
    MissingOutput,
    Recursion,
    SettingRebound,
    WrongCase,
)
from bmc.diagnostics.problems.params import BadExpression, UnsupportedHere
from bmc.diagnostics.problems.shapes import InputMismatch, TooManyConnections, TooManyLayers
from bmc.diagnostics.problems.syntax import TooLong
from bmc.elaborate.budget import check_budget
from bmc.elaborate.build import fill
from bmc.elaborate.context import MAX_LAYERS, Filling
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import UNKNOWN, FileTable, Scope
from bmc.elaborate.work import BLOCK
from bmc.ir.model import BlockSpec, Input, Instance, Value
from bmc.ops.axes import ragged_axis
from bmc.ops.base import Declaration, Layer
from bmc.ops.kinds import BlockRef, Refusal, Word, show
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Dim, Num, Real, Sym, Var, traced
from bmc.types.tensor import TensorType

DEEPEST = 48  # blocks inside each other
MAX_CONNECTIONS = 100_000
DIM_NAMES = {
    "C": "in_channels", "D": "dim", "T": "length", "U": "length_out", "H": "height",
    "W": "width", "E": "embed_dim", "M": "memory_dim", "N": "count_in",
}  # fmt: skip
DTYPES = ("float", "int", "bool")


def dim_name(name: str, taken: set[str]) -> str:
    """The Python name of a free dimension of a block: `C` is `in_channels`."""
    candidate = DIM_NAMES.get(name, name.lower())
    while candidate in taken:
        candidate += "_in"
    return candidate


class Elaborator:
    """Makes `BlockSpec`s. One for a whole compilation."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.evaluator = Evaluator(problems)
        self.specs: dict[Any, BlockSpec | None] = {}
        self.stack: list[tuple[ast.Block, str]] = []
        self.layers: dict[BlockSpec, int] = {}
        self.connections = 0

    # --- blocks -------------------------------------------------------------------------

    def model(self, block: ast.Block, table: FileTable, values: dict[str, Any]) -> BlockSpec | None:
        """The spec of a model with its declared input types."""
        return self.block(block, table, values, None, block.name_span)

    def block(
        self,
        block: ast.Block,
        table: FileTable,
        values: dict[str, Any],
        inputs: tuple[Value, ...] | None,
        span: Span,
    ) -> BlockSpec | None:
        """The spec of a block for settings (in its caller's terms) and inputs; None when it failed."""
        types = None if inputs is None else tuple(value.type for value in inputs)
        key = (id(block), tuple(sorted((k, _plain(v)) for k, v in values.items())), types)
        if any(block is open_block for open_block, _ in self.stack):
            chain = (*[name for _, name in self.stack], block.name)
            self.problems.add(Recursion(span, chain))
            return None
        if key in self.specs:
            return self.specs[key]
        self.specs[key] = None
        if not self.evaluator.work.allows(BLOCK, span):
            return None
        if len(self.stack) == DEEPEST:
            found, limit = f"{DEEPEST + 1} levels", str(DEEPEST)
            self.problems.add(TooLong(span, "a use of blocks in blocks", found, limit))
            return None
        self.stack.append((block, block.name))
        try:
            spec = self._build(block, table, values, inputs, span)
        finally:
            self.stack.pop()
        if spec is not None:
            total = sum(self.count(instance) for instance in spec.instances)
            spec = spec if self.within_budget(total, span) else None
        self.specs[key] = spec
        return spec

    def _build(
        self,
        block: ast.Block,
        table: FileTable,
        values: dict[str, Any],
        inputs: tuple[Value, ...] | None,
        span: Span,
    ) -> BlockSpec | None:
        scope = Scope(table)
        settings = self._settings(block, values, scope)
        if settings is None:
            return None
        kind = "model" if inputs is None else "block"
        spec = BlockSpec(block.name, kind, block.name_span, settings, doc=block.doc)  # type: ignore[arg-type]
        if not self._inputs(block, spec, scope, inputs, span):
            return None
        before = len(self.problems)
        filling = Filling(self, spec, scope)
        complete = fill(filling, block.body)
        if not spec.outputs and complete and len(self.problems) == before:
            self.problems.add(MissingOutput(block.name_span, block.name))
        if not complete or not spec.outputs:
            return None
        for statement, where in filling.budgets:
            check_budget(statement, where, spec, self.evaluator)
        return spec

    def _settings(
        self, block: ast.Block, values: dict[str, Any], scope: Scope
    ) -> dict[str, Any] | None:
        """Binds the settings of a block in its own scope, in its own terms."""
        settings: dict[str, Any] = {}
        fine = True
        for setting in block.settings:
            if setting.name[0].isupper():
                self.problems.add(WrongCase(setting.span, setting.name, "small", "setting"))
            value = values.get(setting.name)
            if setting.name not in values:
                if setting.default is None:
                    return None  # reported where the block is used
                value = self.evaluator.constant(setting.default, scope)
                if isinstance(value, Word):
                    self.evaluator.unknown_word(setting.default, value, scope)
                    value = UNKNOWN
            if value is UNKNOWN:
                fine = False
            settings[setting.name] = value
            scope.define(setting.name, _retrace(value, setting.name), setting.span)
        return settings if fine else None

    # --- inputs -------------------------------------------------------------------------

    def _inputs(
        self,
        block: ast.Block,
        spec: BlockSpec,
        scope: Scope,
        values: tuple[Value, ...] | None,
        span: Span,
    ) -> bool:
        declared = [s for s in block.body if isinstance(s, ast.Input)]
        if values is not None and len(values) != len(declared):
            from bmc.diagnostics.problems.shapes import WrongInputCount

            self.problems.add(WrongInputCount(span, block.name, len(declared), len(values)))
            return False
        fine = True
        taken = {setting.name for setting in block.settings}
        for index, statement in enumerate(declared):
            first = scope.span(statement.name) if statement.name in scope.names else None
            if first is not None:
                self.problems.add(DuplicateName(statement.span, statement.name, "input", first))
                fine = False
                continue
            made = None if values is None else values[index]
            entry = self._input(statement, spec, scope, made, span, taken, block)
            if entry is None:
                fine = False
                continue
            spec.inputs.append(entry)
            scope.define(statement.name, entry.value, statement.span)
        return fine

    def _input(
        self,
        statement: ast.Input,
        spec: BlockSpec,
        scope: Scope,
        made: Value | None,
        span: Span,
        taken: set[str],
        block: ast.Block,
    ) -> Input | None:
        written = statement.type
        if written.kind not in DTYPES:
            self._bad_kind(written)
            return None
        options, limits = self._options(written, scope, spec)
        pad = options.pop("pad", None)
        dims = [d for d in written.dims if isinstance(d, ast.Dim)]
        leading = any(isinstance(d, ast.AnyLeading) for d in written.dims)
        if made is None:
            shape = [self._declared(dim, spec, scope) for dim in dims]
            if leading or any(size is None for size in shape):
                if leading:
                    message = "a model's input gives all its axes"
                    self.problems.add(
                        BadExpression(written.span, message, "write each axis; `..` is for blocks")
                    )
                return None
            sizes = tuple(size for size in shape if size is not None)
            tensor = TensorType(written.kind, sizes, ragged=pad is not None)  # type: ignore[arg-type]
        else:
            bound = self._bind(statement, made, spec, scope, taken, leading, dims)
            if bound is None:
                expected = written.span.text
                also = (Label(made.span, f"`{made.name}` is {made.type}"),)
                self.problems.add(
                    InputMismatch(span, block.name, statement.name, expected, str(made.type), also)
                )
                return None
            tensor = bound
        value = Value(tensor, statement.name, statement.span, named=True)
        if tensor.ragged:
            try:
                ragged_axis(tensor)
            except Refusal as refusal:
                self.problems.add(BadExpression(written.span, refusal.message, None))
                return None
        return Input(value, limits, pad, options, statement.doc)

    def _bad_kind(self, written: ast.Type) -> None:
        if written.kind == "graph":
            why = "graphs come with the graph layers"
            self.problems.add(
                UnsupportedHere(written.span, "a `graph` input is not supported yet", why)
            )
            return
        message = f"`{written.kind}` is not an element kind"
        self.problems.add(BadExpression(written.span, message, "write `float`, `int` or `bool`"))

    def _options(
        self, written: ast.Type, scope: Scope, spec: BlockSpec
    ) -> tuple[dict[str, Any], dict[str, int]]:
        options: dict[str, Any] = {}
        limits: dict[str, int] = {}
        for dim in written.dims:
            if isinstance(dim, ast.DimSetting):
                value = self.evaluator.constant(dim.value, scope)
                if dim.name not in ("pad", "rate"):
                    message = f"`{dim.name}` is not a setting of a type"
                    self.problems.add(
                        BadExpression(dim.span, message, "types take `pad=` and `rate=`")
                    )
                elif value is not UNKNOWN:
                    options[dim.name] = value
            elif isinstance(dim, ast.Dim) and dim.limit is not None:
                limit = self.evaluator.constant(dim.limit, scope)
                if isinstance(limit, int) and isinstance(dim.size, ast.Name):
                    limits[dim.size.id] = limit
        return options, limits

    def _declared(self, dim: ast.Dim, spec: BlockSpec, scope: Scope) -> Dim | None:
        """A dimension of a model's input: a number, or a free name."""
        size = dim.size
        if isinstance(size, ast.Name) and scope.find(size.id) is None:
            if not size.id[0].isupper():
                self.evaluator.unknown_word(size, Word(size.id), scope)
                return None
            symbol = Sym.named(size.id)
            spec.dims[size.id] = symbol
            scope.define(size.id, symbol, size.span)
            return symbol
        value = self.evaluator.constant(size, scope)
        if value is UNKNOWN:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | Sym)
            or (isinstance(value, int) and value < 1)
        ):
            message = f"a dimension is a whole number, at least 1, not {show(value)}"
            self.problems.add(BadExpression(size.span, message, None))
            return None
        return value

    def _bind(
        self,
        statement: ast.Input,
        made: Value,
        spec: BlockSpec,
        scope: Scope,
        taken: set[str],
        leading: bool,
        dims: list[ast.Dim],
    ) -> TensorType | None:
        """The type of a block's input, with its free dimensions bound to what flows in."""
        actual = made.type
        if actual.dtype != statement.type.kind:
            return None
        free = len(actual.shape) - len(dims)
        if free < 0 or (free > 0 and not leading):
            return None
        shape: list[Dim] = list(actual.shape[:free])
        for dim, size in zip(dims, actual.shape[free:]):
            bound = self._bind_dim(dim, size, spec, scope, taken)
            if bound is None:
                return None
            shape.append(bound)
        return TensorType(
            actual.dtype,
            tuple(shape),
            batched=actual.batched,
            ragged=actual.ragged,
            kind=actual.kind,
        )

    def _bind_dim(
        self, dim: ast.Dim, size: Dim, spec: BlockSpec, scope: Scope, taken: set[str]
    ) -> Dim | None:
        name = dim.size
        if isinstance(name, ast.Name) and scope.find(name.id) is None and name.id[0].isupper():
            spec.dims[name.id] = size
            bound: Dim = size
            if isinstance(size, int):
                python = dim_name(name.id, taken)
                taken.add(python)
                bound = Num(int(size), Var(python))
            scope.define(name.id, bound, name.span)
            return bound
        value = self.evaluator.constant(name, scope)
        if isinstance(value, Word):
            self.evaluator.unknown_word(name, value, scope)
        return value if value == size and not isinstance(value, Word) else None

    # --- budgets ------------------------------------------------------------------------

    def count(self, instance: Instance) -> int:
        """Layers under an instance, copies of repeats included."""
        target = instance.target
        if isinstance(target, Layer):
            return 1
        if target in self.layers:
            return self.layers[target]
        found = sum(number * self.count(inner) for number, inner in instance.inside())
        if isinstance(target, BlockSpec):
            self.layers[target] = found
        return found

    def within_budget(self, count: int, span: Span) -> bool:
        """Whether so many layers are allowed; reports it when not."""
        if count <= MAX_LAYERS:
            return True
        chain = tuple(name for _, name in self.stack)
        self.problems.add(TooManyLayers(span, MAX_LAYERS, count, chain))
        return False

    def connect(self, count: int, span: Span) -> bool:
        """Counts values that flow into a layer; reports it, once, when they are too many."""
        before = self.connections
        self.connections += count
        if self.connections <= MAX_CONNECTIONS:
            return True
        if before <= MAX_CONNECTIONS:
            self.problems.add(TooManyConnections(span, MAX_CONNECTIONS))
        return False


def _plain(value: Any) -> Any:
    """A setting's value as part of a key: equal numbers of different kinds stay apart."""
    if isinstance(value, Declaration):
        return value.key()
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, BlockRef):
        return id(value.target)
    return (type(value).__name__, value)


def _retrace(value: Any, name: str) -> Any:
    """A setting as the block sees it: a number that is called by the setting's name."""
    if isinstance(value, Num | Real):
        return traced(int(value) if isinstance(value, Num) else float(value), Var(name))
    return value


__all__ = ["Elaborator", "SettingRebound", "dim_name"]
