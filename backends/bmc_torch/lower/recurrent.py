"""Recurrent layers in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site, Support
from bmc.emit.pyexpr import Call, Expr, Index, call, lit
from bmc.emit.values import unless
from bmc.ops.recurrent import GRU, LSTM, RNN, LSTMCell, Recurrent
from bmc_torch.lower.table import lower, part

RUN_PADDED = part("run_padded")
LSTM_CELL = part("LSTMCell")


def _recurrent(op: Recurrent, site: Site, kind: str, support: tuple[Support, ...]) -> Lowered:
    """The module; it gives the states of all steps, and the last ones beside."""
    settings = unless(1, num_layers=op.layers)
    settings |= unless(False, bidirectional=op.bidirectional)
    settings |= unless(True, bias=op.bias)
    if isinstance(op, RNN):
        settings |= unless("tanh", nonlinearity=op.activation)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if site.masks:
            return call("run_padded", layer, *args)
        return Index(Call(layer, tuple(args)), (lit(0),))

    support += (RUN_PADDED,) if site.masks else ()
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
