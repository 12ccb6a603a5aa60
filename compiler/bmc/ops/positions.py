"""Position schemes that attention takes as its `positions` setting."""

from __future__ import annotations

import math

from bmc.ops.axes import COUNT, Optional
from bmc.ops.base import Positions, param
from bmc.ops.kinds import Bool, Float, Int, Refusal, Words


class Rope(Positions, name="rope", aliases=("rotary", "rotary_embedding")):
    """Rotary positions: queries and keys are turned by an angle that grows with the position.

    Pair i of a head of size d at position t turns by t * theta ** (-2 i / d). A pair is
    (i, i + d / 2), the half-rotated layout of Llama checkpoints on the Hugging Face hub; with
    `interleaved` it is (2 i, 2 i + 1), the layout of the paper (Su et al. 2021). A `fraction`
    turns the first elements of a head alone, as in GPT-NeoX and Phi.

    `scaling` reaches `factor` times further than the model was trained for. `linear` divides the
    angles by it (Chen et al. 2023); `ntk` grows theta to theta * factor ** (d / (d - 2)); `yarn`
    divides those of pairs that turn less than `slow` times within `context`, keeps those that
    turn more than `fast` times, goes from one to the other between, and multiplies queries and
    keys by 0.1 ln(factor) + 1 (Peng et al. 2023); `llama3` divides wavelengths beyond
    context / `low`, keeps those below context / `high`, and goes from one to the other between.
    """

    theta: float = param(Float(min=1, max=1e9), "base of the angles", 10000.0)
    interleaved: bool = param(Bool(), "whether a pair is two neighbours", False)
    fraction: float = param(Float(above=0, max=1), "how much of a head turns", 1.0)
    scaling: str | None = param(
        Optional(Words("linear", "ntk", "yarn", "llama3")), "how angles reach further", None
    )
    factor: float = param(Float(min=1, max=1e6), "how much further they reach", 1.0)
    context: int | None = param(
        Optional(COUNT), "positions that the model was trained for; yarn and llama3", None
    )
    low: float = param(Float(above=0, max=1e6), "llama3: context / low is divided", 1.0)
    high: float = param(Float(above=0, max=1e6), "llama3: context / high is kept", 4.0)
    slow: float = param(Float(above=0, max=1e6), "yarn: turns of what is divided", 1.0)
    fast: float = param(Float(above=0, max=1e6), "yarn: turns of what is kept", 32.0)

    def check(self) -> None:
        """Refuses settings that would do nothing, and those that are missing."""
        if self.scaling is None and self.factor != 1:
            raise Refusal("needs a `scaling`", setting="factor")
        if self.scaling is not None and self.interleaved:
            raise Refusal("goes with pairs (i, i + size / 2) alone", setting="scaling")
        if self.scaling == "yarn" and self.theta <= 1:
            raise Refusal("is above 1 for `yarn`", setting="theta")
        far = self.scaling in ("yarn", "llama3")
        if far and self.context is None:
            raise Refusal(f"of `{self.scaling}` needs the `context` of before", setting="scaling")
        if not far and self.context is not None:
            raise Refusal("is for `yarn` and `llama3`", setting="context")
        for scaling, (first, second) in (("llama3", ("low", "high")), ("yarn", ("slow", "fast"))):
            for setting in (first, second) if self.scaling != scaling else ():
                if getattr(self, setting) != self.settings[setting].default:
                    raise Refusal(f"is for `{scaling}`", setting=setting)
            if getattr(self, first) >= getattr(self, second):
                raise Refusal(f"stays below `{second}`", setting=first)

    def turned(self, size: int) -> int:
        """How many elements of a head turn."""
        return size if self.fraction == 1 else round(self.fraction * size)

    def gain(self) -> float:
        """What queries and keys are multiplied by."""
        return 0.1 * math.log(self.factor) + 1.0 if self.scaling == "yarn" else 1.0

    def base(self, size: int) -> float:
        """The base of the angles of so many elements."""
        if self.scaling != "ntk" or size <= 2:
            return self.theta
        base: float = self.theta * self.factor ** (size / (size - 2))
        return base


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
