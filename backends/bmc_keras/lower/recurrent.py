"""Recurrent layers in Keras."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Module, Site, Support, Unsupported
from bmc.emit.pyexpr import Call, Expr, Index, ListExpr, call, lit
from bmc.emit.values import unless
from bmc.ops.recurrent import GRU, LSTM, RNN, LSTMCell, Recurrent
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import lower, part
from bmc_keras.weights import At, Said

GRU_PLACE = part("GRUPlace")
BOTH_WAYS = part("is_both_ways")
STACK = part("is_stack")
STACK_BOTH_WAYS = part("is_stack_both_ways")
PARTS = (
    'parts = {"": layer.forward_layer, "_reverse": layer.backward_layer}',
    "for end, part in parts.items():",
)


PADDED_BOTH_WAYS = part("PaddedBothWays")
PADDED_STACK = part("PaddedStack")
PROJECTED = part("ProjectedLSTM")
PROJECTED_CELL = part("ProjectedLSTMCell")


def _padded(op: Recurrent) -> tuple[Support, ...]:
    """The classes that a layer over padded sequences is made of."""
    return (PADDED_BOTH_WAYS, *((PADDED_STACK,) if op.layers != 1 else ()))


def _test(op: Recurrent) -> Support | None:
    """What tells such a layer, where its class alone does not."""
    if op.layers != 1:
        return STACK_BOTH_WAYS if op.bidirectional else STACK
    return BOTH_WAYS if op.bidirectional else None


def _ending(op: Recurrent) -> tuple[Support, ...]:
    """What stands beside `name_weights`."""
    test = _test(op)
    found = [GRU_PLACE] if isinstance(op, GRU) else []
    found += [BOTH_WAYS] if op.bidirectional and test is not BOTH_WAYS else []
    return (*found, *([test] if test else []))


def _weights(op: Recurrent) -> Said:
    """Lines for a layer, or for both directions of it, or for each of several."""
    place = "GRUPlace" if isinstance(op, GRU) else "Place"
    several = op.layers != 1
    number, part, end, pad = "0", "layer", "", ""
    lines: list[str] = []
    if several:
        lines.append("for number, part in enumerate(layer.layers):")
        number, part, pad = "{number}", "part", "    "
    if op.bidirectional:
        lines += [pad + line.replace("layer.", f"{part}.") for line in PARTS]
        part, end, pad = "part", "{end}", pad + "    "

    def line(key: str, made: str) -> str:
        return f'{pad}weights[f"{{name}}.{key}_l{number}{end}"] = {made}'

    lines.append(f"{pad}cell = {part}.cell")
    for key, attribute in (("weight_ih", "kernel"), ("weight_hh", "recurrent_kernel")):
        lines.append(line(key, f"{place}(cell.{attribute}, (1, 0))"))
    if op.bias and isinstance(op, GRU):
        for row, key in enumerate(("bias_ih", "bias_hh")):
            lines.append(line(key, f"GRUPlace(cell.bias, (0,), row={row})"))
    elif op.bias:
        lines.append(line("bias_ih", "Place(cell.bias, (0,))"))
    kind = {RNN: "layers.SimpleRNN", LSTM: "layers.LSTM", GRU: "layers.GRU"}[type(op)]
    if isinstance(op, LSTM) and op.projection is not None:
        lines.append(line("weight_hr", "Place(cell.projector, (1, 0))"))
        kind = PROJECTED.name
    helper = _test(op)
    test = f"{helper.name}(layer, {kind})" if helper else ""
    return Said(tuple(lines), biased="cell.use_bias", test=test)


def _recurrent(op: Recurrent, site: Site, kind: str, *support: Support, **more: Any) -> Lowered:
    kernel, recurrent = initializer(op.init), initializer(op.recurrent_init)
    if kernel is None or recurrent is None:
        return Unsupported("this start is not lowered yet")
    named: dict[str, Any] = {
        "return_sequences": True,
        **unless(False, return_state=op.return_state),
    }
    named |= {**more, **unless(True, use_bias=op.bias)}
    named |= {"kernel_initializer": kernel, "recurrent_initializer": recurrent}
    if site.masks:
        named["zero_output_for_mask"] = True
    made = call(kind, op.units, **named)
    if op.bidirectional:
        made = call("PaddedBothWays" if site.masks else "layers.Bidirectional", made)
    if op.layers != 1:
        kind = "PaddedStack" if site.masks else "keras.Sequential"
        made = call(kind, ListExpr((made,) * int(op.layers)))

    carried = len(site.inputs) - 1

    def use(layer: Expr, args: list[Expr]) -> Expr:
        states, mask = args[1 : 1 + carried], args[1 + carried :]
        more: tuple[tuple[str, Expr], ...] = (("mask", mask[0]),) if mask else ()
        if states:
            more += (("initial_state", ListExpr(tuple(states))),)
        return Call(layer, (args[0],), more)

    return Module(
        made,
        use if site.masks or carried else None,
        support=(*support, *(_padded(op) if site.masks else ())),
        weights={"": _weights(op)},
        ending=_ending(op),
        made_for="anything" if op.layers == 1 else "sizes",  # as `keras.Sequential` is
    )


@lower(RNN)
def rnn(op: RNN, site: Site) -> Lowered:
    """`layers.SimpleRNN`."""
    return _recurrent(op, site, "layers.SimpleRNN", **unless("tanh", activation=op.activation))


@lower(LSTM)
def lstm(op: LSTM, site: Site) -> Lowered:
    """`layers.LSTM`; with a projection a class of its own."""
    if op.projection is not None:
        return _recurrent(
            op, site, PROJECTED.name, PROJECTED_CELL, PROJECTED, projection=op.projection
        )
    return _recurrent(op, site, "layers.LSTM")


@lower(GRU)
def gru(op: GRU, site: Site) -> Lowered:
    """`layers.GRU`, the reset after the product."""
    return _recurrent(op, site, "layers.GRU")


@lower(LSTMCell)
def lstm_cell(op: LSTMCell, site: Site) -> Lowered:
    """`layers.LSTMCell`, whose second result are both states."""
    kernel, recurrent = initializer(op.init), initializer(op.recurrent_init)
    if kernel is None or recurrent is None:
        return Unsupported("this start is not lowered yet")
    named = {**unless(True, use_bias=op.bias), "kernel_initializer": kernel}
    named |= {"recurrent_initializer": recurrent}

    def use(layer: Expr, args: list[Expr]) -> Expr:
        x, h, c = args
        return Index(Call(layer, (x, ListExpr((h, c)))), (lit(1),))

    made = call("layers.LSTMCell", op.units, **named)
    return Module(made, use, weights={
        "weight_ih": At("kernel", (1, 0)),
        "weight_hh": At("recurrent_kernel", (1, 0)),
        **({"bias_ih": At("bias", (0,), test="layer.use_bias")} if op.bias else {}),
    })  # fmt: skip
