"""Did you mean: the known name nearest to a misspelt one. Knows no language, only words."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 64  # identifiers are no longer; anything longer is no misspelling


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate within a third of the name's length in edits, the first of equals.

    A difference in capitals alone always counts as near. None when nothing is near.
    """
    if not name or len(name) > LONGEST:
        return None
    options = list(dict.fromkeys(candidate for candidate in candidates if candidate != name))
    for option in options:
        if option.lower() == name.lower():
            return option
    limit = max(len(name) // 3, 1)
    best: str | None = None
    for option in options:
        edits = distance(name, option, limit)
        # A one-letter name is one edit from every other one: that is no likeness.
        if edits <= limit and edits < max(len(name), len(option)):
            best, limit = option, edits - 1
    return best


def distance(left: str, right: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap neighbours) between words; `limit + 1` past it."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            edits = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                edits = min(edits, older[j - 2] + 1)
            row.append(edits)
        if min(row) > limit:
            return limit + 1
    return row[-1]


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A help line with the nearest candidate, or None."""
    best = closest(name, candidates)
    return f"did you mean `{best}`?" if best else None


def listing(names: Iterable[str], most: int = 12) -> str:
    """`a`, `b` and `c`; a long list ends in how many more there are."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) > most:
        return ", ".join(quoted[:most]) + f" and {len(quoted) - most} more"
    if len(quoted) < 2:
        return "".join(quoted)
    return ", ".join(quoted[:-1]) + f" and {quoted[-1]}"


def article(noun: str) -> str:
    """The noun with `a` or `an`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
