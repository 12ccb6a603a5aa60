"""Recurrent layers in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, ListExpr, call, lit
from bmc.ops.recurrent import GRU, LSTM, RNN, LSTMCell, Recurrent
from bmc_onnx.lower.common import listed
from bmc_onnx.lower.table import lower, part

RECUR = part("recur")
LSTM_CELL = part("lstm_cell")
LSTM_CELL_WITHOUT_BIAS = part("lstm_cell_without_bias")


RECUR_LAYERS = part("recur_layers")
RECUR_PADDED = part("recur_padded")
RECUR_LAYERS_PADDED = part("recur_layers_padded")
RECUR_STATES = part("recur_states")
RECUR_FROM = part("recur_from")
COUNT_STEPS = part("count_steps")


def _recurrent(
    op: Recurrent, site: Site, word: str, order: list[int], biases: tuple[str, ...], **more: Any
) -> Lowered:
    ways = ("", "_reverse") if op.bidirectional else ("",)
    named: dict[str, Any] = {"ends": tuple(f"_l0{way}" for way in ways)}
    key = RECUR_PADDED if site.masks else RECUR
    if op.layers != 1:
        named = {"count": op.layers, "ways": ways}
        key = RECUR_LAYERS_PADDED if site.masks else RECUR_LAYERS
    named |= {"biases": biases if op.bias else (), **more}

    carried = len(site.inputs) - 1
    if carried or op.return_state:
        return _with_states(op, site, word, order, biases, **more)

    def build(args: list[Expr]) -> Expr:
        value, *mask, label = args
        given = (value, *mask, lit((site.inputs[0].shape[1], op.units)), listed(order))
        return call(f"g.{key.name}", word, *given, name=label, **named)

    return Function(build, (key,))


def _with_states(
    op: Recurrent, site: Site, word: str, order: list[int], biases: tuple[str, ...], **more: Any
) -> Lowered:
    """From given states, or with those of the last step."""
    key = RECUR_STATES if op.return_state else RECUR_FROM
    named: dict[str, Any] = {"biases": biases if op.bias else (), **more}
    carried = len(site.inputs) - 1

    def build(args: list[Expr]) -> Expr:
        value, *rest, label = args
        states, mask = ListExpr(tuple(rest[:carried])), rest[carried:]
        given = (value, states, lit((site.inputs[0].shape[1], op.units)), listed(order))
        lengths = {"length": call("g.count_steps", *mask, name=label)} if mask else {}
        return call(f"g.{key.name}", word, *given, name=label, **named, **lengths)

    return Function(build, (key, *((COUNT_STEPS,) if site.masks else ())))


@lower(RNN)
def rnn(op: RNN, site: Site) -> Lowered:
    """`RNN`."""
    both = 2 if op.bidirectional else 1
    word = {"tanh": "Tanh", "relu": "Relu"}[op.activation]
    return _recurrent(op, site, "RNN", [0], ("bias_ih",), activations=[word] * both)


@lower(LSTM)
def lstm(op: LSTM, site: Site) -> Lowered:
    """`LSTM`, whose gates are i, o, f, c."""
    if op.projection is not None:
        return Unsupported("its LSTM has no projection")
    return _recurrent(op, site, "LSTM", [0, 3, 1, 2], ("bias_ih",))


@lower(GRU)
def gru(op: GRU, site: Site) -> Lowered:
    """`GRU`, whose gates are z, r, h, with the reset after the product."""
    biases = ("bias_ih", "bias_hh")
    return _recurrent(op, site, "GRU", [1, 0, 2], biases, linear_before_reset=1)


@lower(LSTMCell)
def lstm_cell(op: LSTMCell, site: Site) -> Lowered:
    """Nodes for one step."""
    key = LSTM_CELL if op.bias else LSTM_CELL_WITHOUT_BIAS

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        sizes = (site.inputs[0].shape[0], op.units)
        return call(f"g.{key.name}", *values, *sizes, name=label)

    return Function(build, (key,))
