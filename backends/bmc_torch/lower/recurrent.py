"""Recurrent layers in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site, Support
from bmc.emit.pyexpr import Call, Expr, Index, Starred, TupleExpr, call, lit, method
from bmc.emit.values import unless
from bmc.ops.recurrent import GRU, LSTM, RNN, LSTMCell, Recurrent
from bmc_torch.lower.table import lower, part

PACKING = (part("pack"), part("unpack"))
RUN_PADDED = part("run_padded")
RUN_PADDED_STATE = part("run_padded_state")
RUN_PADDED_STATES = part("run_padded_states")
UNPACK_STATE = part("unpack_state")
UNPACK_STATES = part("unpack_states")
LSTM_CELL = part("LSTMCell")


def _recurrent(op: Recurrent, site: Site, kind: str, support: tuple[Support, ...]) -> Lowered:
    """The module; it gives the states of all steps, and the last ones beside."""
    settings = unless(1, num_layers=op.layers)
    settings |= unless(False, bidirectional=op.bidirectional)
    settings |= unless(True, bias=op.bias)
    if isinstance(op, LSTM):
        settings |= unless(None, proj_size=op.projection)
    if isinstance(op, RNN):
        settings |= unless("tanh", nonlinearity=op.activation)

    carried = len(site.inputs) - 1
    unpack, padded = (
        (UNPACK_STATE, RUN_PADDED_STATE) if op.carried == 1 else (UNPACK_STATES, RUN_PADDED_STATES)
    )

    def use(layer: Expr, args: list[Expr]) -> Expr:
        x, rest = args[0], args[1:]
        start = tuple(method(state, "unsqueeze", 0) for state in rest[:carried])
        given = start[:1] if op.carried == 1 else (TupleExpr(start),) if start else ()
        mask = tuple(rest[carried:])
        if not op.return_state:
            ran = call("run_padded", layer, x, *mask) if mask else None
            return ran or Index(Call(layer, (x, *given)), (lit(0),))
        if mask:
            return call(padded.name, layer, x, *mask, *given)
        return call(unpack.name, Starred(Call(layer, (x, *given))))

    support += PACKING if site.masks else ()
    if op.return_state:
        support += (unpack, padded) if site.masks else (unpack,)
    elif site.masks:
        support += (RUN_PADDED,)
    made = call(kind, site.inputs[0].shape[1], op.units, **settings, batch_first=True)
    return Module(made, use, support=support)


@lower(RNN)
def rnn(op: RNN, site: Site) -> Lowered:
    """`nn.RNN`; with a bias a subclass of it."""
    own = (part("RNN"),) if op.bias else ()
    return _recurrent(op, site, "RNN" if op.bias else "nn.RNN", own)


@lower(LSTM)
def lstm(op: LSTM, site: Site) -> Lowered:
    """`nn.LSTM`; with a bias a subclass of it."""
    own = (part("LSTM"),) if op.bias else ()
    return _recurrent(op, site, "LSTM" if op.bias else "nn.LSTM", own)


@lower(GRU)
def gru(op: GRU, site: Site) -> Lowered:
    """`nn.GRU`."""
    return _recurrent(op, site, "nn.GRU", ())


@lower(LSTMCell)
def lstm_cell(op: LSTMCell, site: Site) -> Lowered:
    """A subclass of `nn.LSTMCell`."""
    made = call("LSTMCell", site.inputs[0].shape[0], op.units, **unless(True, bias=op.bias))

    def use(layer: Expr, args: list[Expr]) -> Expr:
        x, h, c = args
        return Call(layer, (x, lit((h, c))))

    return Module(made, use, support=(LSTM_CELL,))
