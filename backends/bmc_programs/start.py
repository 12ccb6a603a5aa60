"""start.py: reads weights that were made elsewhere, under the names of the model."""

from __future__ import annotations

from bmc.emit.gate import HEADER
from bmc.emit.layout import render
from bmc.emit.pyexpr import Assign, Expr, ListExpr, Name, Statement, TupleExpr, call, lit
from bmc.ir.training import Pretrained
from bmc.weights.names import Entry
from bmc_programs.run import Run

HEAD = '''\
"""Read weights that were made elsewhere, under the names of the model."""

{imports}

Shapes = dict[str, tuple[int, ...]]
Arrays = dict[str, np.ndarray]
'''
READ = '''\
def read_start(path: Path, wanted: Shapes) -> Arrays:
    """Return the tensors of a file that the model has, and print what is left of both."""
    tensors = {tensors}
    known = {{name: tensors[name] for name in wanted if name in tensors}}
    faults = find_no_floats(known)
    faults += [
        f"{{name}} is {{tensors[name].shape}}, and the model has {{shape}}"
        for name, shape in wanted.items()
        if name in known and known[name].shape != shape
    ]
    if not known:
        faults.append("no tensor of it has a name of the model")
    if faults:
        raise SystemExit("\\n  ".join([f"{{path}} does not fit the model:", *faults]))
    print(f"{{path}}: {{len(known)}} of the model's {{len(wanted)}} tensors")
    missing = [name for name in wanted if name not in tensors]
    spare = [name for name in tensors if name not in wanted]
    for what, names in (("not in the file", missing), ("not in the model", spare)):
        if names:
            print(f"  {{what}}: {{', '.join(names)}}")
    return known'''
CHANGE = '''\
@dataclass(frozen=True)
class Change:
    """What becomes of the tensors with a name, where {words} stand for what varies.

    Elements are counted by the axes `view`, the axes put in the order `axes`, elements
    counted by the axes `shape`, and the first axis cut into a part for each name of
    `to`; without names the tensor is left out.
    """

    name: str
    to: tuple[str, ...] = ()
    view: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    def match(self, name: str) -> dict[str, str] | None:
        """Return what the {words} stand for in a name, if it is one of these."""
        holes = re.sub(r"\\\\\\{(\\w+)\\\\\\}", r"(?P<\\1>[^.]+)", re.escape(self.name))
        found = re.fullmatch(holes, name)
        return found.groupdict() if found else None

    def apply(self, tensor: np.ndarray, words: dict[str, str]) -> Arrays:
        """Return the parts of a tensor by their new names."""
        array = tensor.reshape(self.view) if self.view else tensor
        array = array.transpose(self.axes) if self.axes else array
        array = array.reshape(self.shape) if self.shape else array
        parts = np.split(array, len(self.to)) if len(self.to) > 1 else [array]
        names = [name.format(**words) for name in self.to]
        return dict(zip(names, parts, strict=False))  # dropped without names'''
RENAME = '''\
def rename(tensors: Arrays) -> Arrays:
    """Give tensors the names of the model, by the first change that knows each."""
    found: Arrays = {}
    for name, tensor in tensors.items():
        for change in CHANGES:
            words = change.match(name)
            if words is not None:
                found |= change.apply(tensor, words)
                break
        else:
            found[name] = tensor
    return found'''


def start_file(start: Pretrained) -> str:
    """start.py; without a map the names of the file are those of the model."""
    mapped = start.names is not None
    imports = ["from pathlib import Path", "", "import numpy as np"]
    if mapped:
        imports = ["import re", "from dataclasses import dataclass", *imports]
    imports += ["", "from weights import find_no_floats, read_tensors"]
    texts = [HEAD.format(imports="\n".join(imports)).rstrip("\n")]
    if mapped:
        texts += [CHANGE, _changes(start.names or ()), RENAME]
    texts.append(
        READ.format(tensors="rename(read_tensors(path))" if mapped else "read_tensors(path)")
    )
    return HEADER + "\n\n\n".join(texts) + "\n"


def _changes(entries: tuple[Entry, ...]) -> str:
    """`CHANGES = [Change("wte.weight", ("embed.weight",)), …]`"""
    made: list[Expr] = []
    for entry in entries:
        named = {key: lit(getattr(entry, key)) for key in ("view", "axes", "shape")}
        named = {key: value for key, value in named.items() if getattr(entry, key)}
        to = [TupleExpr(tuple(lit(name) for name in entry.targets))] if entry.targets else []
        made.append(call("Change", entry.source, *to, **named))
    line: Statement = Assign(Name("CHANGES"), ListExpr(tuple(made)))
    return render([line]).rstrip("\n")


def start_note(run: Run) -> dict[str, str]:
    """What a README says of start.py."""
    return {"start.py": "reading the weights to start from"} if run.start else {}
