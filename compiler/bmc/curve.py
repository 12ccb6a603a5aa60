"""Curves as text, for pages about schedules."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"


def curve(values: Sequence[float], left: str, width: int = 60, height: int = 6) -> str:
    """Numbers from 0 up as columns of blocks; `left` stands at the height of the largest."""
    top = max(values)
    count = len(values)
    columns = [values[min(place * count // width, count - 1)] / top for place in range(width)]
    eighths = [round(value * height * 8) for value in columns]
    lines = []
    for row in reversed(range(height)):
        cells = "".join(BLOCKS[min(max(filled - row * 8, 0), 8)] for filled in eighths)
        label = left if row == height - 1 else ""
        lines.append(f"{label:>{len(left)}} │{cells}".rstrip())
    lines.append(f"{'0':>{len(left)}} └{'─' * width}")
    return "\n".join(lines)
