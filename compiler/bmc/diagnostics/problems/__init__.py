"""Every problem that bmc can report, one module for each stage that finds them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from bmc.diagnostics.diagnostic import Problem


def every_problem() -> dict[str, type[Problem]]:
    """All problem classes by code, in order of code."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return dict(sorted(Problem.registry.items()))
