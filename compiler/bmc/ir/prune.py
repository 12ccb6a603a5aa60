"""Takes out of a block what reaches none of its outputs, and says so once."""

from __future__ import annotations

from bmc.diagnostics.problems.names import Unused
from bmc.ir.model import Apply, BlockSpec, Instance, Step, Value


def prune(spec: BlockSpec) -> None:
    """Drops uses, layers and learned tensors that nothing needs; `spec.unused` says which."""
    live = {output.value for output in spec.outputs}
    live |= {state.next for state in spec.states if state.next is not None}
    dead: list[Apply] = []
    spec.body = _kept(spec.body, live, dead)
    consumed = {value for use in dead for value in use.inputs}
    for use in reversed(dead):
        if not any(value in consumed for value in use.outputs):
            name = use.outputs[0].name
            spec.unused.append(Unused(use.span, name))
    used = {id(use.instance) for use in spec.applies()}
    kept: list[Instance] = []
    for instance in reversed(spec.instances):  # who borrows comes after who lends
        if id(instance) in used:
            kept.append(instance)
            used |= {id(owner) for owner, _ in instance.shared.values()}
    spec.instances = kept[::-1]
    for parameter in spec.params:
        if parameter.value not in live:
            spec.unused.append(Unused(parameter.value.span, parameter.name))
    spec.params = [parameter for parameter in spec.params if parameter.value in live]


def _kept(body: list[Step], live: set[Value], dead: list[Apply]) -> list[Step]:
    """The steps that something needs, and what they need among the living."""
    found: list[Step] = []
    for step in reversed(body):
        if isinstance(step, Apply):
            if any(value in live for value in step.outputs):
                live.update(step.inputs)
                found.append(step)
            else:
                dead.append(step)
            continue
        for turn in reversed(step.turns):
            turn.body = _kept(turn.body, live, dead)
        found.append(step)
    return found[::-1]
