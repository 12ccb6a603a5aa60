"""Multi-head attention."""

from __future__ import annotations

from collections.abc import Callable

from bmc.ops.axes import COUNT, Optional, known_dim, ragged_axis, retype
from bmc.ops.base import (
    Initializer,
    Layer,
    Padding,
    Positions,
    Sample,
    Weight,
    param,
    require_batch,
    require_float,
)
from bmc.ops.initializers import GlorotUniform, Normal, Ones, TruncatedNormal, Zeros
from bmc.ops.kinds import Bool, Float, ListOf, Made, OneOf, Refusal, Words
from bmc.ops.positions import Alibi, Relative2d, Rope, ShiftedWindows
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

_KV = "number of key and value heads; `heads` unless given"
_SCALE = "factor of the scores; 1 / sqrt(size of a head) unless given"
_DROP = "probability of dropping an attention weight while training"
_DIM = "size of a head; features / heads unless given"
_NORM = (
    "epsilon of an RMS norm over each head of queries and keys, with a weight for each "
    "(Qwen 3); none unless given"
)
_CAP = "the largest score: softcap * tanh(score / softcap), before anything is hidden (Gemma 2)"
_WINDOW = "sees only positions less than this many places away; all unless given"
ROLES = ("query", "key", "value", "output")
_BIAS = "whether the projections add learned vectors, or the list of those that do"
_BIAS_KIND = OneOf(Bool(), ListOf(Words("query", "key", "value", "out")))
_CAUSAL = "whether a position sees only itself and those before"


_SHOWN = (
    "whether a second value comes out: how much each position takes of each, [heads, T, S], "
    "before dropout"
)


_rope: Callable[..., Rope] = Rope  # what is not given has its default


