"""What a graph in the making can do: sequences of classes."""

from __future__ import annotations

from bmc_onnx.parts.graph import Graph


class Sequences(Graph):
    """Methods of a graph."""

    def ctc_greedy(self, x: str, blank: int, name: str) -> str:
        """Read what frames spell, filled up with blanks: (B, T, C) -> (B, T)."""
        best = self.add("ArgMax", x, name=f"{name}.best", axis=-1, keepdims=0)
        none = self.add("Constant", name=f"{name}.blank", value_int=blank)
        before = self.pad(
            best, [0, 1, 0, -1], none, name=f"{name}.before", mode="constant"
        )
        same = self.add("Equal", best, before, name=f"{name}.same")
        empty = self.add("Equal", best, none, name=f"{name}.empty")
        dropped = self.add("Or", same, empty, name=f"{name}.dropped")
        places = self.places(best, 1, name=f"{name}.places")
        count = self.add("Shape", best, name=f"{name}.count", start=1, end=2)
        end = self.add("CastLike", count, places, name=f"{name}.end")
        later = self.add("Add", places, end, name=f"{name}.later")
        keys = self.add("Where", dropped, later, places, name=f"{name}.keys")
        ends = [f"{name}.sorted", f"{name}.order"]
        _, order = self.add_several("TopK", keys, count, names=ends, axis=1, largest=0)
        left = self.add("Where", dropped, none, best, name=f"{name}.left")
        return self.add("GatherElements", left, order, name=name, axis=1)
