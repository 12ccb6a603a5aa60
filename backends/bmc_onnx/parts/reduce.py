"""What a graph in the making can do: reductions."""

from __future__ import annotations

from bmc_onnx.parts.graph import Graph


class Reduce(Graph):
    """Methods of a graph."""

    def last_step(self, x: str, length: str, name: str) -> str:
        """Take the last step of data: (B, T, ...), (B,) -> (B, ...)."""
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        place = self.add("Sub", length, one, name=f"{name}.place")
        place = self.widen(place, [1], name=f"{name}.wide")
        return self.add("GatherND", x, place, name=name, batch_dims=1)
