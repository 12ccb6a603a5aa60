"""What the model files of all backends share: the docstring, the constants, the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bmc.elaborate.naming import snake
from bmc.emit import pyexpr as p
from bmc.emit.body import shape_text
from bmc.emit.names import identifier
from bmc.ir.cost import parameters
from bmc.ir.model import BlockSpec, Input, Instance, Program
from bmc.ir.settled import settled
from bmc.ops.kinds import REGISTRY
from bmc.types.symbolic import Num, Real, literal
from bmc.types.tensor import TensorType

LONGEST_DOC = 76
DECIDES = "decides more than sizes: change it in the .bm file"
TAKEN = {"F"}  # as programs call `torch.nn.functional`


def model_doc(program: Program, spec: BlockSpec) -> str:
    """The docstring of model.py: what it is, where it comes from, what goes in and out."""
    about = (program.doc or spec.doc or f"{spec.name}.").strip()
    lines = [f" Source: {file_name(program.file)}. {parameters(spec):,} parameters."]
    ends = [("Input:", e.value.name, e.value.type, _more(e)) for e in spec.inputs]
    ends += [("Output:", output.name, output.value.type, "") for output in spec.outputs]
    for label, name, kind, more in ends:
        lines.append(f" {label:7} {name}, {kind.dtype} {_shape(kind, spec)}{more}.")
    return about + "\n\n" + "\n".join(lines)


def _more(entry: Input) -> str:
    """What else there is to know about an input."""
    if entry.lengths_of is not None:
        return f": how many steps of each `{entry.lengths_of.name}` are data, at least 1"
    return "" if entry.pad is None else f", filled up with {literal(entry.pad)} at the end"


def _shape(kind: TensorType, spec: BlockSpec) -> str:
    return shape_text(kind.shape, kind, spec) or str(kind)


def file_name(path: str) -> str:
    """The last part of a path, whatever stands between its parts."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def block_doc(spec: BlockSpec, shapes: Sequence[str | None]) -> str | None:
    """The docstring of a block: the author's, else the shapes of its only input and output."""
    if spec.doc:
        return spec.doc
    doc = " -> ".join(map(str, shapes)) + "."
    return doc if len(shapes) == 2 and all(shapes) and len(doc) < LONGEST_DOC else None


def used_names(statements: Iterable[Any]) -> set[str]:
    """The settings and dimensions that statements read."""
    return {
        node.name
        for statement in statements
        for node in p.walk(statement)
        if isinstance(node, p.Var)
    }


def free_names(spec: BlockSpec, used: set[str]) -> tuple[str, ...]:
    """What a block must be given: dimensions of its inputs first, then settings as declared."""
    settings = [name for name in spec.settings if name in used]
    return (*sorted(used - set(settings)), *settings)


def given(instance: Instance, names: Sequence[str]) -> list[tuple[str, p.Expr]]:
    """The arguments for a block: `filters=64`, in the terms of whoever calls it."""
    assert isinstance(instance.target, BlockSpec)
    found: list[tuple[str, p.Expr]] = []
    for name in names:
        if name in instance.arguments:
            value = p.lit(instance.arguments[name])
        elif name in instance.target.settings:
            value = p.lit(literal(instance.target.settings[name]))
        else:
            value = p.Var(name)
        found.append((identifier(name), value))
    return found


def parameter(spec: BlockSpec, name: str) -> p.Param:
    """A setting or dimension as a parameter."""
    value = spec.settings.get(name)
    kind = {True: "bool", False: "int"}[isinstance(value, bool)]
    if isinstance(value, Real):
        kind = "float"
    elif isinstance(value, str):
        kind = "str"
    return p.Param(identifier(name), p.Name(kind))


def constants(
    spec: BlockSpec, used: set[str], unrolled: Mapping[BlockSpec, list[Any]]
) -> list[p.Statement]:
    """`WIDTH = 128`: the settings of a model that its code reads."""
    names = constant_names(spec)
    decide = settled(spec, unrolled)
    return [
        p.Assign(
            p.Name(names[name]),
            p.lit(literal(value)),
            comment=DECIDES if name in decide else None,
        )
        for name, value in spec.settings.items()
        if name in used and isinstance(value, Num | Real | bool | str)
    ]


def constant_names(spec: BlockSpec) -> dict[str, str]:
    """How a model's settings are called in its program, each in its own way."""
    found: dict[str, str] = {}
    for name in spec.settings:
        word = name.upper()
        while word in TAKEN or word in found.values():
            word += "_"
        found[name] = word
    return found


def specs_below(spec: BlockSpec) -> list[BlockSpec]:
    """The blocks that a block uses, each once and after those that it uses itself."""
    found: list[BlockSpec] = []

    def visit(current: BlockSpec) -> None:
        for instance in current.instances:
            waiting = [instance]
            while waiting:
                here = waiting.pop()
                if not isinstance(here.target, BlockSpec):
                    waiting += [inner for _, inner in here.inside()]
                elif here.target not in found:
                    visit(here.target)
                    found.append(here.target)

    visit(spec)
    return found


def alike(spec: BlockSpec, specs: Iterable[BlockSpec]) -> list[BlockSpec]:
    """Those of the blocks that are made of the same definition."""
    return [one for one in specs if (one.name, one.span) == (spec.name, spec.span)]


def block_functions(main: BlockSpec, taken: Iterable[str]) -> dict[str, str]:
    """Names of the functions that blocks become, by the block's name.

    `taken` are the file's other names. A variable of the same name would hide a function, and the
    function a layer's helper, so `Features` is `features_block` where a model has
    `features = x -> Features`.
    """
    specs = [*specs_below(main), main]
    variables = {"x", "i", *taken, *REGISTRY["layer"]}
    for spec in specs:
        variables |= {identifier(name) for name in (*spec.settings, *map(snake, spec.dims))}
        values = [entry.value for entry in spec.inputs] + [entry.value for entry in spec.outputs]
        values += [value for apply in spec.applies() for value in apply.outputs]
        variables |= {identifier(value.name) for value in values}
        variables |= {entry.name for entry in spec.outputs}
        variables |= {instance.name for instance in spec.instances if instance.given}
    words = {spec.name: identifier(snake(spec.name)) for spec in specs}
    return {name: f"{word}_block" if word in variables else word for name, word in words.items()}
