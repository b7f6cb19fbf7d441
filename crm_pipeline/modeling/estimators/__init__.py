"""The estimators by task: one module each, with one ENTRY. Adding a module adds an estimator; nothing else is touched.

The modules here are light (they import learners inside `build`), so that listing estimators costs nothing.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from crm_pipeline.errors import UsageError
from crm_pipeline.modeling.estimators.entry import Context, Entry

__all__ = ["Context", "Entry", "entry", "members", "names"]


@cache
def _entries() -> dict[tuple[str, str], Entry]:
    found: dict[tuple[str, str], Entry] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "entry":
            continue
        for one in import_module(f"{__name__}.{module.name}").ENTRIES:
            found[one.task, one.name] = one
    return found


def names(task: str) -> list[str]:
    """Return the estimators of ``task``, members before those built from them, simpler first."""
    own = [e for (of, _), e in _entries().items() if of == task]
    return [e.name for e in sorted(own, key=lambda e: (bool(e.members), e.complexity, e.name))]


def members(task: str, name: str) -> tuple[str, ...]:
    """Return the estimators of which one is made; empty for most."""
    return entry(task, name).members


def entry(task: str, name: str) -> Entry:
    """Return one estimator's entry.

    Raises
    ------
    UsageError
        If the task has no such estimator.
    """
    try:
        return _entries()[task, name]
    except KeyError:
        raise UsageError(f"The task '{task}' has no estimator '{name}'; it has {', '.join(names(task))}.") from None
