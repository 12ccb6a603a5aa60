"""Attention between given queries, keys and values."""

from __future__ import annotations

from bmc.ops.arithmetic import broadcast
from bmc.ops.axes import COUNT, Optional, known_dim
from bmc.ops.base import Layer, Sample, param, require_batch, require_float
from bmc.ops.kinds import Bool, Float, Refusal
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType


class AttentionCore(
    Layer,
    name="attention_core",
    aliases=("scaled_dot_product_attention", "sdpa", "dot_product_attention"),
):
    """What queries take of values: y = softmax(scale * q k^T + b) v (Vaswani et al. 2017).

    Takes q [..., H, T, D], k [..., G, S, D] and v [..., G, S, E]; of G < H heads of keys and
    values each is shared by H / G heads of queries. A fourth value is added to the scores, or
    says by true and false what is seen; where a query sees nothing, y is 0. `softcap` bends
    scores into (-softcap, softcap) before that: softcap * tanh(scores / softcap) (Gemma 2).
    """

    causal: bool = param(Bool(), "whether query i sees keys up to i only", False)
    window: int | None = param(
        Optional(COUNT), "sees keys less than this many places away; all unless given", None
    )
    scale: float | None = param(
        Optional(Float(above=0, max=1e6)), "factor of the scores; 1 / sqrt(D) unless given", None
    )
    softcap: float | None = param(
        Optional(Float(above=0, max=1e6)), "the largest score; none unless given", None
    )

    inputs = (3, 4)
    samples = (
        Sample({}, ((2, 5, 4), (2, 3, 4), (2, 3, 6))),
        Sample({"causal": True}, ((2, "T", 4), (2, "T", 4), (2, "T", 4))),
        Sample({"scale": 0.5}, ((5, 4), (5, 4), (5, 4), (5, 5))),
        Sample({"causal": True, "window": 2}, ((4, 5, 4), (2, 5, 4), (2, 5, 4))),
        Sample({"window": 2}, ((2, 5, 4), (2, 6, 4), (2, 6, 4), (1, 5, 6))),
        Sample({"causal": True, "softcap": 2.0}, ((4, 5, 4), (2, 5, 4), (2, 5, 4), (4, 5, 5))),
        Sample({"softcap": 2.0, "scale": 1.0}, ((2, 5, 4), (2, 3, 4), (2, 3, 4))),
        Sample({"causal": True}, ((2, 5, 4), (2, 5, 4), (2, 5, 4), (2, 5, 5))),
        Sample({"softcap": 3.0}, (("T", 5, 4), ("T", 3, 4), ("T", 3, 6))),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., H, T, D], [..., G, S, D], [..., G, S, E] -> [..., H, T, E]."""
        query, key, value = inputs[:3]
        for x in (query, key, value):
            require_float(x)
            require_batch(x)
            if x.rank < 2 or x.rank != query.rank:
                shown = ", ".join(map(str, inputs[:3]))
                raise Refusal(f"takes three values alike, [H, T, D] or [T, D], and got {shown}")
        if any(x.ragged for x in inputs):
            raise Refusal("can't tell padding", help="use `self_attention` or `attention`")
        self._check_sizes(query, key, value)
        known_dim(query.shape[-1], "the size of a head")
        if len(inputs) == 4:
            self._check_bias(inputs[3], (*query.shape[:-1], key.shape[-2]))
        return TensorType("float", (*query.shape[:-1], value.shape[-1]))

    def _check_sizes(self, query: TensorType, key: TensorType, value: TensorType) -> None:
        if query.shape[-1] != key.shape[-1]:
            raise Refusal(f"compares queries and keys of one size, and got {query} and {key}")
        if key.shape[:-1] != value.shape[:-1]:
            raise Refusal(f"takes a value for each key, and got {key} and {value}")
        if query.shape[:-3] != key.shape[:-3]:
            raise Refusal(f"takes queries and keys alike but for heads, and got {query} and {key}")
        if query.rank > 2 and query.shape[-3] != key.shape[-3]:
            heads, shared = query.shape[-3], key.shape[-3]
            if not isinstance(heads, int) or not isinstance(shared, int) or heads % shared:
                raise Refusal(f"can't share {shared} heads of keys among {heads} heads")

    def _check_bias(self, bias: TensorType, shape: tuple[Dim, ...]) -> None:
        if bias.dtype not in ("float", "bool"):
            raise Refusal(f"adds numbers to scores, or takes true and false, and got {bias}")
        scores = TensorType("float", shape)
        if bias.rank > len(shape) or broadcast(scores, bias, "attention_core") != shape:
            raise Refusal(f"has scores {scores}, and got {bias} beside them")

    def shared(self, query: TensorType, key: TensorType) -> int:
        """How many heads of queries each head of keys has."""
        if query.rank == 2 or query.shape[-3] == key.shape[-3]:
            return 1
        return known_dim(query.shape[-3], "heads") // known_dim(key.shape[-3], "heads of keys")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Scores and weighted sums."""
        query, key, value = inputs[:3]
        return 2 * product(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])
