"""The samples of declared layers as layers on types: for the pages, and for the contract."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from bmc.ops.base import Declaration, Sample
from bmc.ops.kinds import Word
from bmc.types.symbolic import Sym
from bmc.types.tensor import TensorType


def type_of(entry: tuple[Any, ...]) -> TensorType:
    """The type that a sample's input stands for; `int:9` in front marks ids below 9."""
    ids = bool(entry) and isinstance(entry[0], str) and ":" in entry[0]
    sizes = entry[1:] if ids else entry
    shape = tuple(Sym.named(size) if isinstance(size, str) else size for size in sizes)
    return TensorType("int" if ids else "float", shape)


def worded(declared: type[Declaration], key: str, value: Any) -> Any:
    """A sample's setting, with the words of the setting's vocabulary as words."""
    if isinstance(value, tuple):
        return tuple(worded(declared, key, item) for item in value)
    setting = declared.settings.get(key)
    known = setting.kind.words() if setting else ()
    return Word(value) if isinstance(value, str) and value in known else value


def settings(declared: type[Declaration], sample: Sample) -> dict[str, Any]:
    """A sample's settings as a file would give them."""
    if getattr(declared, "sign", ""):  # then the elaborator makes it
        return dict(sample.settings)
    return {key: worded(declared, key, value) for key, value in sample.settings.items()}


def make(declared: type[Declaration], sample: Sample) -> Any:
    """The layer, loss or metric of a sample."""
    return declared.make(settings(declared, sample))


def load_declarations() -> None:
    """Imports every module of declarations, so that the registry is full."""
    package = import_module("bmc.ops")
    for module in iter_modules(package.__path__):
        import_module(f"bmc.ops.{module.name}")
