"""Position schemes that attention takes as its `positions` setting."""

from __future__ import annotations

from bmc.ops.base import Positions, param
from bmc.ops.kinds import Bool, Float, Int, Refusal


class Rope(Positions, name="rope", aliases=("rotary", "rotary_embedding")):
    """Rotary positions: queries and keys are turned by an angle that grows with the position.

    Pair i of a head of size d at position t turns by t * theta ** (-2 i / d). A pair is
    (i, i + d / 2), the half-rotated layout of Llama checkpoints on the Hugging Face hub; with
    `interleaved` it is (2 i, 2 i + 1), the layout of the paper (Su et al. 2021).
    """

    theta: float = param(Float(min=1, max=1e9), "base of the angles", 10000.0)
    interleaved: bool = param(Bool(), "whether a pair is two neighbours", False)


class Alibi(Positions, name="alibi"):
    """Attention with linear biases (Press et al. 2022).

    Head h of H adds -2 ** (-8 (h + 1) / H) * |i - j| to the score of query i and key j.
    """


class Relative2d(Positions, name="relative_2d", aliases=("relative_position_bias",)):
    """A learned bias for each offset of two positions of a square window (Liu et al. 2021).

    The positions are those of the window row by row; the table has (2 * window - 1) ** 2 rows,
    one number for each head.
    """

    window: int = param(Int(min=1, max=1024), "height and width of the window")


class ShiftedWindows(Positions, name="shifted_windows"):
    """Hides positions that only a cyclic shift brought into one window (Liu et al. 2021).

    For attention's `mask` setting, on an input [windows, window * window, D] cut from a map of
    height by width after it was rolled by `shift`; the windows go row by row.
    """

    height: int = param(Int(min=1, max=65535), "height of the map")
    width: int = param(Int(min=1, max=65535), "width of the map")
    window: int = param(Int(min=1, max=1024), "height and width of a window")
    shift: int = param(Int(min=0, max=1024), "by how much the map was rolled")

    def check(self) -> None:
        """Refuses windows that do not fill the map, and a shift beyond one."""
        for size in (self.height, self.width):
            if isinstance(size, int) and size % self.window:
                raise Refusal(
                    f"can't fill {int(size)} with windows of {int(self.window)}", setting="window"
                )
        if self.shift >= self.window:
            raise Refusal("stays below the window", setting="shift")
