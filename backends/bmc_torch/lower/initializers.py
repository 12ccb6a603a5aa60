"""Initialisers as `nn.init` calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.pyexpr import Call, Expr, Index, Un, call, lit, method
from bmc.emit.values import unless
from bmc.ops import initializers as ops
from bmc.ops.base import Initializer, Weight
from bmc.types.symbolic import expression_of, product

Rule = Callable[[Expr, Any, Weight], Call]


def initialise(target: Expr, init: Initializer, weight: Weight) -> tuple[Call, ...]:
    """The calls that fill `target`, a parameter of that weight's shape; empty if there are none."""
    if isinstance(init, ops.ZeroRow):
        row = Index(target, (lit(init.row),))
        return (*initialise(target, init.others, weight), call("nn.init.zeros_", row))
    if isinstance(init, ops.ForgetGateOne):
        gate = Index(method(target, "chunk", 4), (lit(1),))
        return call("nn.init.zeros_", target), call("nn.init.ones_", gate)
    rule = RULES.get(type(init))
    return (rule(target, init, weight),) if rule else ()


def _within(target: Expr, bound: Any) -> Call:
    """Uniform on ±bound."""
    return call("nn.init.uniform_", target, Un("-", lit(bound)), bound)


def _as_torch_counts(weight: Weight) -> bool:
    """Whether PyTorch sees the same fans in a weight's shape as the declaration."""
    if len(weight.shape) < 2:
        return False
    area = product(weight.shape[2:])
    fans = (weight.shape[1] * area, weight.shape[0] * area)
    return (weight.fan_in, weight.fan_out) in (fans, (None, None))


def _fans(weight: Weight) -> tuple[Any, Any]:
    return (
        (1, *weight.shape)[-1] if weight.fan_in is None else weight.fan_in,
        (*weight.shape, 1)[0] if weight.fan_out is None else weight.fan_out,
    )


def _glorot_uniform(target: Expr, init: ops.GlorotUniform, weight: Weight) -> Call:
    if _as_torch_counts(weight):
        return call("nn.init.xavier_uniform_", target, **unless(1.0, gain=init.gain))
    fan_in, fan_out = _fans(weight)
    alike = expression_of(fan_in) == expression_of(fan_out)
    bound = ((3 / fan_in) if alike else 6 / (fan_in + fan_out)) ** 0.5
    return _within(target, bound if init.gain == 1 else init.gain * bound)


def _glorot_normal(target: Expr, init: ops.GlorotNormal, weight: Weight) -> Call:
    if _as_torch_counts(weight):
        return call("nn.init.xavier_normal_", target, **unless(1.0, gain=init.gain))
    std = init.gain * (2 / sum(_fans(weight))) ** 0.5
    return call("nn.init.normal_", target, mean=0.0, std=std)


def _he_uniform(target: Expr, init: ops.HeUniform, weight: Weight) -> Call:
    if _as_torch_counts(weight):
        return call("nn.init.kaiming_uniform_", target, nonlinearity="relu")
    return _within(target, (6 / _fans(weight)[0]) ** 0.5)


def _he_normal(target: Expr, init: ops.HeNormal, weight: Weight) -> Call:
    if _as_torch_counts(weight):
        return call("nn.init.kaiming_normal_", target, nonlinearity="relu")
    return call("nn.init.normal_", target, mean=0.0, std=(2 / _fans(weight)[0]) ** 0.5)


def _lecun_normal(target: Expr, init: ops.LecunNormal, weight: Weight) -> Call:
    if _as_torch_counts(weight):
        return call("nn.init.kaiming_normal_", target, nonlinearity="linear")
    return call("nn.init.normal_", target, mean=0.0, std=(1 / _fans(weight)[0]) ** 0.5)


def _truncated(target: Expr, init: ops.TruncatedNormal, weight: Weight) -> Call:
    low, high = init.mean - 2 * init.std, init.mean + 2 * init.std
    return call("nn.init.trunc_normal_", target, mean=init.mean, std=init.std, a=low, b=high)


RULES: dict[type[Initializer], Rule] = {
    ops.Zeros: lambda target, init, weight: call("nn.init.zeros_", target),
    ops.Ones: lambda target, init, weight: call("nn.init.ones_", target),
    ops.Constant: lambda target, init, weight: call("nn.init.constant_", target, init.value),
    ops.Normal: lambda target, init, weight: call(
        "nn.init.normal_", target, **unless(0.0, mean=init.mean), std=init.std
    ),
    ops.Uniform: lambda target, init, weight: call("nn.init.uniform_", target, init.low, init.high),
    ops.TruncatedNormal: _truncated,
    ops.GlorotUniform: _glorot_uniform,
    ops.GlorotNormal: _glorot_normal,
    ops.HeUniform: _he_uniform,
    ops.HeNormal: _he_normal,
    ops.LecunNormal: _lecun_normal,
    ops.Orthogonal: lambda target, init, weight: call(
        "nn.init.orthogonal_", target, **unless(1.0, gain=init.gain)
    ),
}
