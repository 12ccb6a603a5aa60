"""What the lowerings share: nodes, attributes and axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Site, Support
from bmc.emit.pyexpr import Expr, FString, ListExpr, Lit, Name, call, lit, name
from bmc.emit.values import as_float, as_whole
from bmc.types.symbolic import known
from bmc.types.tensor import TensorType
from bmc_onnx.lower.support import WIDEN

ELEMENTS = {"float": "TensorProto.FLOAT", "int": "TensorProto.INT64", "bool": "TensorProto.BOOL"}


def info(label: str | Expr, kind: TensorType) -> Expr:
    """`helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 1, 28, 28])`"""
    sizes: list[Any] = [d if known(d) else str(d) for d in kind.shape]
    shape = [*(["B"] if kind.batched else []), *sizes]
    return call("helper.make_tensor_value_info", label, name(ELEMENTS[kind.dtype]), shape)


def node(op: str, **attributes: Any) -> Function:
    """One node: `g.add("Relu", x, name="relu1")`."""

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        return call("g.add", op, *values, name=label, **attributes)

    return Function(build)


def method(helper: Support, *settings: Any, first: str = "", **attributes: Any) -> Function:
    """One call of a method of the graph: `g.dense(x, (120, 400), name="dense1")`.

    `first` is an operator's name, given before the values.
    """

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        values = [lit(first), *values] if first else values
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


def image_pads(found: Expr) -> Expr:
    """The same of the axes behind batch and channels, as `Pad` takes it: for all axes."""
    assert isinstance(found, ListExpr)
    half = len(found.items) // 2
    nothing = (lit(0), lit(0))
    return ListExpr((*nothing, *found.items[:half], *nothing, *found.items[half:]))


def below(label: Expr, word: str) -> Expr:
    """A name under another one: `name.left`."""
    if isinstance(label, FString):
        return FString((*label.parts, f".{word}"))
    if isinstance(label, Name):
        return FString((label, f".{word}"))
    assert isinstance(label, Lit)
    return Lit(f"{label.value}.{word}")


def spread(args: list[Expr], types: tuple[TensorType, ...], label: Expr) -> list[Expr]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last."""
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    for place, (arg, x) in enumerate(zip(args, types)):
        missing = list(range(1, 1 + widest - x.rank))
        if x.batched and missing:
            arg = call("g.widen", arg, missing, name=below(label, f"wide{place}"))
        ready.append(arg)
    return ready


def widening(types: tuple[TensorType, ...]) -> tuple[Support, ...]:
    """What `spread` needs for these types."""
    return (WIDEN,) if len({x.rank for x in types}) > 1 else ()


def own_number(value: float, dtype: str, label: Expr) -> Expr:
    """A number of the graph's own, whole beside whole numbers; `NUMBER` helps with the others."""
    if dtype == "int":
        return call("g.add", "Constant", name=label, value_int=as_whole(value))
    return call("g.number", as_float(value), name=label)


def permuted(value: Expr, order: list[int], batched: bool, label: Expr) -> Expr:
    """The axes in another order."""
    whole = [0, *(axis + 1 for axis in order)] if batched else order
    return call("g.add", "Transpose", value, name=label, perm=listed(whole))


def turned(
    order: list[int], site: Site, run: Callable[[list[Expr]], Expr]
) -> Callable[[list[Expr]], Expr]:
    """Runs nodes on a value with its axes in this order, and puts them back.

    The nodes keep the layer's name where they read weights, which are called by it.
    """
    (x,) = site.inputs
    if order == list(range(x.rank)):
        return run
    shift = 1 if x.batched else 0
    there = [*range(shift), *(place + shift for place in order)]
    back = [there.index(place) for place in range(len(there))]

    def around(args: list[Expr]) -> Expr:
        value, *more, label = args
        inner, outer = label, below(label, "back")
        if not site.weights:
            inner, outer = below(label, "normed"), label
        moved = call("g.add", "Transpose", value, name=below(label, "moved"), perm=listed(there))
        made = run([moved, *more, inner])
        return call("g.add", "Transpose", made, name=outer, perm=listed(back))

    return around
