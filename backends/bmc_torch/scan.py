"""A block at every step of sequences: the loop that its class runs."""

from __future__ import annotations

from bmc.emit import pyexpr as p
from bmc.emit.names import Scope, identifier
from bmc.ir.model import BlockSpec, Scan, State


def scanned(spec: BlockSpec, scan: Scan) -> list[p.Statement]:
    """The body of `forward`: states at their start, the steps, what they gave as sequences.

    A sequence has the name of the input that takes its elements, an element that name and `_t`.
    """
    entries = [identifier(entry.value.name) for entry in spec.inputs]
    states = [identifier(state.value.name) for state in spec.states]
    names = Scope({*entries, *states})
    along = [name for name, split in zip(entries, scan.split) if split]
    floats = [n for n, e in zip(entries, spec.inputs) if e.value.type.dtype == "float"]
    like = floats[0] if floats else None
    found: list[p.Statement] = [
        p.Assign(p.Name(name), _start(state, along[0], like))
        for name, state in zip(states, spec.states)
    ]
    lists = [names.unique(f"{identifier(output.name)}_steps") for output in spec.outputs]
    found += [p.Assign(p.Name(name), p.ListExpr(())) for name in lists]
    elements = {name: names.unique(f"{name}_t") for name in along}
    made = [names.unique(f"{identifier(output.name)}_t") for output in spec.outputs]
    given = [p.Name(elements.get(name, name)) for name in (*entries, *states)]
    call = p.call("self.step", *given)
    targets = tuple(p.Name(name) for name in (*made, *states))
    body: list[p.Statement] = [p.Assign(targets if len(targets) > 1 else targets[0], call)]
    for name, one in zip(lists, made):
        body.append(p.ExprStmt(p.method(p.Name(name), "append", p.Name(one))))
    unbound = [p.method(p.Name(name), "unbind", 1) for name in along]
    items = tuple(p.Name(elements[name]) for name in along)
    several = len(along) > 1
    found.append(
        p.For(
            p.TupleExpr(items) if several else items[0],
            p.call("zip", *unbound, strict=True) if several else unbound[0],
            tuple(body),
        )
    )
    stacked = [p.call("torch.stack", p.Name(name), dim=1) for name in lists]
    found.append(p.Return(stacked[0] if len(stacked) == 1 else p.TupleExpr(tuple(stacked))))
    return found


def _start(state: State, first: str, like: str | None) -> p.Expr:
    """`x.new_zeros(len(x), 32)`; `torch.zeros(…)` where no input has numbers."""
    sizes = [p.call("len", p.Name(first)), *state.value.type.shape]
    word = state.init.name
    given: tuple[p.Expr, ...] = tuple(p.lit(size) for size in sizes)
    if word not in ("zeros", "ones"):
        word = "full"
        given = (p.TupleExpr(given), p.lit(state.start))
    if like is not None:
        return p.method(p.Name(like), f"new_{word}", *given)
    return p.call(f"torch.{word}", *given, device=p.Attr(p.Name(first), "device"))