class _Attention(Layer):
    """Base of both."""

    heads: int
    kv_heads: int | None
    head_dim: int | None
    softcap: float | None
    qk_norm: float | None
    bias: bool | tuple[str, ...]
    init: Initializer
    positions: Positions | None
    dropout: float
    return_weights: bool
    random = True
    says_shape = True

    def key_heads(self) -> int:
        """The number of key and value heads."""
        return self.heads if self.kv_heads is None else self.kv_heads

    def head_size(self, x: TensorType) -> int:
        """The size of a head: features / heads unless given."""
        if self.head_dim is not None:
            return self.head_dim
        return known_dim(x.shape[-1], "the number of features") // self.heads

    def biased(self) -> tuple[str, ...]:
        """The projections that add a vector."""
        if isinstance(self.bias, tuple):
            words = dict(zip(ROLES, ("query", "key", "value", "out")))
            return tuple(role for role in ROLES if words[role] in self.bias)
        return ROLES if self.bias else ()

    def check(self) -> None:
        """Refuses weights of capped scores."""
        if self.softcap is not None and self.return_weights:
            raise Refusal("can't go with `return_weights`", setting="softcap")

    def _check(self, x: TensorType) -> None:
        require_float(x)
        require_batch(x)
        if x.rank < 2:
            raise Refusal(f"takes an input with 2 axes or more, like [T, D], and got {x}")
        if x.kind == "channels_first":
            raise Refusal(
                f"takes features last, and got {x} with channels first",
                help='move them: `rearrange("c h w -> (h w) c")`',
            )
        if x.ragged and (x.rank != 2 or ragged_axis(x) != 0):
            raise Refusal(f"takes positions on the last axis but one, and got {x}")

    def _check_bias(self, bias: TensorType, query: TensorType, memory: TensorType) -> None:
        """Refuses what can't be added to the scores."""
        heads = known_dim(self.heads, "`heads`")
        shape = (heads, query.shape[-2], memory.shape[-2])
        if bias.dtype != "float" or bias.shape != shape or bias.ragged:
            scores = TensorType("float", shape)
            raise Refusal(
                f"has scores {scores}, and got {bias} to add to them",
                help=f"`relative_bias({int(heads)})` makes such a value",
            )
        if query.rank != 2:
            raise Refusal(f"adds to the scores of [T, D], and got {query}")
        if isinstance(self.positions, Alibi | Relative2d) or getattr(self, "mask", None):
            raise Refusal("adds to the scores either what is given, or by `positions` or `mask`")

    def _check_heads(self, x: TensorType) -> None:
        features = known_dim(x.shape[-1], "the number of features")
        heads = known_dim(self.heads, "`heads`")
        if self.head_dim is None and features % heads:
            raise Refusal(
                f"can't split {int(features)} features into {int(heads)} heads", setting="heads"
            )
        if heads % known_dim(self.key_heads(), "`kv_heads`"):
            raise Refusal(
                f"can't share {int(self.key_heads())} key heads among {int(heads)} heads",
                setting="kv_heads",
            )
        if isinstance(self.positions, Rope):
            size = int(self.head_size(x))
            count = self.positions.turned(size)
            if count % 2 or not count:
                what = "" if count == size else f", of which {count} would turn"
                raise Refusal(
                    f"turns pairs, and a head has {size} elements{what}", setting="positions"
                )

    def _results(
        self, query: TensorType, memory: TensorType
    ) -> TensorType | tuple[TensorType, ...]:
        """What the positions take, and how much of each where that is asked for."""
        made = retype(query, query.shape, kind="sequence")
        if not self.return_weights:
            return made
        if query.rank != 2:
            raise Refusal(
                f"gives weights for inputs [T, D], and got {query}", setting="return_weights"
            )
        shape = (known_dim(self.heads, "`heads`"), query.shape[0], memory.shape[0])
        return made, TensorType("float", shape, query.batched)

    def _projection(self, rows: int, columns: Dim, name: str, fan_out: Dim) -> dict[str, Weight]:
        made = {
            f"{name}.weight": Weight((rows, columns), self.init, fan_in=columns, fan_out=fan_out)
        }
        if name in self.biased():
            made[f"{name}.bias"] = Weight((rows,), Zeros(), decay=False)
        return made

    def _projections(self, query: TensorType, memory: TensorType) -> dict[str, Weight]:
        features: int = query.shape[-1]  # type: ignore[assignment]
        asked = inner = features
        if self.head_dim is not None:
            asked = inner = self.heads * self.head_dim
        if self.kv_heads is not None:
            inner = self.kv_heads * self.head_size(query)
        made = {
            **self._projection(asked, features, "query", asked),
            **self._projection(inner, memory.shape[-1], "key", inner),
            **self._projection(inner, memory.shape[-1], "value", inner),
            **self._projection(features, asked, "output", features),
        }
        if self.qk_norm is not None:
            for name in ("query_norm.weight", "key_norm.weight"):
                made[name] = Weight((self.head_size(query),), Ones(), decay=False)
        return made

    def _flops(self, query: TensorType, memory: TensorType) -> Dim:
        shapes = self._projections(query, memory)
        asked, held = product(query.shape[:-1]), product(memory.shape[:-1])
        return (
            2 * asked * product(shapes["query.weight"].shape)
            + 2 * held * product(shapes["key.weight"].shape) * 2
            + 2 * asked * product(shapes["output.weight"].shape)
            + 4 * asked * memory.shape[-2] * shapes["query.weight"].shape[0]
        )


