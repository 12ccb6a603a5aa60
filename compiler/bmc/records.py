"""Plain records: what `dataclass` gives, without its price at import.

`dataclasses` compiles new methods for every class, which for some two hundred small classes costs
more than everything else that a start of bmc does. Here all records share their methods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


class _Field:
    """How a field is filled when nothing is given, and whether it counts in comparisons."""

    def __init__(self, default: Any, factory: Callable[[], Any] | None, compare: bool) -> None:
        self.default = default
        self.factory = factory
        self.compare = compare


_NOTHING = object()


def field(
    *,
    default: Any = _NOTHING,
    default_factory: Callable[[], Any] | None = None,
    compare: bool = True,
    repr: bool = True,
) -> Any:
    """A field with a fresh default for each record, or one that does not count."""
    return _Field(default, default_factory, compare and repr)


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, frozen: bool = True, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, frozen: bool = True, eq: bool = True) -> Any:
    """Makes a class of annotated fields a record; frozen ones can't change and can be hashed."""

    def make(cls: type[T]) -> type[T]:
        _collect(cls)
        own = vars(cls)
        methods: dict[str, Any] = {"__init__": _init, "__repr__": _repr}
        if eq:
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        for name, method in methods.items():
            if name not in own:
                setattr(cls, name, method)
        return cls

    return make if cls is None else make(cls)


def _collect(cls: Any) -> None:
    """Notes the fields of a class after those of its bases."""
    names: dict[str, None] = {}
    defaults: dict[str, Any] = {}
    factories: dict[str, Callable[[], Any]] = {}
    hidden: set[str] = set()
    for base in reversed(cls.__mro__[1:]):
        names |= dict.fromkeys(vars(base).get("_fields", ()))
        defaults |= vars(base).get("_defaults", {})
        factories |= vars(base).get("_factories", {})
        hidden |= vars(base).get("_hidden", set())
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        if "ClassVar" in str(annotation):
            continue
        names[name] = None
        if name not in vars(cls):
            continue
        value = vars(cls)[name]
        if isinstance(value, _Field):
            if value.default is not _NOTHING:
                defaults[name] = value.default
            if value.factory is not None:
                factories[name] = value.factory
            if not value.compare:
                hidden.add(name)
            delattr(cls, name)
        else:
            defaults[name] = value
    cls._fields = tuple(names)
    cls._defaults, cls._factories, cls._hidden = defaults, factories, hidden
    cls._compared = tuple(name for name in names if name not in hidden)


def _init(self: Any, *args: Any, **named: Any) -> None:
    cls = type(self)
    names = cls._fields
    if not named and len(args) == len(names):
        self.__dict__.update(zip(names, args))
        return
    values = dict(zip(names, args))
    if len(args) > len(names) or any(key in values or key not in names for key in named):
        raise TypeError(f"{cls.__name__} takes {', '.join(names)}")
    values |= named
    for name in names:
        if name in values:
            self.__dict__[name] = values[name]
        elif name in cls._defaults:
            self.__dict__[name] = cls._defaults[name]
        elif name in cls._factories:
            self.__dict__[name] = cls._factories[name]()
        else:
            raise TypeError(f"{cls.__name__} needs {name}")


def _repr(self: Any) -> str:
    inner = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self)._compared)
    return f"{type(self).__name__}({inner})"


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(self.__dict__[name] for name in type(self)._compared)


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _refuse(self: Any, name: str, *value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} can't change")


def replace(instance: T, **changes: Any) -> T:
    """A record with some of its fields changed."""
    kind: Any = type(instance)
    made: T = kind.__new__(kind)
    old = {name: instance.__dict__[name] for name in kind._fields}
    if not changes.keys() <= old.keys():
        raise TypeError(f"{kind.__name__} takes {', '.join(old)}")
    made.__dict__.update(old | changes)
    return made


def fields(kind: Any) -> tuple[str, ...]:
    """The names of a record's fields, in order."""
    found: tuple[str, ...] = kind._fields
    return found
