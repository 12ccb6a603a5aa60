"""L-BFGS with a line search, over the weights of a Keras model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Point:
    """A place on a line of weights: how far along, its loss, and how that changes."""

    length: float
    loss: float
    gradient: np.ndarray
    slope: float

    def meet(self, other: "Point", low: float, high: float) -> float:
        """Return where the cubic through both is least, between two bounds."""
        first, second = sorted((self, other), key=lambda point: point.length)
        width = second.length - first.length
        if width == 0:
            return (low + high) / 2
        rise = first.slope + second.slope - 3 * (second.loss - first.loss) / width
        square = rise * rise - first.slope * second.slope
        if not square >= 0:
            return (low + high) / 2
        root = float(np.sqrt(square))
        share = (second.slope + root - rise) / (second.slope - first.slope + 2 * root)
        return min(max(second.length - width * share, low), high)


class LBFGS:
    """Steps by curvature (Liu & Nocedal 1989), as `torch.optim.LBFGS` computes them.

    Weights make up one vector, in the order of their names and the layout of
    weights.safetensors. An epoch has up to `iterations` steps, which end where the loss
    has fallen enough and is flat enough (strong Wolfe conditions).
    """

    FALL, FLAT = 1e-4, 0.9  # of the loss, as shares of the slope
    STILL, LEVEL = 1e-9, 1e-7  # steps and gradients of this size end an epoch

    def __init__(
        self,
        learning_rate: float,
        iterations: int,
        history: int,
        places: Mapping[str, Any],
    ) -> None:
        self.rate = learning_rate
        self.steps_per_epoch = iterations
        self.history = history
        ordered = (places[name] for name in sorted(places))
        self.places = [place for place in ordered if place.variable.trainable]
        self.shapes = [place.store().shape for place in self.places]
        self.count = 0
        self.length = 0.0
        self.diagonal = 1.0
        self.direction = self.gradient = self.vector(
            place.store() for place in self.places
        )
        self.changes: list[np.ndarray] = []  # of gradients
        self.steps: list[np.ndarray] = []

    def vector(self, arrays: Any) -> np.ndarray:
        """Return arrays as one vector."""
        return np.concatenate([array.reshape(-1) for array in arrays])

    def place_weights(self, vector: np.ndarray) -> None:
        """Set the weights of the model."""
        start = 0
        for place, shape in zip(self.places, self.shapes, strict=True):
            end = start + int(np.prod(shape))
            place.restore(vector[start:end].reshape(shape))
            start = end

    def minimize(
        self, evaluate: Callable[[], tuple[Any, list[Any]]], variables: Any
    ) -> Any:
        """Make the steps of an epoch; return the loss before them.

        `evaluate` gives the loss and its gradients for the weights as they are.
        """

        def measure() -> tuple[Any, np.ndarray]:
            loss, gradients = evaluate()
            found = {id(v): g for v, g in zip(variables, gradients, strict=True)}
            turned = (
                replace(place, variable=tf.convert_to_tensor(found[id(place.variable)]))
                for place in self.places
            )
            return loss, self.vector(place.store() for place in turned)

        before, gradient = measure()
        loss, left = float(before), self.steps_per_epoch * 5 // 4 - 1
        for _ in range(self.steps_per_epoch):
            if np.abs(gradient).max() <= self.LEVEL:
                break
            last, slope = loss, self.turn(gradient)
            if slope > -self.STILL:
                break
            weights = self.vector(place.store() for place in self.places)

            def probe(length: float, weights: np.ndarray = weights) -> Point:
                self.place_weights(
                    weights + weights.dtype.type(length) * self.direction
                )
                loss, gradient = measure()
                slope = float(gradient @ self.direction)
                return Point(length, float(loss), gradient, slope)

            found, used = self.search(probe, Point(0.0, loss, gradient, slope), left)
            self.length, loss, gradient = found.length, found.loss, found.gradient
            step = weights.dtype.type(self.length) * self.direction
            self.place_weights(weights + step)
            left -= used
            if (
                left <= 0
                or np.abs(step).max() <= self.STILL
                or abs(loss - last) < self.STILL
            ):
                break
        return before

    def turn(self, gradient: np.ndarray) -> float:
        """Set the direction of the next step; return the slope of the loss along it."""
        self.count += 1
        if self.count == 1:
            self.direction = -gradient
            self.length = min(1.0, 1.0 / float(np.abs(gradient).sum())) * self.rate
        else:
            change, step = gradient - self.gradient, self.direction * self.length
            curvature = float(change @ step)
            if curvature > 1e-10:
                self.changes = [*self.changes, change][-self.history :]
                self.steps = [*self.steps, step.astype(change.dtype)][-self.history :]
                self.diagonal = curvature / float(change @ change)
            self.direction = self.curved(-gradient)
            self.length = self.rate
        self.gradient = gradient
        return float(gradient @ self.direction)

    def curved(self, vector: np.ndarray) -> np.ndarray:
        """Return the vector times the inverse Hessian (Nocedal & Wright, 7.4)."""
        pairs = list(zip(self.changes, self.steps, strict=True))
        shares = []
        for change, step in reversed(pairs):
            shares.append(float(step @ vector) / float(change @ step))
            vector = vector - vector.dtype.type(shares[-1]) * change
        vector = vector * vector.dtype.type(self.diagonal)
        for (change, step), share in zip(pairs, reversed(shares), strict=True):
            more = share - float(change @ vector) / float(change @ step)
            vector = vector + vector.dtype.type(more) * step
        return vector

    def search(
        self, probe: Callable[[float], Point], start: Point, most: int
    ) -> tuple[Point, int]:
        """Return a point that both conditions hold for, and how many were tried."""
        last, point, tried = start, probe(self.length), 0
        while tried < most:  # until the ends have a minimum between them
            if self.high(start, point) or (tried > 1 and point.loss >= last.loss):
                break
            if self.flat(start, point):
                return point, tried + 1
            if point.slope >= 0:
                break
            near = point.length + 0.01 * (point.length - last.length)
            length = last.meet(point, near, 10 * point.length)
            last, point, tried = point, probe(length), tried + 1
        ends = [start if tried == most else last, point]
        return self.narrow(probe, start, ends, tried, most)

    def narrow(
        self,
        probe: Callable[[float], Point],
        start: Point,
        ends: list[Point],
        tried: int,
        most: int,
    ) -> tuple[Point, int]:
        """Move two ends towards a minimum between them; return as `search` does."""
        size = float(np.abs(self.direction).max())
        slow = False
        low = 0 if ends[0].loss <= ends[1].loss else 1
        while tried < most:
            near, far = sorted(end.length for end in ends)
            if (far - near) * size < self.STILL:
                break
            length, slow = self.between(ends, near, far, slow)
            point, tried = probe(length), tried + 1
            if self.high(start, point) or point.loss >= ends[low].loss:
                ends[1 - low] = point
                low = 0 if ends[0].loss <= ends[1].loss else 1
                continue
            if self.flat(start, point):
                return point, tried + 1
            if point.slope * (ends[1 - low].length - ends[low].length) >= 0:
                ends[1 - low] = ends[low]
            ends[low] = point
        return ends[low], tried + 1

    def between(
        self, ends: list[Point], near: float, far: float, slow: bool
    ) -> tuple[float, bool]:
        """Return where to try next, and whether that is close to an end.

        Twice in a row it is not: then a tenth of the way from that end is tried.
        """
        length = ends[0].meet(ends[1], near, far)
        margin = 0.1 * (far - near)
        close = min(far - length, length - near) < margin
        if close and (slow or length >= far or length <= near):
            nearer = abs(length - far) < abs(length - near)
            return (far - margin if nearer else near + margin), False
        return length, close

    def high(self, start: Point, point: Point) -> bool:
        """Whether the loss has fallen too little."""
        return point.loss > start.loss + self.FALL * point.length * start.slope

    def flat(self, start: Point, point: Point) -> bool:
        """Whether the loss falls no longer as it did."""
        return abs(point.slope) <= -self.FLAT * start.slope

    def state(self) -> dict[str, np.ndarray]:
        """What is remembered from one epoch to the next."""
        kind = self.gradient.dtype
        return {
            "n_iter": np.array(self.count),
            "t": np.array(self.length, kind),
            "H_diag": np.array(self.diagonal, kind),
            "d": self.direction,
            "prev_flat_grad": self.gradient,
            "old_dirs": np.array(self.changes, kind).reshape(-1, len(self.gradient)),
            "old_stps": np.array(self.steps, kind).reshape(-1, len(self.gradient)),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what was remembered."""
        self.count = int(state["n_iter"])
        self.length, self.diagonal = float(state["t"]), float(state["H_diag"])
        self.direction, self.gradient = state["d"], state["prev_flat_grad"]
        # Each an array of its own: sums depend on where in memory their terms begin.
        self.changes = [vector.copy() for vector in state["old_dirs"]]
        self.steps = [vector.copy() for vector in state["old_stps"]]
