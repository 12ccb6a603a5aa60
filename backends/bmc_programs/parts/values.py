"""Functions of the model's outputs, as the frameworks have them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bmc_programs.parts.core import Array, Arrays


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), which never overflows."""
    share: Array = 0.5 * (1 + np.tanh(0.5 * x))
    return share


def log_sigmoid(x: Array) -> Array:
    """The logarithm of the sigmoid."""
    logarithm: Array = -np.logaddexp(0, -x)
    return logarithm


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), which never overflows."""
    smooth: Array = np.logaddexp(0, x)
    return smooth


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else a part of it."""
    leaking: Array = np.where(x >= 0, x, slope * x)
    return leaking


def elu(x: Array, alpha: float) -> Array:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    bent: Array = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return bent


def selu(x: Array) -> Array:
    """`elu` whose outputs keep mean and variance (Klambauer et al. 2017)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def silu(x: Array) -> Array:
    """x times its sigmoid."""
    return x * sigmoid(x)


def mish(x: Array) -> Array:
    """x times the hyperbolic tangent of its softplus (Misra 2019)."""
    smooth: Array = x * np.tanh(softplus(x))
    return smooth


def hard_sigmoid(x: Array) -> Array:
    """The sigmoid in three straight pieces."""
    pieces: Array = np.clip(x / 6 + 0.5, 0, 1)
    return pieces


def softsign(x: Array) -> Array:
    """x / (1 + |x|)"""
    bounded: Array = x / (1 + np.abs(x))
    return bounded


def gelu(x: Array) -> Array:
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016)."""
    root = math.sqrt(2)
    error = np.array([math.erf(value / root) for value in x.ravel()])
    weighted: Array = x * (0.5 * (1 + error.reshape(x.shape))).astype(x.dtype)
    return weighted


def gelu_tanh(x: Array) -> Array:
    """The usual approximation of `gelu`."""
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    weighted: Array = 0.5 * x * (1 + np.tanh(inner))
    return weighted


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def log_softmax(logits: Array) -> Array:
    """Logarithms of the probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    logarithms: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logarithms


def l2_normalize(x: Array, axis: int, epsilon: float) -> Array:
    """The direction of vectors along an axis."""
    length = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    direction: Array = x / np.maximum(length, epsilon)
    return direction


def class_columns(name: str, values: Array, classes: Sequence[str]) -> Arrays:
    """A column for each class, called after it, or after its number."""
    words = [*classes, *map(str, range(len(classes), values.shape[1]))]
    pairs = zip(words, values.T, strict=False)
    return {f"{name}_{word}": column for word, column in pairs}


def ctc_greedy(logits: Array, blank: int) -> Array:
    """What frames spell, filled up with blanks: (N, T, C) -> (N, T)."""
    best = logits.argmax(axis=-1)
    before = np.pad(best[:, :-1], [(0, 0), (1, 0)], constant_values=blank)
    kept = (best != blank) & (best != before)
    order = np.argsort(~kept, axis=1, kind="stable")
    found: Array = np.take_along_axis(np.where(kept, best, blank), order, axis=1)
    return found
