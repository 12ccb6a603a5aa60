"""Dense layers in Keras."""

from __future__ import annotations

from collections.abc import Callable

from bmc.emit.backend import Function, Lowered, Module, Site, Support, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.parts import filled
from bmc.emit.pyexpr import Attr, Call, Expr, call, lit, name
from bmc.emit.rows import matrices
from bmc.emit.templates import Code
from bmc.ops.axes import axis_of
from bmc.ops.embedding import Embedding
from bmc.ops.linear import Dense, MatMul
from bmc.records import replace
from bmc_keras.lower.common import axis, bias, literals, spread, starts
from bmc_keras.lower.table import lower, part
from bmc_keras.weights import At

KERNEL_LENGTHS = part("kernel_lengths")


@lower(Dense)
def dense(op: Dense, site: Site) -> Lowered:
    """`layers.Dense`, with the summed axis last."""
    (x,) = site.inputs
    initial = starts(op)
    if initial is None:
        return Unsupported("this start is not lowered yet")
    place = axis_of(x, op.axis)

    def turned(value: Expr) -> Expr:
        last = place == x.rank - 1
        return value if last else call("ops.swapaxes", value, axis(x, place), -1)

    if op.weight is not None:
        return _borrowed(op, site, turned)
    settings = {"use_bias": op.bias, **initial}
    kind, helper = "layers.Dense", "dense"
    places = {"weight": At("kernel", (1, 0), "(in, out) -> (out, in)"), **bias(op)}
    support: tuple[Support, ...] = ()
    if op.weight_norm:
        kind, helper = "WeightNormDense", "weight_norm_dense"
        places = normed_places(places)
        support = normed(kind, "Dense")
    made = Call(name(kind), (lit(op.units),), keywords(settings))
    return Module(
        made,
        lambda layer, args: turned(Call(layer, (turned(args[0]),))),
        helper=helper if op.bias else f"{helper}_without_bias",
        positional=("units",),
        defaults=literals(use_bias=True),
        support=support,
        weights=places,
    )


def normed_places(places: dict[str, At]) -> dict[str, At]:
    """Where such a subclass keeps its weights."""
    direction = replace(places["weight"], attribute="direction")
    return {**places, "weight": direction, "scale": At("scale", (0,))}


def normed(name: str, kind: str) -> tuple[Support, ...]:
    """The subclass of a layer whose outputs' weights have learned lengths, and what it needs."""
    roots = ("keras", "layers", "ops")
    made = filled("bmc_keras", "weight_norm.py", name, roots, kind=Code(kind))
    return KERNEL_LENGTHS, made


def _borrowed(op: Dense, site: Site, turned: Callable[[Expr], Expr]) -> Lowered:
    """With the table of a `layers.ReversibleEmbedding`, or the kernel of a `layers.Dense`."""
    if op.bias:
        reason = "a matrix of another layer beside a bias of its own is not lowered yet"
        return Unsupported(reason, "write `bias=false`")
    if isinstance(site.owner, Embedding) and site.owner.pad is None:
        reverse = (("reverse", lit(True)),)
        return Function(lambda args: turned(Call(args[1], (turned(args[0]),), reverse)))
    if isinstance(site.owner, Dense):
        kept = "direction" if site.owner.weight_norm else "kernel"
        return Function(
            lambda args: turned(call("ops.matmul", turned(args[0]), Attr(args[1], kept)))
        )
    return Unsupported("a matrix of this layer is not lowered yet")


@lower(MatMul)
def matmul(op: MatMul, site: Site) -> Lowered:
    """`ops.matmul`"""

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        turned = matrices(op, values, lambda x: call("ops.swapaxes", x, -1, -2))
        return call("ops.matmul", *turned)

    return Function(build)
