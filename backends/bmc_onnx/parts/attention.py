"""What a graph in the making can do: attention."""

from __future__ import annotations

from bmc_onnx.parts.graph import Graph


class Attention(Graph):
    """Methods of a graph."""

    def rotate(
        self, x: str, heads: int, size: int, theta: float, name: str, **attributes: int
    ) -> str:
        """Turn pairs in each head by angles that grow with the position."""
        steps = self.places(x, 1, name=f"{name}.steps")
        sine, cosine = self.sinusoids(steps, size, theta, name=f"{name}.waves")
        tables = [self.repeat(wave, x, name=f"{wave}.table") for wave in (cosine, sine)]
        return self.add(
            "RotaryEmbedding", x, *tables, name=name, num_heads=heads, **attributes
        )

    def alibi(self, x: str, heads: int, name: str) -> str:
        """Penalties for distance (Press et al. 2022): (1, heads, T, T)."""
        steps = self.places(x, 1, name=f"{name}.steps")
        rows = self.widen(steps, [1], name=f"{name}.rows")
        apart = self.add("Sub", rows, steps, name=f"{name}.apart")
        distance = self.add("Abs", apart, name=f"{name}.distance")
        numbers = [-(2.0 ** (-8.0 * head / heads)) for head in range(1, heads + 1)]
        flat = self.add("Constant", name=f"{name}.flat", value_floats=numbers)
        slopes = self.widen(flat, [0, 2, 3], name=f"{name}.slopes")
        return self.add("Mul", slopes, distance, name=name)

    def relative_bias(self, window: int, heads: int, name: str) -> str:
        """A learned number for each offset in a window: (1, heads, T, T)."""
        table = self.weight(f"{name}.weight", (2 * window - 1) ** 2, heads)
        places = [divmod(place, window) for place in range(window * window)]
        offsets = [
            (row - other_row + window - 1) * (2 * window - 1)
            + (column - other_column + window - 1)
            for row, column in places
            for other_row, other_column in places
        ]
        index = self.integers(offsets, name=f"{name}.index")
        taken = self.add("Gather", table, index, name=f"{name}.taken")
        count = len(places)
        square = self.reshape(taken, [1, count, count, heads], name=f"{name}.square")
        return self.add("Transpose", square, name=name, perm=[0, 3, 1, 2])

    def shifted_windows(
        self, x: str, height: int, width: int, window: int, shift: int, name: str
    ) -> str:
        """Hide what was no neighbour before the roll: (B * windows, 1, T, T)."""

        def area(place: int, size: int) -> int:
            return (place >= size - window) + (place >= size - shift)

        hidden = []
        for top in range(0, height, window):
            for left in range(0, width, window):
                areas = [
                    (area(top + row, height), area(left + column, width))
                    for row in range(window)
                    for column in range(window)
                ]
                hidden += [
                    float("-inf") if a != b else 0.0 for a in areas for b in areas
                ]
        count = window * window
        numbers = self.add("Constant", name=f"{name}.numbers", value_floats=hidden)
        square = self.reshape(numbers, [-1, 1, count, count], name=f"{name}.square")
        repeated = self.repeat(square, x, name=f"{name}.repeated")
        return self.reshape(repeated, [-1, 1, count, count], name=name)
