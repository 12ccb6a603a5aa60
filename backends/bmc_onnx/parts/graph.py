"""What the methods of the other files build on: any graph in the making."""

from __future__ import annotations

from typing import Any


class Graph:
    """Stands for the class that a program has: see `model.py` of this backend."""

    nodes: list[Any]
    weights: dict[str, tuple[int, ...]]
    add: Any
    add_several: Any
    begin_step: Any
