"""What the lowerings share: nodes, attributes and axes."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Support
from bmc.emit.pyexpr import Expr, FString, Lit, Name, call, lit
from bmc.ir.types import TensorType


def node(op: str, **attributes: Any) -> Function:
    """One node: `g.add("Relu", x, name="relu1")`."""

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        return call("g.add", op, *values, name=label, **attributes)

    return Function(build)


def method(helper: Support, *settings: Any, **attributes: Any) -> Function:
    """One call of a method of the graph: `g.dense(x, (120, 400), name="dense1")`."""

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        return call(f"g.{helper.name}", *values, *settings, name=label, **attributes)

    return Function(build, (helper,))


def axis(x: TensorType, place: int) -> int:
    """An axis as ONNX counts it, the batch included."""
    place = int(place)
    return place if place < 0 or not x.batched else place + 1


def listed(values: Any) -> Expr:
    """Numbers as ONNX attributes have them: a list."""
    return lit(list(values))


def pads(pairs: Any) -> Expr:
    """All that is added before, then all that is added after."""
    return listed([low for low, _ in pairs] + [high for _, high in pairs])


def below(label: Expr, word: str) -> Expr:
    """A name under another one: `name.left`."""
    if isinstance(label, FString):
        return FString((*label.parts, f".{word}"))
    if isinstance(label, Name):
        return FString((label, f".{word}"))
    assert isinstance(label, Lit)
    return Lit(f"{label.value}.{word}")
