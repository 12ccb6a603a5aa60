"""What a backend is: a table of lowerings, and a function from a program to files.

Backends register by name. The built-in ones are listed here and imported when asked for; others
come from the entry point group `bmc.backends`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar

from bmc.diagnostics.diagnostic import Problems
from bmc.emit.pyexpr import Call, Expr
from bmc.ir.model import Program
from bmc.ops.base import Declaration, Weight
from bmc.ops.kinds import Measure
from bmc.records import field, record
from bmc.types.tensor import TensorType

BUILT_IN = {"torch": "bmc_torch", "keras": "bmc_keras", "onnx": "bmc_onnx"}
GROUP = "bmc.backends"


@record
class Support:
    """Helper code that goes into a program once: whole definitions, and the names they import.

    Of two of one name that differ, the one that is more `general` serves the uses of both.
    """

    name: str
    code: str
    roots: tuple[str, ...] = ()
    general: int = 0


def gather(found: dict[str, Support], more: Iterable[Support]) -> None:
    """Adds helpers to those of a program, by name."""
    for helper in more:
        known = found.get(helper.name)
        if known is None or helper.general > known.general:
            found[helper.name] = helper
        elif helper.general == known.general and helper.code != known.code:
            raise ValueError(f"two helpers are called {helper.name}")


@record
class Module:
    """A layer that is built once and called: `self.conv = nn.Conv2d(…)`, `self.conv(x)`.

    `call` is what a use of it looks like, plain calling unless given. `helper` is the word for a
    function that holds what all uses of the constructor in a file have in common: `positional`
    names its first arguments, and a keyword with the value in `defaults` is not printed.
    `weights` says where the layer keeps each weight, in the backend's own form; `ending` are
    helpers of the code that reads it. `made_for` says whether the layer, once built,
    takes only values with the axes of its first, or with as many axes and channels, or with
    the same sizes.
    """

    constructor: Call
    call: Callable[[Expr, list[Expr]], Expr] | None = None
    helper: str = ""
    positional: tuple[str, ...] = ()
    defaults: Mapping[str, Expr] = field(default_factory=dict)
    support: tuple[Support, ...] = ()
    weights: Mapping[str, Any] = field(default_factory=dict)
    ending: tuple[Support, ...] = ()
    made_for: Literal["anything", "axes", "channels", "sizes"] = "anything"

    def apply(self, layer: Expr, args: list[Expr]) -> Expr:
        """The layer, an expression, on its inputs."""
        return self.call(layer, args) if self.call else Call(layer, tuple(args))


@record
class Function:
    """A layer without state: an expression of its inputs."""

    build: Callable[[list[Expr]], Expr]
    support: tuple[Support, ...] = ()


@record
class Rate:
    """A schedule: what a function of the update's number returns once the warm-up is over.

    The text stands in the template `rates/<name>.py`. `words` end its documentation. `constants`
    of the program and `spans`, counted in updates when a run begins, are what it reads; `run`
    says that it reads the length of the run, too; one that `follows` the scores is told a share. A
    `steady` one needs no function.
    """

    words: str
    constants: Mapping[str, Any] = field(default_factory=dict)
    spans: Mapping[str, Measure | tuple[Measure, ...]] = field(default_factory=dict)
    run: bool = False
    steady: bool = False
    follows: bool = False


@record
class Update:
    """An optimiser: its class, and what that is given.

    `settings` are constants of the program: each with the keyword, and the value. `fixed` stand in
    the call itself. `classes` are definitions of `optimizer.py` that the class is, or stands on.
    `slots` are what it remembers of each weight, by PyTorch's names, where the class has others;
    `counts` says that it counts its updates of each.
    """

    kind: str
    settings: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[Support, ...] = ()
    slots: Mapping[str, str] = field(default_factory=dict)
    counts: bool = True


@record
class Unsupported:
    """What a backend does not do, and why."""

    reason: str
    help: str | None = None


Lowered = Module | Function | Rate | Update | Unsupported


@record
class Site:
    """Where a layer is used: its types and its weights.

    `lends` says whether another layer computes with one of them, `owner` which layer it is whose
    weight this one computes with. `masks` are the padded inputs whose masks or lengths, as the
    layer's `padding_rule` says, come as arguments after the inputs. `last` says whether the values
    are laid out channels last.
    """

    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    weights: Mapping[str, Weight]
    lends: bool = False
    owner: Declaration | None = None
    masks: tuple[int, ...] = ()
    last: bool = False


NOWHERE = Site((), (), {})  # of what takes no tensors
# A rule takes a declaration and what it stands in: a site, or the function that a step adds lines to.
Rule = Callable[[Any, Any], Any]
R = TypeVar("R", bound=Rule)


class Lowerings:
    """One backend's rules, one for each declaration.

    The rules of what `bmc.ops.conv` declares are in the module `conv` of `package`, which is
    imported when one is asked for.
    """

    def __init__(self, backend: str, package: str) -> None:
        self.backend, self.package = backend, package
        self.rules: dict[type[Declaration], Rule] = {}
        self.loaded: set[str] = set()

    def rule(self, op: type[Declaration]) -> Callable[[R], R]:
        """Registers the rule of a declaration. A second one is a mistake."""

        def register(function: R) -> R:
            if op in self.rules:
                raise TypeError(f"{self.backend} has two rules for {op.name}")
            self.rules[op] = function
            return function

        return register

    def find(self, op: Declaration) -> Rule | None:
        """The rule for an instance of a declaration."""
        self.load(type(op).__module__.rpartition(".")[2])
        return self.rules.get(type(op))

    def load(self, stem: str) -> None:
        """Imports the rules of what the module of that name in `bmc.ops` declares."""
        if stem in self.loaded:
            return
        self.loaded.add(stem)
        path = f"{self.package}.{stem}"
        try:
            importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise


class Backend(Protocol):
    """A target of the compiler.

    Its package has the rules of layers in `lower.table`, and the program that `bmc verify` runs in
    `probe`. `single` says that it computes in single precision alone.
    """

    name: str
    title: str
    package: str
    single: bool

    def compile(self, program: Program, problems: Problems) -> dict[str, str]:
        """The files of a project by relative path; empty when there were problems."""
        ...

    def check(self, program: Program, problems: Problems) -> bool:
        """Whether the programs around the model can be written; reports what stands against it."""
        ...


def find_backend(name: str) -> Backend | None:
    """The backend of that name, imported when it is first asked for."""
    if name in BUILT_IN:
        try:
            module = importlib.import_module(BUILT_IN[name])
        except ModuleNotFoundError as error:
            if error.name != BUILT_IN[name]:
                raise
            return None
        backend: Backend = module.BACKEND
        return backend
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        if entry.name == name:
            found: Backend = entry.load()
            return found
    return None


def known_backends() -> tuple[str, ...]:
    """The names of the built-in backends, then of those that are installed beside bmc."""
    from importlib.metadata import entry_points

    return tuple(dict.fromkeys([*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))]))


def table_of(package: str) -> Lowerings:
    """The rules of a package."""
    found: Lowerings = importlib.import_module(f"{package}.lower.table").LOWERINGS
    return found
