"""Vectors for ids and for positions in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Module, Site, Support
from bmc.emit.pyexpr import Attr, Bin, Expr, Index, SliceExpr, call, lit, method
from bmc.ops import embedding as ops
from bmc_torch.lower.table import lower

SINUSOIDS = Support(
    "sinusoids",
    '''\
def sinusoids(x: Tensor, size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return sine and cosine of x * theta ** (-2 i / size), on a new last axis."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(0, size, 2, dtype=wide, device=x.device)
    angles = x.unsqueeze(-1).to(wide) * theta ** (-steps / size)
    return angles.sin().to(x.dtype), angles.cos().to(x.dtype)
''',
    ("Tensor", "torch"),
)


SINUSOIDAL_POSITIONS = Support(
    "sinusoidal_positions",
    '''\
def sinusoidal_positions(x: Tensor, theta: float) -> Tensor:
    """Return sines and cosines in turn for the steps of x: (..., T, D) -> (T, D)."""
    wide = torch.promote_types(x.dtype, torch.float32)
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    waves = torch.stack(sinusoids(steps, x.shape[-1], theta), dim=-1)
    return waves.flatten(-2).to(x.dtype)
''',
    ("Tensor", "torch"),
)
SINUSOIDAL_POSITIONS_2D = Support(
    "add_sinusoids_2d",
    '''\
def add_sinusoids_2d(x: Tensor, theta: float) -> Tensor:
    """Add sines and cosines of rows and of columns: (..., H, W, D) -> the same."""
    wide = torch.promote_types(x.dtype, torch.float32)
    halves = x.chunk(2, dim=-1)
    tables = []
    for dim in (-3, -2):
        steps = torch.arange(x.shape[dim], dtype=wide, device=x.device)
        waves = sinusoids(steps, x.shape[-1] // 2, theta)
        tables.append(torch.stack(waves, dim=-1).flatten(-2).to(x.dtype))
    rows, columns = tables
    return torch.cat((halves[0] + rows[:, None], halves[1] + columns), dim=-1)
''',
    ("Tensor", "torch"),
)


@lower(ops.Embedding)
def embedding(op: ops.Embedding, site: Site) -> Lowered:
    """`nn.Embedding`."""
    more: dict[str, Any] = {} if op.pad is None else {"padding_idx": op.pad}
    return Module(call("nn.Embedding", op.count, op.dim, **more))


@lower(ops.LearnedPositions)
def learned_positions(op: ops.LearnedPositions, site: Site) -> Lowered:
    """The first rows of an `nn.Embedding`, added."""
    (x,) = site.inputs
    count = op.count(x)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        table: Expr = Attr(layer, "weight")
        if x.shape[-2] != count:
            steps = Index(Attr(args[0], "shape"), (lit(-2),))
            table = Index(table, (SliceExpr(None, steps, None),))
        return Bin("+", args[0], table)

    return Module(call("nn.Embedding", count, x.shape[-1]), use)


@lower(ops.SinusoidalPositions)
def sinusoidal_positions(op: ops.SinusoidalPositions, site: Site) -> Lowered:
    """Sines and cosines in turn, added."""
    made = (SINUSOIDS, SINUSOIDAL_POSITIONS)
    return Function(lambda args: Bin("+", args[0], call(made[1].name, args[0], op.theta)), made)


@lower(ops.SinusoidalPositions2d)
def sinusoidal_positions_2d(op: ops.SinusoidalPositions2d, site: Site) -> Lowered:
    """Sines and cosines of rows and of columns, added."""
    made = (SINUSOIDS, SINUSOIDAL_POSITIONS_2D)
    return Function(lambda args: call(made[1].name, args[0], op.theta), made)


@lower(ops.Sinusoid)
def sinusoid(op: ops.Sinusoid, site: Site) -> Lowered:
    """Sines, then cosines."""
    whole = site.inputs[0].dtype == "int"

    def build(args: list[Expr]) -> Expr:
        x = method(args[0], "to", call("torch.get_default_dtype")) if whole else args[0]
        return call("torch.cat", call("sinusoids", x, op.dim, op.theta), dim=-1)

    return Function(build, (SINUSOIDS,))
