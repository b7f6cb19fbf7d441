"""Imports what only the extra 'audio' brings. What is done with it does not belong here."""

from __future__ import annotations

import importlib
from types import ModuleType

from crm_pipeline.errors import UsageError


def imported(module: str) -> ModuleType:
    """Return a module of the extra 'audio'.

    Parameters
    ----------
    module : str
        Its full name, such as ``soundfile``.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise UsageError(
            f"{error.name}, which reads or makes recordings, is not installed: it needs the extra 'audio': "
            "pip install --editable '.[audio]' in the clone."
        ) from error
