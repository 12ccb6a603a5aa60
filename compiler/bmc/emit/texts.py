"""What is printed of a block, and the blocks of one definition whose texts can be one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from bmc.emit import pyexpr as p
from bmc.emit.body import Body
from bmc.emit.merge import Apart, Environment, Marked, Variant, merged
from bmc.ir.model import BlockSpec, Instance
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


def uses_of(spec: BlockSpec) -> dict[BlockSpec, list[Environment]]:
    """The settings and dimensions with which each block below one is used."""
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


def as_one(all_printed: Sequence[Printed]) -> Text | None:
    """What stands for all of them; None where that is not one text."""
    first = all_printed[0]
    try:
        texts = [
            (
                Variant.of(
                    one.body.marked,
                    one.body.parameters,
                    one.body.returns,
                    one.spec.choices,
                    one.uses,
                ),
                Variant.of(one.init, (), (), one.spec.choices, one.uses),
            )
            for one in all_printed
        ]
        run, begin = texts[0]
        for other_run, other_begin in texts[1:]:
            run, begin = merged(run, other_run), merged(begin, other_begin)
    except Apart:
        return None
    groups: list[tuple[int, list[p.Statement]]] = []
    for number, statement in run.groups():
        alone = isinstance(statement, p.IfStmt)
        if groups and groups[-1][0] == number and not alone:
            groups[-1][1].append(statement)
        else:
            groups.append((-2 if alone else number, [statement]))
    return Text(
        first.body.parameters, begin.statements(), _apart([g for _, g in groups]), run.returns
    )


def _apart(groups: list[list[p.Statement]]) -> list[p.Statement]:
    """Groups with an empty line around each that has more than one line."""
    found: list[p.Statement] = []
    before = False
    for group in groups:
        long = len(group) > 1 or isinstance(group[0], p.IfStmt)
        if found and (before or long):
            found.append(p.Blank())
        found += group
        before = long
    return found


def clustered(
    printed: Iterable[Printed], key: Callable[[Printed], Hashable]
) -> list[tuple[list[Printed], Text]]:
    """Blocks that share a text: those printed alike, and those that can be one."""
    alike: dict[Hashable, list[Printed]] = {}
    for one in printed:
        alike.setdefault(key(one), []).append(one)
    found: list[tuple[list[Printed], Text]] = []
    for group in alike.values():
        for place, (others, _) in enumerate(found):
            text = as_one([*_representatives(others, key), *_representatives(group, key)])
            if text is not None:
                found[place] = ([*others, *group], text)
                break
        else:
            found.append((group, group[0].text))
    return found


def _representatives(group: list[Printed], key: Callable[[Printed], Hashable]) -> list[Printed]:
    """One block for each text, with the uses of all that have it."""
    found: dict[Hashable, Printed] = {}
    for one in group:
        held = found.get(key(one))
        if held is None:
            found[key(one)] = Printed(one.spec, one.body, one.init, list(one.uses))
        else:
            held.uses += one.uses
    return list(found.values())
