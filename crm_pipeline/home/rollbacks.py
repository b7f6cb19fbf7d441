"""The rollbacks of a home: which model a person let reign again, from which period on. What follows from them is decided in modeling."""

from __future__ import annotations

import json
import os
from pathlib import Path

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.modeling.rollback import Rollback

FILE = "rollbacks.json"
"""Task → its rollbacks, the newest last: an input of the decisions as the settings are, so that a rebuild comes to the same."""


def read_rollbacks(home: Path) -> dict[str, tuple[Rollback, ...]]:
    """Return the rollbacks of a home by task, the newest last.

    Raises
    ------
    UsageError
        When someone changed the file so that it cannot be read.
    """
    path = home / FILE
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rollbacks = {task: tuple(Rollback(**one) for one in listed) for task, listed in found.items()}
        if not all(isinstance(value, str) for listed in rollbacks.values() for one in listed for value in one):
            raise ValueError("period, champion and instead_of are texts")
        return rollbacks
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read ({error}): mend it, or remove it and roll back again.") from error


def write_rollbacks(home: Path, rollbacks: dict[str, tuple[Rollback, ...]]) -> None:
    """Replace the rollbacks of a home; none: the file is gone.

    Raises
    ------
    CrmError
        When the home cannot be written.
    """
    path, temporary = home / FILE, home / f".{FILE}"
    listed = {task: [one._asdict() for one in own] for task, own in sorted(rollbacks.items()) if own}
    try:
        if not listed:
            path.unlink(missing_ok=True)
            return
        temporary.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise CrmError(f"{path} cannot be written: {error.strerror}.") from error
