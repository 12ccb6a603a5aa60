"""Vectors for ids and for positions."""

from __future__ import annotations

from bmc.ops.axes import COUNT, Optional, known_dim, ragged_axis, retype
from bmc.ops.base import Initializer, Layer, Sample, Weight, param, require_batch, require_float
from bmc.ops.initializers import Normal, ZeroRow
from bmc.ops.kinds import Bool, Float, Int, Made, Refusal
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

_SMALL = Normal(std=0.02, mean=0.0)


class Embedding(Layer, name="embedding", aliases=("embed", "lookup", "embeddings", "embeddingbag")):
    """A learned vector for each id: y = weight[x].

    Ids run from 0 to count - 1. The vector of `pad` starts as zero and never changes.
    """

    count: int = param(COUNT, "number of ids")
    dim: int = param(COUNT, "size of a vector")
    init: Initializer = param(Made("initializer"), "how the vectors start", _SMALL)
    pad: int | None = param(
        Optional(Int(min=0, max=2**31 - 2)), "the id whose vector is zero", None
    )

    samples = (
        Sample({"count": 9, "dim": 4}, (("int:9", 5),)),
        Sample({"count": 9, "dim": 4, "pad": 0}, (("int:9", "T"),)),
        Sample({"count": 9, "dim": 4}, (("int:9",),)),
        Sample({"count": 9, "dim": 4, "init": Normal(std=1.0, mean=0.0)}, (("int:9", 2, 3),)),
    )

    def ids(self) -> int | None:
        """A vector for each."""
        return int(self.count)

    def check(self) -> None:
        """Refuses a padding id beyond the last one."""
        if self.pad is not None and isinstance(self.count, int) and self.pad >= self.count:
            raise Refusal(f"ids end at {int(self.count) - 1}", setting="pad")

    def infer(self, *inputs: TensorType) -> TensorType:
        """int[...] -> float[..., dim]."""
        (x,) = inputs
        if x.dtype != "int":
            raise Refusal(
                f"takes ids, and got {x}", help="write the input as `int[…]`, or use `dense`"
            )
        known_dim(self.count, "`count`")
        known_dim(self.dim, "`dim`")
        kind = "sequence" if x.rank else ""
        return TensorType("float", (*x.shape, self.dim), x.batched, x.ragged, kind)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (count, dim)."""
        init = self.init
        if self.pad is not None:
            init = ZeroRow(row=self.pad, others=init)
        shape = (self.count, self.dim)
        return {"weight": Weight(shape, init, fan_in=self.count, fan_out=self.dim)}


class LearnedPositions(
    Layer, name="learned_positions", aliases=("position_embedding", "positional_embedding")
):
    """Adds a learned vector to each position: y[t] = x[t] + weight[t].

    `longest` is needed when the number of positions is free.
    """

    longest: int | None = param(Optional(COUNT), "number of positions", None)
    init: Initializer = param(Made("initializer"), "how the vectors start", _SMALL)

    samples = (
        Sample({}, ((5, 8),)),
        Sample({"longest": 16}, (("T", 8),)),
        Sample({"longest": 8}, ((2, 5, 4),)),
    )

    def count(self, x: TensorType) -> int:
        """The number of positions that have a vector."""
        length = x.shape[-2]
        if self.longest is None:
            if not isinstance(length, int):
                raise Refusal(
                    f"needs the largest number of positions, as {length} is free",
                    help="write `learned_positions(1024)`",
                )
            return length
        longest = known_dim(self.longest, "`longest`")
        if isinstance(length, int) and length > longest:
            raise Refusal(f"has {int(longest)} positions for {int(length)}", setting="longest")
        return longest

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., T, D] -> the same."""
        (x,) = inputs
        require_float(x)
        _check_sequence(x)
        self.count(x)
        return retype(x, x.shape, kind="sequence")

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (longest, D)."""
        (x,) = inputs
        size = x.shape[-1]
        return {"weight": Weight((self.count(x), size), self.init, fan_in=size, fan_out=size)}

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)


def _check_sequence(x: TensorType) -> None:
    if x.rank < 2:
        raise Refusal(f"takes an input with 2 axes or more, like [T, D], and got {x}")
    known_dim(x.shape[-1], "the number of features")
    if x.ragged and ragged_axis(x) != x.rank - 2:
        raise Refusal(f"takes positions on the last axis but one, and got {x}")


class SinusoidalPositions(
    Layer,
    name="sinusoidal_positions",
    aliases=("positional_encoding", "sinusoidal", "sine_positions"),
):
    """Adds fixed sines and cosines to each position (Vaswani et al. 2017).

    y[t, 2 i] = x[t, 2 i] + sin(t * theta ** (-2 i / D)), and the cosine at 2 i + 1.
    """

    theta: float = param(Float(min=1, max=1e9), "base of the wavelengths", 10000.0)

    samples = (Sample({}, ((5, 8),)), Sample({"theta": 100.0}, (("T", 6),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., T, D] -> the same; D is even."""
        (x,) = inputs
        require_float(x)
        _check_sequence(x)
        if known_dim(x.shape[-1], "the number of features") % 2:
            raise Refusal(f"takes an even number of features, and got {x}")
        return retype(x, x.shape, kind="sequence")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)


