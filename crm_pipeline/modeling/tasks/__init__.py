"""The prediction tasks: one module each with one TASK. Adding a module adds a task; nothing else is touched.

What all tasks of a kind share (how an answer is learned, judged and said) is in `probability` and `amount`; what a task is at all
in `base`. The modules are light: they import what learns inside their methods.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from crm_pipeline.errors import UsageError
from crm_pipeline.modeling.tasks.base import COMPARED, KEYS, NEVER_FEATURES, SEASONS_BACK, Task

if TYPE_CHECKING:
    from crm_pipeline.settings import Settings

__all__ = [
    "COMPARED",
    "KEYS",
    "NEVER_FEATURES",
    "SEASONS_BACK",
    "Task",
    "chosen",
    "label_names",
    "register",
    "task",
    "tasks",
    "unregister",
]

SHARED = ("base", "probability", "amount")


@cache
def _registry() -> dict[str, Task]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name not in SHARED:
            one = import_module(f"{__name__}.{module.name}").TASK
            found[one.name] = one
    return found


def register(one: Task) -> None:
    """Add a task that lives outside this package, for this process."""
    _registry()[one.name] = one


def unregister(name: str) -> None:
    """Take a registered task out again."""
    del _registry()[name]


def tasks() -> Mapping[str, Task]:
    """Return all tasks by name, in the order in which they are shown."""
    return dict(sorted(_registry().items(), key=lambda item: (item[1].rank, item[0])))


def task(name: str) -> Task:
    """Return a task.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise UsageError(f"The settings name the task '{name}'; known are {', '.join(tasks())}.") from None


def chosen(settings: Settings) -> list[str]:
    """Return the tasks that the settings have on, in the order in which they are shown.

    Raises
    ------
    UsageError
        If the settings name a task that does not exist.
    """
    for name in (*settings.tasks, *settings.estimators):
        task(name)
    return [name for name in tasks() if not settings.tasks or name in settings.tasks]


def label_names() -> frozenset[str]:
    """Return every column that is an outcome of some task: no model reads one."""
    return frozenset(column.name for one in _registry().values() for column in one.labels)
