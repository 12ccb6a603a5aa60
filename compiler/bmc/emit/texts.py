"""What is printed of a block, and the blocks of one definition whose texts can be one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from bmc.emit import pyexpr as p
from bmc.emit.body import Body, spaced
from bmc.emit.merge import Apart, Environment, Marked, Variant, merged
from bmc.ir.model import BlockSpec, Instance, Scan
from bmc.records import record


@record(frozen=False)
class Text:
    """The statements of a constructor, if there is one, and of what it does with values."""

    parameters: list[str]
    init: list[p.Statement]
    statements: list[p.Statement]
    returns: list[p.Expr]

    @staticmethod
    def of(body: Body, init: Sequence[Marked] = ()) -> Text:
        """As it was printed for one use."""
        begin = [one.statement for one in init]
        return Text(body.parameters, begin, body.statements, body.returns)

    def all(self) -> list[p.Statement]:
        """All statements."""
        return [*self.init, *self.statements]


def uses_of(spec: BlockSpec, steps: bool) -> dict[BlockSpec, list[Environment]]:
    """The settings and dimensions with which each block below one is used.

    `steps` says whether to be the step of a scan is such a use.
    """
    found: dict[BlockSpec, list[Environment]] = {}
    waiting: list[Instance] = list(spec.instances)
    seen: set[int] = set()
    while waiting:
        instance = waiting.pop()
        if id(instance) in seen:
            continue
        seen.add(id(instance))
        if isinstance(instance.target, BlockSpec):
            numbers = {**instance.target.settings, **instance.arguments}
            found.setdefault(instance.target, []).append(
                {key: _plain(value) for key, value in numbers.items()}
            )
        if isinstance(instance.target, Scan) and not steps:
            instance = instance.target.step
        waiting += [inner for _, inner in instance.inside()]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return None


class Printed:
    """A block, printed: its body and, for a class, its constructor."""

    def __init__(
        self, spec: BlockSpec, body: Body, init: Sequence[Marked], uses: list[Environment]
    ) -> None:
        self.spec, self.body, self.init, self.uses = spec, body, init, uses
        self.text = Text.of(body, init)


@record(frozen=False)
class Definition:
    """Blocks that share a text; what they do and how they begin, laid side by side, if that goes."""

    members: list[Printed]
    text: Text
    variants: tuple[Variant, Variant] | None

    @staticmethod
    def of(members: list[Printed]) -> Definition:
        """Blocks that are printed alike."""
        first = members[0]
        uses = [use for one in members for use in one.uses]
        body, choices = first.body, first.spec.choices
        try:
            variants = (
                Variant.of(body.marked, body.parameters, body.returns, choices, uses),
                Variant.of(first.init, (), (), choices, uses),
            )
        except Apart:
            return Definition(members, first.text, None)
        return Definition(members, first.text, variants)

    def joined(self, other: Definition) -> Definition | None:
        """The definition of all members of both; None where that is not one text."""
        if self.variants is None or other.variants is None:
            return None
        try:
            run, begin = (merged(*pair) for pair in zip(self.variants, other.variants))
        except Apart:
            return None
        text = Text(self.text.parameters, begin.statements(), spaced(run.groups()), run.returns)
        return Definition([*self.members, *other.members], text, (run, begin))


def definitions(printed: Iterable[Printed], key: Callable[[Printed], Hashable]) -> list[Definition]:
    """Blocks that share a text: those printed alike, and those that can be one."""
    alike: dict[Hashable, list[Printed]] = {}
    for one in printed:
        alike.setdefault(key(one), []).append(one)
    found: list[Definition] = []
    for members in alike.values():
        made = Definition.of(members)
        for place, known in enumerate(found):
            both = known.joined(made)
            if both is not None:
                found[place] = both
                break
        else:
            found.append(made)
    return found
