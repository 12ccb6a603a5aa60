"""Draws the summary of a model as a table or as plain data. Knows nothing of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmc.ir.cost import ModelSummary

_HEADS = ("layer", "kind", "output", "parameters", "FLOPs", "memory")


def to_text(summary: ModelSummary) -> str:
    """A table of layers with their costs for one sample, then the totals."""
    rows = [
        (
            "  " * row.depth + row.path,
            row.kind,
            row.output,
            f"{row.parameters:,}",
            scaled(row.flops),
            in_bytes(row.memory),
        )
        for row in summary.rows
    ]
    widths = [max(len(line[i]) for line in (_HEADS, *rows)) for i in range(len(_HEADS))]
    lines = [_line(_HEADS, widths), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths) for row in rows]
    totals = [
        f"parameters: {summary.parameters:,}",
        f"FLOPs for one sample: {scaled(summary.flops)}",
        f"activation memory for one sample: {in_bytes(summary.memory)}",
    ]
    if summary.buffers:
        totals.insert(1, f"kept statistics, not trained: {summary.buffers:,}")
    if summary.assumed:
        sizes = ", ".join(f"{name} = {size}" for name, size in summary.assumed.items())
        totals.append(f"counted with {sizes}")
    return "\n".join([summary.name, "", *lines, "", *totals])


def to_data(summary: ModelSummary) -> dict[str, Any]:
    """The same as plain data; memory is in bytes."""
    names = ("path", "kind", "output", "parameters", "flops", "memory")
    return {
        "model": summary.name,
        "parameters": summary.parameters,
        "buffers": summary.buffers,
        "flops": summary.flops,
        "memory": summary.memory,
        "assumed": dict(summary.assumed),
        "layers": [{name: getattr(row, name) for name in names} for row in summary.rows],
    }


def scaled(count: int) -> str:
    """`1.23 M`: a count in thousands, millions and so on."""
    return _in_steps(count, 1000, ("", " k", " M", " G", " T", " P", " E"))


def in_bytes(count: int) -> str:
    """`1.50 MiB`"""
    return _in_steps(count, 1024, (" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"))


def _in_steps(count: int, step: int, units: tuple[str, ...]) -> str:
    size, place = float(count), 0
    while size >= step and place < len(units) - 1:
        size, place = size / step, place + 1
    return f"{count}{units[0]}" if place == 0 else f"{size:.2f}{units[place]}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3])]
    right = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:])]
    return "  ".join((*left, *right)).rstrip()
