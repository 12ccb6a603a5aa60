"""What a graph in the making can do: attention."""

from __future__ import annotations

from onnx import TensorProto

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

    def rotate_by(
        self,
        x: str,
        heads: int,
        rates: list[float],
        name: str,
        gain: float = 1.0,
        **attributes: int,
    ) -> str:
        """Turn pairs in each head by a rate for each times the position."""
        steps = self.places(x, 1, name=f"{name}.steps")
        waves = list(self.waves(steps, rates, name=f"{name}.waves"))
        if gain != 1.0:
            factor = self.number(gain, name=f"{name}.gain")
            waves = [self.add("Mul", w, factor, name=f"{w}.gained") for w in waves]
        sine, cosine = waves
        tables = [self.repeat(wave, x, name=f"{wave}.table") for wave in (cosine, sine)]
        return self.add(
            "RotaryEmbedding", x, *tables, name=name, num_heads=heads, **attributes
        )

    def norm_heads(
        self, x: str, heads: int, size: int, epsilon: float, name: str
    ) -> str:
        """Divide each head by its root mean square; scale."""
        weight = self.weight(f"{name}.weight", size)
        split = self.reshape(x, [0, 0, heads, size], name=f"{name}.heads")
        settings = {"axis": -1, "epsilon": epsilon}
        normed = self.add(
            "RMSNormalization", split, weight, name=f"{name}.normed", **settings
        )
        return self.reshape(normed, [0, 0, heads * size], name=name)

    def dense_chosen(
        self, x: str, shape: tuple[int, int], bias: bool, name: str
    ) -> str:
        """A projection of the last axis, with a bias or without."""
        if bias:
            return self.dense_last(x, shape, name=name)
        return self.dense_last_without_bias(x, shape, name=name)

    def split_heads(self, x: str, heads: int, order: list[int], name: str) -> str:
        """Give each head an axis; (B, T, heads, size) are then put in that order."""
        split = self.reshape(x, [0, 0, heads, -1], name=f"{name}.split")
        return self.add("Transpose", split, name=name, perm=order)

    def join_heads(self, x: str, name: str) -> str:
        """Put heads beside each other: (B, heads, T, size) -> (B, T, width)."""
        turned = self.add("Transpose", x, name=f"{name}.turned", perm=[0, 2, 1, 3])
        return self.reshape(turned, [0, 0, -1], name=name)

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

    def bucketed_bias(
        self,
        query: str,
        key: str,
        heads: int,
        buckets: int,
        distance: int,
        name: str,
        causal: bool = False,
    ) -> str:
        """A learned number for each head and grouped distance: (B, heads, T, S)."""
        table = self.weight(f"{name}.weight", buckets, heads)
        before = self.apart(query, key, name=f"{name}.before")
        count = buckets if causal else buckets // 2
        none = self.number(0.0, name=f"{name}.none")
        if causal:
            far = self.add("Max", before, none, name=f"{name}.far")
        else:
            far = self.add("Abs", before, name=f"{name}.far")
        numbers = [float(edge) for edge in self.bucket_edges(count, distance)]
        edges = self.add("Constant", name=f"{name}.edges", value_floats=numbers)
        wide = self.widen(far, [-1], name=f"{name}.wide")
        passed = self.add("GreaterOrEqual", wide, edges, name=f"{name}.passed")
        ones = self.add("Cast", passed, name=f"{name}.ones", to=TensorProto.INT64)
        places = self.reduce("ReduceSum", ones, [-1], name=f"{name}.places")
        if not causal:
            later = self.add("Less", before, none, name=f"{name}.later")
            half = self.add("Constant", name=f"{name}.half", value_int=count)
            one = self.add("Cast", later, name=f"{name}.one", to=TensorProto.INT64)
            moved = self.add("Mul", one, half, name=f"{name}.moved")
            places = self.add("Add", places, moved, name=f"{name}.all")
        taken = self.add("Gather", table, places, name=f"{name}.taken")
        bias = self.add("Transpose", taken, name=f"{name}.heads", perm=[2, 0, 1])
        return self.repeat(bias, query, name=name)

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

    def see_earlier(self, query: str, key: str, name: str) -> str:
        """Say which keys come no later than a query: (T, S)."""
        apart = self.apart(query, key, name=f"{name}.apart")
        none = self.number(0.0, name=f"{name}.none")
        return self.add("GreaterOrEqual", apart, none, name=name)

    def see_near(self, query: str, key: str, window: int, name: str) -> str:
        """Say which keys are less than so many places from a query: (T, S)."""
        apart = self.apart(query, key, name=f"{name}.apart")
        distance = self.add("Abs", apart, name=f"{name}.distance")
        bound = self.number(float(window), name=f"{name}.window")
        return self.add("Less", distance, bound, name=name)

    def see_recent(self, query: str, key: str, window: int, name: str) -> str:
        """Say which keys come less than so many places before a query: (T, S)."""
        apart = self.apart(query, key, name=f"{name}.apart")
        none = self.number(0.0, name=f"{name}.none")
        bound = self.number(float(window), name=f"{name}.window")
        earlier = self.add("GreaterOrEqual", apart, none, name=f"{name}.earlier")
        near = self.add("Less", apart, bound, name=f"{name}.near")
        return self.add("And", near, earlier, name=name)

    def apart(self, query: str, key: str, name: str) -> str:
        """How many places a key comes before a query: (T, S)."""
        asked = self.places(query, -2, name=f"{name}.asked")
        held = self.places(key, -2, name=f"{name}.held")
        rows = self.widen(asked, [1], name=f"{name}.rows")
        return self.add("Sub", rows, held, name=name)

    def attend(
        self,
        query: str,
        turned: str,
        value: str,
        scale: float,
        name: str,
        cap: float | None = None,
        bias: str | None = None,
        seen: str | None = None,
    ) -> str:
        """Attention to keys that are columns; a query that sees nothing takes nothing.

        Scores are bent into (-cap, cap) before anything is added.
        """
        scores = self.add("MatMul", query, turned, name=f"{name}.products")
        factor = self.number(scale, name=f"{name}.scale")
        scores = self.add("Mul", scores, factor, name=f"{name}.scores")
        if cap is not None:
            most = self.number(cap, name=f"{name}.cap")
            share = self.add("Div", scores, most, name=f"{name}.share")
            bent = self.add("Tanh", share, name=f"{name}.bent")
            scores = self.add("Mul", bent, most, name=f"{name}.capped")
        if bias is not None:
            scores = self.add("Add", scores, bias, name=f"{name}.biased")
        if seen is None:
            weights = self.add("Softmax", scores, name=f"{name}.weights", axis=-1)
            return self.add("MatMul", weights, value, name=name)
        least = self.number(-1e30, name=f"{name}.least")  # below any bias
        scores = self.add("Where", seen, scores, least, name=f"{name}.shown")
        weights = self.add("Softmax", scores, name=f"{name}.soft", axis=-1)
        none = self.number(0.0, name=f"{name}.none")
        weights = self.add("Where", seen, weights, none, name=f"{name}.weights")
        return self.add("MatMul", weights, value, name=name)

    def turn(
        self, a: str, b: str, waves: tuple[str, str], name: str
    ) -> tuple[str, str]:
        """Turn pairs by angles whose sines and cosines are given."""
        sine, cosine = waves
        turned = []
        for word, x, y, sign in (("a", a, b, "Sub"), ("b", b, a, "Add")):
            kept = self.add("Mul", x, cosine, name=f"{name}.{word}.kept")
            other = self.add("Mul", y, sine, name=f"{name}.{word}.other")
            turned.append(self.add(sign, kept, other, name=f"{name}.{word}"))
        return turned[0], turned[1]

    def rotary_positions(
        self, x: str, sizes: list[int], theta: float, name: str
    ) -> str:
        """Turn pairs (i, i + size / 2) by angles that grow with the position."""
        steps = self.places(x, -2, name=f"{name}.steps")
        waves = self.sinusoids(steps, 2 * sizes[0], theta, name=f"{name}.waves")
        a, b, *rest = self.split(x, sizes, name=f"{name}.parts", axis=-1)
        turned = self.turn(a, b, waves, name=f"{name}.turned")
        return self.add("Concat", *turned, *rest, name=name, axis=-1)

    def rotary_neighbours(
        self, x: str, count: int, rest: int, theta: float, axes: int, name: str
    ) -> str:
        """Turn neighbours among the first elements, further with the position."""
        steps = self.places(x, -2, name=f"{name}.steps")
        waves = self.sinusoids(steps, count, theta, name=f"{name}.waves")
        sizes = [count, rest] if rest else [count]
        first, *others = self.split(x, sizes, name=f"{name}.parts", axis=-1)
        shape = [*[0] * axes, count // 2, 2]
        pairs = self.reshape(first, shape, name=f"{name}.pairs")
        a, b = (
            self.pick(pairs, place, name=f"{name}.{word}", axis=-1)
            for place, word in ((0, "even"), (1, "odd"))
        )
        turned = self.turn(a, b, waves, name=f"{name}.turned")
        wide = [
            self.widen(part, [-1], name=f"{name}.wide{place}")
            for place, part in enumerate(turned)
        ]
        beside = self.add("Concat", *wide, name=f"{name}.beside", axis=-1)
        flat = self.reshape(beside, [*[0] * axes, count], name=f"{name}.flat")
        return self.add("Concat", flat, *others, name=name, axis=-1)
