"""Recurrent layers. They take a sequence [T, D] and return the sequence of their states.

`last` after one takes the final state: of a bidirectional layer the forward half at the last
step and the backward half at the first, which is where the backward direction ends. Of a padded
sequence the last step is the last one that is not padding; padding never changes a state.

One layer in one direction takes the states it starts from beside the sequence, and gives those of
the last step where `return_state` asks for them, as encoders hand them to decoders.
"""

from __future__ import annotations

from typing import ClassVar

from bmc.ops.axes import COUNT, known_dim, ragged_axis, retype
from bmc.ops.base import (
    Initializer,
    Layer,
    Padding,
    Sample,
    Weight,
    param,
    require_batch,
    require_float,
    require_rank,
)
from bmc.ops.initializers import ForgetGateOne, GlorotUniform, Orthogonal, Zeros
from bmc.ops.kinds import Bool, Int, Made, Refusal, Words
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

_BIDIRECTIONAL = "whether a second one runs from the end; both states are joined"
_LAYERS = "how many are stacked, each on the states of the one before"
_INIT = "how the input's matrices start"
_RECURRENT = "how the states' matrices start"
_STATE = "whether the states of the last step are further outputs"


class Recurrent(Layer):
    """Base of the three: a cell of `gates` blocks of rows, with one bias."""

    units: int
    bidirectional: bool
    layers: int
    bias: bool
    init: Initializer
    recurrent_init: Initializer
    return_state: bool
    gates: ClassVar[int] = 1
    carried: ClassVar[int] = 1  # how many states go from step to step

    inputs = (1, 2)

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """[T, D] -> [T, units], or [T, 2 * units] when bidirectional; states are [units]."""
        x, *given = inputs
        require_float(x)
        require_batch(x)
        require_rank(x, (2,), "[T, D]")
        known_dim(x.shape[1], "the number of features")
        known_dim(self.units, "`units`")
        if x.kind == "channels_first":
            raise Refusal(
                f"takes features last, and got {x} with channels first",
                help='move them: `rearrange("c t -> t c")`',
            )
        if x.ragged and ragged_axis(x) != 0:
            raise Refusal(f"takes the steps on the first axis, and got {x}")
        size = self.state_size() * 2 if self.bidirectional else self.state_size()
        kind = "bidirectional" if self.bidirectional else "sequence"
        states = retype(x, (x.shape[0], size), kind=kind)
        self._check_states(given)
        if not self.return_state:
            return states
        last = [TensorType("float", (size,), states.batched) for size in self.state_sizes()]
        return states, *last

    def state_size(self) -> int:
        """The size of what a step gives."""
        return self.units

    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of the states that go from step to step."""
        return (self.units,) * self.carried

    def _check_states(self, given: list[TensorType]) -> None:
        if (given or self.return_state) and (self.bidirectional or self.layers != 1):
            raise Refusal(
                "hands on the states of one layer in one direction",
                setting="return_state" if self.return_state else "",
                help="write the layers apart; `last` takes the end of both directions",
            )
        if given and len(given) != self.carried:
            raise Refusal(f"starts from {self.carried} states, and got {len(given)}")
        for state, size in zip(given, self.state_sizes()):
            require_float(state)
            require_batch(state)
            if state.shape != (size,):
                raise Refusal(f"starts from states of [{size}], and got {state}")

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """Padding at the end changes no state before it; the second direction starts after it."""
        return Padding(reads="mask" if self.bidirectional or self.return_state else "")

    def directions(self) -> tuple[tuple[int, str], ...]:
        """(layer, suffix of the weights' names) for each cell, in order."""
        both = ("", "_reverse") if self.bidirectional else ("",)
        return tuple(
            (layer, f"_l{layer}{end}") for layer in range(int(self.layers)) for end in both
        )

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight_ih_l0 (gates * units, D), weight_hh_l0 (gates * units, units), bias_ih_l0.

        A second layer's end in `_l1`, and so on, those of the second direction in `_reverse`.
        """
        made: dict[str, Weight] = {}
        above = self.state_size() * 2 if self.bidirectional else self.state_size()
        rows = self.units * self.gates if self.gates > 1 else self.units
        for layer, end in self.directions():
            size = above if layer else inputs[0].shape[1]
            made["weight_ih" + end] = Weight((rows, size), self.init, fan_in=size, fan_out=rows)
            made["weight_hh" + end] = Weight(
                (rows, self.state_size()),
                self.recurrent_init,
                fan_in=self.state_size(),
                fan_out=rows,
            )
            if self.bias:
                made.update(self.biases(end))
            made.update(self.projections(end))
        return made

    def projections(self, end: str) -> dict[str, Weight]:
        """What makes a cell's state smaller: nothing but in an `lstm`."""
        return {}

    def biases(self, end: str) -> dict[str, Weight]:
        """The biases of one cell."""
        return {"bias_ih" + end: Weight((self.units * self.gates,), Zeros(), decay=False)}

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """2 for every element of the matrices at each step."""
        sizes = [w.shape for w in self.weights(*inputs).values() if len(w.shape) == 2]
        return inputs[0].shape[0] * sum(2 * product(shape) for shape in sizes)


class RNN(Recurrent, name="rnn", aliases=("simple_rnn", "simplernn", "elman")):
    """The simple recurrent layer: h' = tanh(W x + U h + b) (Elman 1990)."""

    units: int = param(COUNT, "size of the state")
    bidirectional: bool = param(Bool(), _BIDIRECTIONAL, False)
    layers: int = param(Int(min=1, max=256), _LAYERS, 1)
    activation: str = param(Words("tanh", "relu"), "the function", "tanh")
    bias: bool = param(Bool(), "whether to add a learned vector", True)
    init: Initializer = param(Made("initializer"), _INIT, GlorotUniform(gain=1.0))
    recurrent_init: Initializer = param(Made("initializer"), _RECURRENT, Orthogonal(gain=1.0))
    return_state: bool = param(Bool(), _STATE, False)

    samples = (
        Sample({"units": 4}, ((5, 3),)),
        Sample({"units": 4, "activation": "relu", "bias": False}, ((5, 3),)),
        Sample({"units": 4, "bidirectional": True, "layers": 2}, (("T", 3),)),
        Sample({"units": 4, "return_state": True}, (("T", 3),)),
        Sample({"units": 4, "activation": "relu"}, ((5, 3), (4,))),
    )


class LSTM(Recurrent, name="lstm", aliases=("long_short_term_memory", "bilstm", "cudnnlstm")):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with Gers' forget gate).

    i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b); c' = f c + i g; h' = o tanh(c').
    The rows of W, U and b hold i, f, g, o in this order. There is one bias; its part for the
    forget gate starts at one (Jozefowicz et al. 2015). `(x, h, c) -> lstm(…)` starts from given
    states, zeros otherwise; `y, h, c = x -> lstm(…, return_state=true)` gives the last ones.
    With `projection` h' = W_hr (o tanh(c')) has so many elements (Sak et al. 2014).
    """

    units: int = param(COUNT, "size of the state")
    bidirectional: bool = param(Bool(), _BIDIRECTIONAL, False)
    layers: int = param(Int(min=1, max=256), _LAYERS, 1)
    bias: bool = param(Bool(), "whether to add a learned vector", True)
    init: Initializer = param(Made("initializer"), _INIT, GlorotUniform(gain=1.0))
    recurrent_init: Initializer = param(Made("initializer"), _RECURRENT, Orthogonal(gain=1.0))
    return_state: bool = param(Bool(), _STATE, False)
    projection: int = param(COUNT, "size of h, made from what the gates show", None)

    gates = 4
    carried = 2
    inputs = (1, 3)
    samples = (
        Sample({"units": 4}, ((5, 3),)),
        Sample({"units": 4, "bias": False}, ((5, 3),)),
        Sample({"units": 4, "bidirectional": True}, (("T", 3),)),
        Sample({"units": 4, "layers": 2}, ((5, 3),)),
        Sample({"units": 2, "layers": 2, "bidirectional": True}, ((5, 3),)),
        Sample({"units": 4, "return_state": True}, (("T", 3),)),
        Sample({"units": 4}, ((5, 3), (4,), (4,))),
        Sample({"units": 4, "return_state": True, "bias": False}, (("T", 3), (4,), (4,))),
        Sample({"units": 4, "projection": 2, "layers": 2}, (("T", 3),)),
        Sample({"units": 4, "projection": 2, "bidirectional": True, "bias": False}, ((5, 3),)),
        Sample({"units": 4, "projection": 2, "return_state": True}, (("T", 3), (2,), (4,))),
    )

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """[T, D] -> [T, projection or units], twice that when bidirectional; states beside it."""
        if self.projection is not None:
            known_dim(self.projection, "`projection`")
            if isinstance(self.projection, int) and self.projection >= self.units:
                raise Refusal(
                    f"has states smaller than its {self.units} units", setting="projection"
                )
        return super().infer(*inputs)

    def state_size(self) -> int:
        """The size of h."""
        return self.units if self.projection is None else self.projection

    def state_sizes(self) -> tuple[int, ...]:
        """Those of h and c."""
        return self.state_size(), self.units

    def projections(self, end: str) -> dict[str, Weight]:
        """weight_hr (projection, units), what h is made by."""
        if self.projection is None:
            return {}
        shape = (self.projection, self.units)
        return {"weight_hr" + end: Weight(shape, self.init, fan_in=shape[1], fan_out=shape[0])}

    def biases(self, end: str) -> dict[str, Weight]:
        """One bias, one at the forget gate."""
        return {"bias_ih" + end: Weight((self.units * 4,), ForgetGateOne(), decay=False)}


class GRU(Recurrent, name="gru", aliases=("gated_recurrent_unit", "bigru", "cudnngru")):
    """The gated recurrent unit (Cho et al. 2014), with the reset after the product.

    r, z = sigmoid(W x + b + U h + d); n = tanh(W x + b + r (U h + d)); h' = (1 - z) n + z h.
    The rows of W, U, b and d hold r, z, n in this order. Both biases are learned, as PyTorch and
    Keras do it: for n they differ.
    """

    units: int = param(COUNT, "size of the state")
    bidirectional: bool = param(Bool(), _BIDIRECTIONAL, False)
    layers: int = param(Int(min=1, max=256), _LAYERS, 1)
    bias: bool = param(Bool(), "whether to add learned vectors", True)
    init: Initializer = param(Made("initializer"), _INIT, GlorotUniform(gain=1.0))
    recurrent_init: Initializer = param(Made("initializer"), _RECURRENT, Orthogonal(gain=1.0))
    return_state: bool = param(Bool(), _STATE, False)

    gates = 3
    samples = (
        Sample({"units": 4}, ((5, 3),)),
        Sample({"units": 4, "bias": False}, ((5, 3),)),
        Sample({"units": 4, "bidirectional": True}, (("T", 3),)),
        Sample({"units": 2, "layers": 2, "bidirectional": True}, ((5, 3),)),
        Sample({"units": 4, "return_state": True}, ((5, 3), (4,))),
        Sample({"units": 4, "return_state": True, "bias": False}, (("T", 3),)),
        Sample({"units": 4}, (("T", 3), (4,))),
    )

    def biases(self, end: str) -> dict[str, Weight]:
        """bias_ih beside the input, bias_hh beside the state: (3 * units,) each."""
        return {
            "bias_ih" + end: Weight((self.units * 3,), Zeros(), decay=False),
            "bias_hh" + end: Weight((self.units * 3,), Zeros(), decay=False),
        }


class LSTMCell(Layer, name="lstm_cell", aliases=("lstmcell",)):
    """One step of `lstm`: takes (x, h, c) and gives (h', c').

    c' = f c + i g, h' = o tanh(c'), the gates as in `lstm`.
    """

    units: int = param(COUNT, "size of the state")
    bias: bool = param(Bool(), "whether to add a learned vector", True)
    init: Initializer = param(Made("initializer"), _INIT, GlorotUniform(gain=1.0))
    recurrent_init: Initializer = param(Made("initializer"), _RECURRENT, Orthogonal(gain=1.0))

    inputs = (3, 3)
    samples = (
        Sample({"units": 4}, ((3,), (4,), (4,))),
        Sample({"units": 4, "bias": False}, ((3,), (4,), (4,))),
    )

    def infer(self, *inputs: TensorType) -> tuple[TensorType, TensorType]:
        """[D], [units], [units] -> [units], [units]."""
        x, h, c = inputs
        for value in inputs:
            require_float(value)
            require_batch(value)
        require_rank(x, (1,), "[D]")
        known_dim(x.shape[0], "the number of features")
        for state in (h, c):
            if state.shape != (self.units,):
                raise Refusal(f"takes states of [{self.units}], and got {state}")
        out = TensorType("float", (self.units,), batched=any(v.batched for v in inputs))
        return out, out

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight_ih (4 * units, D), weight_hh (4 * units, units), bias_ih (4 * units,)."""
        size, rows = inputs[0].shape[0], self.units * 4
        made = {
            "weight_ih": Weight((rows, size), self.init, fan_in=size, fan_out=rows),
            "weight_hh": Weight(
                (rows, self.units), self.recurrent_init, fan_in=self.units, fan_out=rows
            ),
        }
        if self.bias:
            made["bias_ih"] = Weight((rows,), ForgetGateOne(), decay=False)
        return made

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """2 for every element of the matrices."""
        return sum(
            2 * product(w.shape) for w in self.weights(*inputs).values() if len(w.shape) == 2
        )
