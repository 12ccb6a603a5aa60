"""Vectors for ids and for positions in Keras."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Module, Site, Support, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Call, Expr, call, lit, name
from bmc.ops import embedding as ops
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import lower
from bmc_keras.weights import At

TABLE = {"weight": At("embeddings", (0, 1))}
NO_START = Unsupported("this start is not lowered yet")
PADDED = Support(
    "PaddedEmbedding",
    '''\
class PaddedEmbedding(layers.Embedding):
    """An embedding whose vector of one id starts as zero and never changes."""

    def __init__(self, *args, pad: int, **settings):
        super().__init__(*args, **settings)
        self.pad = pad

    def build(self, input_shape=None):
        super().build(input_shape)
        row = ops.zeros((1, self.output_dim))
        self.embeddings.assign(ops.slice_update(self.embeddings, (self.pad, 0), row))

    def call(self, inputs):
        vectors = super().call(inputs)
        padding = ops.expand_dims(inputs == self.pad, -1)
        return ops.where(padding, ops.stop_gradient(vectors), vectors)
''',
    ("layers", "ops"),
)
LEARNED = Support(
    "LearnedPositions",
    '''\
class LearnedPositions(layers.Layer):
    """Add a learned vector to each position: (..., T, width) -> (..., T, width)."""

    def __init__(self, count: int, embeddings_initializer, name: str):
        super().__init__(name=name)
        self.count = count
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            shape=(self.count, input_shape[-1]),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    def call(self, x):
        return self.embeddings[: ops.shape(x)[-2]] + x

    def compute_output_shape(self, input_shape):
        return input_shape
''',
    ("keras", "layers", "ops"),
)
SINUSOIDS = Support(
    "sinusoids",
    '''\
def sinusoids(x, size: int, theta: float):
    """Return sine and cosine of x * theta ** (-2 i / size), on a new last axis."""
    rates = theta ** (-np.arange(0, size, 2) / size)
    wide = keras.backend.result_type(x.dtype, "float32")  # half would mix up positions
    rates = ops.convert_to_tensor(rates, dtype=wide)
    angles = ops.expand_dims(ops.cast(x, wide), -1) * rates
    return ops.cast(ops.sin(angles), x.dtype), ops.cast(ops.cos(angles), x.dtype)
''',
    ("keras", "np", "ops"),
)
SINUSOIDAL = Support(
    "SinusoidalPositions",
    '''\
class SinusoidalPositions(layers.Layer):
    """Add sines and cosines to each position: (..., T, width) -> (..., T, width)."""

    def __init__(self, theta: float, name: str):
        super().__init__(name=name)
        self.theta = theta

    def call(self, x):
        wide = keras.backend.result_type(x.dtype, "float32")
        steps = ops.arange(ops.shape(x)[-2], dtype=wide)
        waves = sinusoids(steps, x.shape[-1], self.theta)
        table = ops.reshape(ops.stack(waves, axis=-1), (-1, x.shape[-1]))
        return ops.cast(table, x.dtype) + x

    def compute_output_shape(self, input_shape):
        return input_shape
''',
    ("keras", "layers", "ops"),
)


SINUSOIDAL_2D = Support(
    "SinusoidalPositions2D",
    '''\
class SinusoidalPositions2D(layers.Layer):
    """Add sines and cosines of rows and of columns: (..., H, W, width) -> the same."""

    def __init__(self, theta: float, name: str):
        super().__init__(name=name)
        self.theta = theta

    def call(self, x):
        wide = keras.backend.result_type(x.dtype, "float32")
        left, right = ops.split(x, 2, axis=-1)
        tables = []
        for axis in (-3, -2):
            steps = ops.arange(ops.shape(x)[axis], dtype=wide)
            waves = sinusoids(steps, x.shape[-1] // 2, self.theta)
            table = ops.reshape(ops.stack(waves, axis=-1), (-1, x.shape[-1] // 2))
            tables.append(ops.cast(table, x.dtype))
        rows, columns = tables
        rows = ops.expand_dims(rows, 1)
        return ops.concatenate((rows + left, columns + right), axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape
''',
    ("keras", "layers", "ops"),
)


@lower(ops.Embedding)
def embedding(op: ops.Embedding, site: Site) -> Lowered:
    """`layers.Embedding`."""
    start = initializer(op.init)
    if start is None:
        return NO_START
    settings: dict[str, Any] = {"embeddings_initializer": start}
    kind, helper = "layers.Embedding", "embedding"
    if op.pad is not None:
        kind, helper = "PaddedEmbedding", "padded_embedding"
        settings["pad"] = op.pad
    elif site.lends:
        kind, helper = "layers.ReversibleEmbedding", "reversible_embedding"
    return Module(
        Call(name(kind), (lit(op.count), lit(op.dim)), keywords(settings)),
        helper=helper,
        positional=("count", "dim"),
        support=() if op.pad is None else (PADDED,),
        weights=TABLE,
    )


@lower(ops.LearnedPositions)
def learned_positions(op: ops.LearnedPositions, site: Site) -> Lowered:
    """A small layer that holds the table."""
    (x,) = site.inputs
    start = initializer(op.init)
    if start is None:
        return NO_START
    settings = keywords({"embeddings_initializer": start})
    made = Call(name("LearnedPositions"), (lit(op.count(x)),), settings)
    return Module(
        made,
        helper="learned_positions",
        positional=("count",),
        support=(LEARNED,),
        weights=TABLE,
    )


@lower(ops.SinusoidalPositions)
def sinusoidal_positions(op: ops.SinusoidalPositions, site: Site) -> Lowered:
    """A small layer, since the number of positions may be free."""
    return Module(call("SinusoidalPositions", op.theta), support=(SINUSOIDS, SINUSOIDAL))


@lower(ops.SinusoidalPositions2d)
def sinusoidal_positions_2d(op: ops.SinusoidalPositions2d, site: Site) -> Lowered:
    """A small layer, since the size of the map may be free."""
    return Module(call("SinusoidalPositions2D", op.theta), support=(SINUSOIDS, SINUSOIDAL_2D))


@lower(ops.Sinusoid)
def sinusoid(op: ops.Sinusoid, site: Site) -> Lowered:
    """Sines, then cosines."""
    whole = site.inputs[0].dtype == "int"

    def build(args: list[Expr]) -> Expr:
        x = call("ops.cast", args[0], call("keras.config.floatx")) if whole else args[0]
        return call("ops.concatenate", call("sinusoids", x, op.dim, op.theta), axis=-1)

    return Function(build, (SINUSOIDS,))