class RotaryPositions(
    Layer,
    name="rotary_positions",
    aliases=("rope", "rotary_embedding", "apply_rotary", "rotary_position_embedding"),
):
    """Turns pairs of elements by angles that grow with the position (Su et al. 2021).

    For queries and keys before `attention_core`. Pair i of n elements at position t turns by
    t * theta ** (-2 i / n): y[i] = x[i] cos - x[i + n / 2] sin, y[i + n / 2] = x[i + n / 2] cos +
    x[i] sin; with `interleaved` the pairs are (2 i, 2 i + 1). A `fraction` turns the first
    n = fraction * D elements alone, as in GPT-NeoX and Phi.
    """

    theta: float = param(Float(min=1, max=1e9), "base of the angles", 10000.0)
    interleaved: bool = param(Bool(), "whether a pair is two neighbours", False)
    fraction: float = param(Float(above=0, max=1), "how much of the last axis turns", 1.0)

    samples = (
        Sample({}, ((5, 8),)),
        Sample({"theta": 100.0, "interleaved": True}, (("T", 6),)),
        Sample({"fraction": 0.25}, ((2, "T", 16),)),
        Sample({"fraction": 0.5, "interleaved": True}, ((2, 5, 8),)),
    )

    def turned(self, x: TensorType) -> int:
        """How many elements turn."""
        size = known_dim(x.shape[-1], "the number of features")
        return size if self.fraction == 1 else round(self.fraction * size)

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., T, D] -> the same."""
        (x,) = inputs
        require_float(x)
        _check_sequence(x)
        count = self.turned(x)
        if count % 2 or not count:
            raise Refusal(f"turns pairs, and {count} of {x} would turn", setting="fraction")
        return retype(x, x.shape, kind="sequence" if x.rank == 2 else "")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Three for every element."""
        return 3 * product(inputs[0].shape)


