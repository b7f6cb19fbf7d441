"""The estimators: a file each with its class; `entries` lists them, `learner` says what a class must be able to do."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from crm_pipeline.errors import UsageError
from crm_pipeline.modeling.estimators.entry import Context, Entry

if TYPE_CHECKING:
    from crm_pipeline.settings import Settings

__all__ = ["Context", "Entry", "chosen", "entry", "left_out", "names", "register", "unregister"]


@cache
def _entries() -> dict[tuple[str, str], Entry]:
    # Not imported at the top: a model is as old as its own file and entry, not as the list of all of them.
    return {(one.task, one.name): one for one in import_module(f"{__name__}.entries").ENTRIES}


def names(task: str) -> list[str]:
    """Return the estimators of ``task``, members before those built from them, simpler first."""
    own = [e for (of, _), e in _entries().items() if of == task]
    return [e.name for e in sorted(own, key=lambda e: (bool(e.members), e.complexity, e.name))]


def register(one: Entry) -> None:
    """Add an estimator that lives outside this package, for this process."""
    _entries()[one.task, one.name] = one


def unregister(task: str, name: str) -> None:
    """Take a registered estimator out again."""
    del _entries()[task, name]


def chosen(settings: Settings, task: str) -> list[str]:
    """Return the estimators of a task that the settings have on, members before those made of them.

    Raises
    ------
    UsageError
        If the task has none, or the settings name one that it has not.
    """
    if not names(task):
        raise UsageError(f"The task '{task}' has no estimator: add an Entry for it in modeling/estimators/entries.py.")
    wanted = settings.estimators.get(task, ())
    for name in wanted:
        if name not in names(task):
            raise UsageError(f"Setting '{task}_estimators' names '{name}', known are {', '.join(names(task))}.")
    return [name for name in names(task) if not wanted or name in wanted]


def left_out(settings: Settings, task: str, name: str) -> str:
    """Return why an estimator abstains whose members the settings leave out, in one sentence; empty where they do not."""
    missing = [member for member in entry(task, name).members if member not in chosen(settings, task)]
    if not missing:
        return ""
    return (
        f"{name} is made of {', '.join(missing)} too, which the setting '{task}_estimators' leaves out: "
        f"add {'it' if len(missing) == 1 else 'them'}, or leave {name} out."
    )


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
