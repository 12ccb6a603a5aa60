"""`xs -> scan(Block(…))`: a block run step by step along the first axis, its states carried on."""

from __future__ import annotations

from collections.abc import Callable

from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems.params import BadExpression, UnsupportedHere
from bmc.diagnostics.problems.shapes import LayerShape
from bmc.elaborate.context import Filling
from bmc.elaborate.scope import Scope
from bmc.ir.model import BlockSpec, Instance, Scan, Value
from bmc.records import replace
from bmc.source import Span
from bmc.syntax import ast
from bmc.types.symbolic import Dim
from bmc.types.tensor import TensorType

NEEDS_BLOCK = "`scan` takes one block, which it runs at every step"


def scan_instance(
    filling: Filling,
    layer: ast.Expr,
    values: list[Value],
    block_instance: Callable[..., Instance | None],
) -> Instance | None:
    """The block as an instance for one step, in an instance for all steps."""
    inner = _block_of(layer)
    head = inner.function if isinstance(inner, ast.Call) else inner
    blocks = filling.scope.table.blocks
    if not isinstance(inner, ast.Name | ast.Call) or not isinstance(head, ast.Name):
        filling.problems.add(BadExpression(layer.span, NEEDS_BLOCK, "write `scan(Cell(8))`"))
        return None
    if head.id not in blocks:
        filling.problems.add(BadExpression(inner.span, NEEDS_BLOCK, "write `scan(Cell(8))`"))
        return None
    ranks = [_rank(s.type) for s in blocks[head.id].body if isinstance(s, ast.Input)]
    steps = _step_values(filling, ranks, values, layer.span)
    if steps is None:
        return None
    step = block_instance(filling, inner, head, steps, scanned=True)
    if step is None:
        return None
    step.name = ""
    length = values[0].type.shape[0]
    outputs = tuple(_stacked(kind, length, values[0].type.ragged) for kind in step.outputs)
    taken = tuple(value.type for value in values)
    split = tuple(one is not other for one, other in zip(steps, values))
    return Instance(Scan(step, split), step.base, taken, outputs, layer.span)


def _block_of(layer: ast.Expr) -> ast.Expr | None:
    """`Cell(8)` in `scan(Cell(8))`."""
    if not isinstance(layer, ast.Call) or len(layer.arguments) != 1:
        return None
    (argument,) = layer.arguments
    return argument.value if argument.name is None else None


def _rank(written: ast.Type) -> int | None:
    """Axes of a declared input; None with `..`."""
    if any(isinstance(dim, ast.AnyLeading) for dim in written.dims):
        return None
    return sum(isinstance(dim, ast.Dim) for dim in written.dims)


def _step_values(
    filling: Filling, ranks: list[int | None], values: list[Value], span: Span
) -> list[Value] | None:
    """What one step sees: an element of each sequence, and the other values whole."""
    steps: list[Value] = []
    for place, value in enumerate(values):
        rank = ranks[place] if place < len(ranks) else None
        whole = place > 0 and (rank is None or rank >= value.type.rank)
        if whole:
            steps.append(value)
            continue
        if value.type.rank == 0 or value.type.shape[0] != values[0].type.shape[0]:
            found = ", ".join(str(v.type) for v in values)
            message = f"goes along the first axis of its sequences, and got {found}"
            sources = tuple(Label(v.span, f"`{v.name}` is {v.type}") for v in values)
            filling.problems.add(LayerShape(span, "scan", message, None, sources))
            return None
        kind = replace(value.type, shape=value.type.shape[1:], ragged=False)
        steps.append(Value(kind, value.name, value.span))
    return steps


def _stacked(kind: TensorType, length: Dim, ragged: bool) -> TensorType:
    return replace(kind, shape=(length, *kind.shape), batched=True, ragged=ragged)


def close_states(filling: Filling, spec: BlockSpec, scope: Scope) -> None:
    """Ties every state to the value that its name has at the end of the block."""
    for state in spec.states:
        following = scope.find(state.name)
        if following is state.value:
            message = f"`{state.name}` never gets its next value"
            advice = f"give it one: `{state.name} = …`"
            filling.problems.add(BadExpression(state.value.span, message, advice))
        elif isinstance(following, Value):
            if following.type.with_shape(*following.type.shape) != state.value.type:
                message = (
                    f"`{state.name}` begins as {state.value.type} and becomes {following.type}"
                )
                filling.problems.add(
                    BadExpression(following.span, message, "both must be the same")
                )
            state.next = following


def outside_scan(filling: Filling, spec: BlockSpec, span: Span) -> bool:
    """Reports a block with a state that nothing carries on."""
    if not spec.states:
        return False
    what = f"`{spec.name}` has a state, which only `scan` carries from step to step"
    filling.problems.add(UnsupportedHere(span, what, f"write `xs -> scan({spec.name}(…))`"))
    return True