class SelfAttention(
    _Attention,
    name="self_attention",
    aliases=(
        "selfattention",
        "multiheadattention",
        "multi_head_attention",
        "multihead_attention",
        "mha",
        "causal_self_attention",
    ),
):
    """Every position looks at every other: y = softmax(scale * q k^T) v (Vaswani et al. 2017).

    q, k and v are projections of the input, split into heads; the results are joined and
    projected. With fewer `kv_heads` several heads share keys and values
    (Ainslie et al. 2023). `causal` hides what comes later. Padding is not looked at. A second
    value [heads, T, T], as `relative_bias` makes one, is added to the scores.
    """

    heads: int = param(COUNT, "number of heads")
    kv_heads: int | None = param(Optional(COUNT), _KV, None)
    head_dim: int | None = param(Optional(COUNT), _DIM, None)
    causal: bool = param(Bool(), _CAUSAL, False)
    window: int | None = param(Optional(COUNT), _WINDOW, None)
    dropout: float = param(Float(min=0, below=1), _DROP, 0.0)
    return_weights: bool = param(Bool(), _SHOWN, False)
    positions: Positions | None = param(
        Optional(Made("positions")), "how positions enter: rope, alibi, relative_2d", None
    )
    mask: Positions | None = param(
        Optional(Made("positions", "`shifted_windows(…)`")), "what is hidden besides", None
    )
    bias: bool | tuple[str, ...] = param(_BIAS_KIND, _BIAS, True)
    scale: float | None = param(Optional(Float(above=0, max=1e6)), _SCALE, None)
    softcap: float | None = param(Optional(Float(above=0, max=1e6)), _CAP, None)
    qk_norm: float | None = param(Optional(Float(above=0, max=1)), _NORM, None)
    init: Initializer = param(
        Made("initializer"), "how the projections start", GlorotUniform(gain=1.0)
    )

    inputs = (1, 2)
    samples = (
        Sample({"heads": 2}, ((5, 8),)),
        Sample({"heads": 2}, ((5, 8), (2, 5, 5))),
        Sample(
            {"heads": 2, "causal": True, "scale": 1.0, "bias": False}, (("T", 8), (2, "T", "T"))
        ),
        Sample({"heads": 2, "softcap": 3.0, "window": 2}, (("T", 8), (2, "T", "T"))),
        Sample({"heads": 2, "causal": True, "bias": False}, (("T", 8),)),
        Sample({"heads": 4, "kv_heads": 2}, ((5, 16),)),
        Sample({"heads": 4, "kv_heads": 1, "bias": False}, ((5, 16),)),
        Sample({"heads": 2, "positions": _rope(theta=10000.0, interleaved=False)}, ((5, 8),)),
        Sample(
            {"heads": 2, "causal": True, "positions": _rope(theta=500.0, interleaved=True)},
            (("T", 8),),
        ),
        Sample({"heads": 4, "causal": True, "positions": Alibi()}, ((5, 16),)),
        Sample({"heads": 2, "positions": Relative2d(window=2)}, ((4, 8),)),
        Sample(
            {
                "heads": 2,
                "positions": Relative2d(window=2),
                "mask": ShiftedWindows(height=4, width=6, window=2, shift=1),
            },
            ((6, 4, 8),),
        ),
        Sample({"heads": 2, "scale": 1.0, "dropout": 0.1}, ((5, 8),)),
        Sample({"heads": 2, "init": Normal(std=0.02, mean=0.0)}, ((3, 5, 8),)),
        Sample({"heads": 2, "return_weights": True, "causal": True, "dropout": 0.1}, ((5, 8),)),
        Sample({"heads": 4, "kv_heads": 2, "return_weights": True}, (("T", 8),)),
        Sample({"heads": 4, "positions": Alibi(), "return_weights": True}, (("T", 8),)),
        Sample({"heads": 2, "bias": ("query", "value")}, ((5, 8),)),
        Sample({"heads": 2, "head_dim": 16, "causal": True}, (("T", 8),)),
        Sample({"heads": 4, "head_dim": 4, "bias": False}, ((3, 5, 8),)),
        Sample({"heads": 4, "kv_heads": 2, "head_dim": 6, "bias": ("value", "out")}, ((5, 8),)),
        Sample(
            {
                "heads": 4,
                "kv_heads": 2,
                "head_dim": 4,
                "causal": True,
                "qk_norm": 1e-6,
                "positions": _rope(theta=10000.0, interleaved=False),
            },
            (("T", 12),),
        ),
        Sample({"heads": 2, "qk_norm": 1e-5, "return_weights": True}, ((5, 8),)),
        Sample(
            {"heads": 2, "positions": _rope(theta=100.0, fraction=0.5, interleaved=True)},
            (("T", 16),),
        ),
        Sample(
            {"heads": 2, "positions": _rope(theta=100.0, scaling="linear", factor=2.0)},
            ((5, 8),),
        ),
        Sample({"heads": 2, "positions": _rope(theta=100.0, scaling="ntk", factor=4.0)}, ((5, 8),)),
        Sample(
            {
                "heads": 2,
                "positions": _rope(
                    theta=100.0, scaling="llama3", factor=8.0, context=64, fraction=0.75
                ),
            },
            ((3, 5, 32),),
        ),
        Sample(
            {
                "heads": 4,
                "kv_heads": 2,
                "causal": True,
                "positions": _rope(theta=100.0, scaling="yarn", factor=4.0, context=200),
            },
            (("T", 64),),
        ),
        Sample({"heads": 2, "window": 2}, (("T", 8),)),
        Sample(
            {
                "heads": 2,
                "causal": True,
                "softcap": 2.0,
                "mask": ShiftedWindows(height=4, width=6, window=2, shift=1),
            },
            ((6, 4, 8),),
        ),
        Sample({"heads": 4, "kv_heads": 2, "causal": True, "window": 3}, ((7, 8),)),
        Sample({"heads": 2, "causal": True, "window": 2, "return_weights": True}, (("T", 8),)),
        Sample({"heads": 2, "window": 3, "positions": Alibi(), "dropout": 0.1}, ((3, 7, 8),)),
        Sample({"heads": 4, "kv_heads": 2, "causal": True, "softcap": 2.0}, (("T", 8),)),
        Sample({"heads": 2, "softcap": 5.0, "window": 2, "scale": 0.3}, (("T", 8),)),
        Sample({"heads": 2, "softcap": 3.0, "positions": Alibi()}, ((3, 5, 8),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """[..., T, D] -> the same."""
        x = inputs[0]
        self._check(x)
        self._check_heads(x)
        self._check_window(x)
        if len(inputs) == 2:
            self._check_bias(inputs[1], x, x)
        return self._results(x, x)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """Padding is not looked at; it comes later anyway where what comes later is hidden."""
        return Padding(reads="" if self.causal else "mask")

    def check(self) -> None:
        """Refuses a mask among the positions and positions as a mask."""
        if isinstance(self.positions, ShiftedWindows):
            raise Refusal("hides positions; it goes to `mask`", setting="positions")
        if self.mask is not None and not isinstance(self.mask, ShiftedWindows):
            raise Refusal("takes `shifted_windows(…)`", setting="mask")
        if self.window is not None and (self.mask or isinstance(self.positions, Relative2d)):
            raise Refusal("goes along a sequence, not with windows of a map", setting="window")
        super().check()

    def _check_window(self, x: TensorType) -> None:
        wanted: tuple[Dim, ...] = ()
        if isinstance(self.mask, ShiftedWindows):
            side = self.mask.window
            count = (self.mask.height // side) * (self.mask.width // side)
            wanted = (count, side * side)
        if isinstance(self.positions, Relative2d):
            wanted = wanted or (self.positions.window * self.positions.window,)
            if wanted[-1] != self.positions.window * self.positions.window:
                raise Refusal("has a window of another size than the positions", setting="mask")
        if wanted and (x.ragged or x.shape[-1 - len(wanted) : -1] != wanted):
            shown = ", ".join(map(str, wanted))
            raise Refusal(f"takes an input [{shown}, D] for these windows, and got {x}")

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """query, key, value and output, each weight (out, in) and bias (out,).

        With qk_norm also query_norm.weight and key_norm.weight (size of a head,). With
        relative_2d also positions.weight ((2 * window - 1) ** 2, heads).
        """
        x = inputs[0]
        made = self._projections(x, x)
        if isinstance(self.positions, Relative2d):
            offsets = (2 * self.positions.window - 1) ** 2
            table = TruncatedNormal(std=0.02, mean=0.0)
            made["positions.weight"] = Weight((offsets, self.heads), table, decay=False)
        return made

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Projections, scores and weighted sums; hidden scores count."""
        return self._flops(inputs[0], inputs[0])


class Attention(_Attention, name="attention", aliases=("cross_attention", "crossattention")):
    """Every position of a query looks at every position of a memory.

    y = softmax(scale * q k^T) v with q of the query, k and v of the memory (Vaswani et al. 2017).

    Takes (query, memory), gives softmax(scale * q k^T) v with q from the query, and k and v
    from the memory, in heads of size features / heads. Padding of the memory is not looked at.
    A third value [heads, U, T] is added to the scores.
    """

    heads: int = param(COUNT, "number of heads")
    kv_heads: int | None = param(Optional(COUNT), _KV, None)
    head_dim: int | None = param(Optional(COUNT), _DIM, None)
    causal: bool = param(Bool(), "whether position i sees the memory up to i only", False)
    dropout: float = param(Float(min=0, below=1), _DROP, 0.0)
    return_weights: bool = param(Bool(), _SHOWN, False)
    bias: bool | tuple[str, ...] = param(_BIAS_KIND, _BIAS, True)
    scale: float | None = param(Optional(Float(above=0, max=1e6)), _SCALE, None)
    softcap: float | None = param(Optional(Float(above=0, max=1e6)), _CAP, None)
    qk_norm: float | None = param(Optional(Float(above=0, max=1)), _NORM, None)
    init: Initializer = param(
        Made("initializer"), "how the projections start", GlorotUniform(gain=1.0)
    )

    inputs = (2, 3)
    positions = None
    samples = (
        Sample({"heads": 2}, ((5, 8), (3, 8))),
        Sample({"heads": 2, "bias": False}, (("T", 8), ("S", 6))),
        Sample({"heads": 4, "kv_heads": 2, "causal": True}, ((5, 16), (5, 16))),
        Sample({"heads": 2, "scale": 1.0, "dropout": 0.1}, ((2, 5, 8), (2, 3, 8))),
        Sample({"heads": 2, "init": Normal(std=0.02, mean=0.0)}, ((5, 8), (3, 8))),
        Sample({"heads": 2, "return_weights": True}, ((5, 8), ("T", 8))),
        Sample({"heads": 2, "return_weights": True, "scale": 0.5}, ((5, 8), ("T", 6))),
        Sample({"heads": 2, "head_dim": 3, "bias": ("query", "value")}, ((5, 8), ("S", 6))),
        Sample({"heads": 4, "kv_heads": 2, "qk_norm": 1e-6}, (("T", 8), (5, 8))),
        Sample({"heads": 2, "softcap": 2.0, "kv_heads": 1}, ((5, 8), ("S", 6))),
        Sample({"heads": 2, "scale": 1.0}, ((5, 8), ("S", 6), (2, 5, "S"))),
        Sample({"heads": 2, "causal": True}, ((5, 8), (5, 8), (2, 5, 5))),
        Sample({"heads": 2, "causal": True, "softcap": 2.0}, ((5, 8), (3, 8))),
    )

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """[..., U, D], [..., T, M] -> [..., U, D]."""
        query, memory = inputs[:2]
        self._check(query)
        self._check(memory)
        self._check_heads(query)
        known_dim(memory.shape[-1], "the memory's number of features")
        if query.shape[:-2] != memory.shape[:-2]:
            raise Refusal(
                f"takes a query and a memory alike but for positions, and got {query} and {memory}"
            )
        if len(inputs) == 3:
            self._check_bias(inputs[2], query, memory)
        return self._results(query, memory)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """The memory's padding is not looked at."""
        return Padding(reads="mask", of=(1,))

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """query, key, value and output, each weight (out, in) and bias (out,)."""
        return self._projections(*inputs[:2])

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Projections, scores and weighted sums."""
        return self._flops(*inputs[:2])