class RelativeBias(
    Layer,
    name="relative_bias",
    aliases=("relative_attention_bias", "t5_bias", "bucketed_bias"),
):
    """A learned number for each head and distance of two positions (Raffel et al. 2020).

    y[h, t, s] = weight[bucket(s - t), h], for the scores of `self_attention` and `attention`: of
    [T, D], or of queries [T, D] and keys [S, E]. Half of the `buckets` are for one distance each,
    the others for more and more, in steps of equal factors, up to `distance` and beyond. Those
    before and those after a position have half of all buckets each; with `causal` those after
    count as none.
    """

    heads: int = param(COUNT, "number of heads")
    buckets: int = param(Int(min=4, max=65536), "number of groups", 32)
    distance: int = param(COUNT, "the distance from which all are one group", 128)
    causal: bool = param(Bool(), "whether only positions before are told apart", False)
    init: Initializer = param(Made("initializer"), "how the numbers start", _SMALL)

    inputs = (1, 2)
    samples = (
        Sample({"heads": 2, "buckets": 8, "distance": 16}, ((7, 4),)),
        Sample({"heads": 3, "buckets": 6, "distance": 9, "causal": True}, (("T", 4),)),
        Sample({"heads": 2, "buckets": 8, "distance": 20}, ((30, 4), ("S", 3))),
        Sample({"heads": 4}, ((5, 8),)),
    )

    def check(self) -> None:
        """Refuses buckets that can't be shared out, and a distance that they reach anyway."""
        if not self.causal and self.buckets % 2:
            raise Refusal("halves the buckets for before and after", setting="buckets")
        if self.distance <= self.edges()[0]:
            raise Refusal(f"is above {self.edges()[0]}", setting="distance")

    def edges(self) -> tuple[int, int]:
        """How many buckets have one distance each, and how many there are in a direction."""
        count = self.buckets if self.causal else self.buckets // 2
        return count // 2, count

    def infer(self, *inputs: TensorType) -> TensorType:
        """[T, D], or [T, D] and [S, E] -> [heads, T, S]."""
        for x in inputs:
            require_float(x)
            require_batch(x)
            if x.rank != 2:
                raise Refusal(f"takes sequences [T, D], and got {x}")
        shape = (known_dim(self.heads, "`heads`"), inputs[0].shape[0], inputs[-1].shape[0])
        return TensorType("float", shape)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (buckets, heads)."""
        heads = known_dim(self.heads, "`heads`")
        table = Weight((self.buckets, heads), self.init, fan_in=heads, fan_out=heads, decay=False)
        return {"weight": table}

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every number."""
        return product(outputs[0].shape)


class SinusoidalPositions2d(
    Layer, name="sinusoidal_positions_2d", aliases=("sinusoidal_2d", "positional_encoding_2d")
):
    """Adds fixed sines and cosines to each place of a map (Parmar et al. 2018, He et al. 2021).

    The first half of the features gets those of the row, the second those of the column, each as
    `sinusoidal_positions` has them: y[h, w, 2 i] = x[h, w, 2 i] + sin(h * theta ** (-4 i / D)).
    """

    theta: float = param(Float(min=1, max=1e9), "base of the wavelengths", 10000.0)

    samples = (
        Sample({}, ((4, 3, 8),)),
        Sample({"theta": 100.0}, ((2, "T", 12),)),
        Sample({}, ((5, 4, 3, 4),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., H, W, D] -> the same; D is a multiple of four."""
        (x,) = inputs
        require_float(x)
        if x.rank < 3:
            raise Refusal(f"takes a map with features last, like [H, W, D], and got {x}")
        if x.kind == "channels_first":
            raise Refusal(
                f"takes features last, and got {x} with channels first",
                help='move them: `rearrange("c h w -> h w c")`',
            )
        if known_dim(x.shape[-1], "the number of features") % 4:
            raise Refusal(f"takes a multiple of four features, and got {x}")
        return retype(x, x.shape, kind="sequence")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)


class Sinusoid(
    Layer, name="sinusoid", aliases=("time_embedding", "timestep_embedding", "sinusoidal_embedding")
):
    """Turns a number into sines and cosines of it: [...] -> [..., dim].

    y = sin(x * w[i]), then cos(x * w[i]), with w[i] = theta ** (-2 * i / dim).

    The first half is sin(x * theta ** (-2 i / dim)), the second the cosine (Ho et al. 2020).
    """

    dim: int = param(Int(min=2, max=2**31 - 2), "size of the vector; even")
    theta: float = param(Float(min=1, max=1e9), "base of the wavelengths", 10000.0)

    samples = (
        Sample({"dim": 8}, (("int:1000",),)),
        Sample({"dim": 6, "theta": 100.0}, ((3,),)),
    )

    def check(self) -> None:
        """Refuses an odd size."""
        if isinstance(self.dim, int) and self.dim % 2:
            raise Refusal(f"has to be even, and is {int(self.dim)}", setting="dim")

    def infer(self, *inputs: TensorType) -> TensorType:
        """[...] -> float[..., dim]."""
        (x,) = inputs
        if x.dtype == "bool":
            raise Refusal(f"takes numbers, and got {x}")
        known_dim(self.dim, "`dim`")
        return TensorType("float", (*x.shape, self.dim), x.batched, x.ragged)

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Two for every output."""
        return 2 * product(outputs[0].shape)
