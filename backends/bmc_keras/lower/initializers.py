"""Initialisers in Keras: a word where the word says it all, else an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.pyexpr import Bin, Expr, Un, call, lit
from bmc.ops import initializers as ops
from bmc.ops.base import Initializer, Weight


def initializer(init: Initializer) -> Expr | None:
    """The value of `kernel_initializer`; None if there is none."""
    rule = RULES.get(type(init))
    return rule(init) if rule else None


def explicit(init: Initializer, weight: Weight) -> Expr | None:
    """The limits or the deviation written out, for kernels whose fans Keras counts in another way.

    None where an initialiser does not depend on fans.
    """
    fan_in: Any = weight.fan_in
    fan_out: Any = weight.fan_out
    if isinstance(init, ops.GlorotUniform | ops.GlorotNormal):
        count = fan_in + fan_out
        scale, uniform = 2 * init.gain**2, isinstance(init, ops.GlorotUniform)
    elif isinstance(init, ops.HeUniform | ops.HeNormal | ops.LecunNormal):
        count, uniform = fan_in, isinstance(init, ops.HeUniform)
        scale = 1 if isinstance(init, ops.LecunNormal) else 2
    else:
        return None
    root = call("math.sqrt", Bin("/", lit(scale * 3 if uniform else scale), lit(count)))
    if uniform:
        return call("keras.initializers.RandomUniform", Un("-", root), root)
    return call("keras.initializers.RandomNormal", stddev=root)


def _scaled(scale: Any, mode: str, distribution: str) -> Expr:
    return call(
        "keras.initializers.VarianceScaling", scale=scale, mode=mode, distribution=distribution
    )


def _glorot(word: str, distribution: str) -> Callable[[Any], Expr]:
    def rule(init: Any) -> Expr:
        if init.gain == 1 and distribution == "uniform":
            return lit(word)
        return _scaled(init.gain**2, "fan_avg", distribution)

    return rule


RULES: dict[type[Initializer], Callable[[Any], Expr]] = {
    ops.Zeros: lambda init: lit("zeros"),
    ops.Ones: lambda init: lit("ones"),
    ops.Constant: lambda init: call("keras.initializers.Constant", init.value),
    ops.Normal: lambda init: call(
        "keras.initializers.RandomNormal", mean=init.mean, stddev=init.std
    ),
    ops.TruncatedNormal: lambda init: call(
        "keras.initializers.TruncatedNormal", mean=init.mean, stddev=init.std
    ),
    ops.Uniform: lambda init: call(
        "keras.initializers.RandomUniform", minval=init.low, maxval=init.high
    ),
    ops.GlorotUniform: _glorot("glorot_uniform", "uniform"),
    ops.GlorotNormal: _glorot("", "untruncated_normal"),
    ops.HeUniform: lambda init: lit("he_uniform"),
    ops.HeNormal: lambda init: _scaled(2.0, "fan_in", "untruncated_normal"),
    ops.LecunNormal: lambda init: _scaled(1.0, "fan_in", "untruncated_normal"),
    ops.Orthogonal: lambda init: call("keras.initializers.Orthogonal", gain=init.gain),
}
