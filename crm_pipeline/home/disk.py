"""What is said of a full or unwritable disk, whichever store met it: the lake, Dagster's databases or MLflow's. Nothing else."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crm_pipeline.engine import storage_error
from crm_pipeline.errors import CrmError, chain

FULL = ("No space left on device", "disk is full", "Disk quota exceeded")
READ_ONLY = ("readonly database", "unable to open database file")
LITTLE = 2**20
"""Bytes; SQLite calls a full disk an I/O error when not even its journal has room."""


@contextlib.contextmanager
def told_of_disk(home: Path) -> Iterator[None]:
    """Turn an error that comes from a full or unwritable disk of the home into one sentence; others pass unchanged."""
    try:
        yield
    except CrmError:
        raise
    except Exception as error:
        errors = list(chain(error))
        closed = next((e for e in errors if isinstance(e, PermissionError) and _lies_in(e, home)), None)
        found = storage_error(closed, home) if closed else disk_error("\n".join(map(str, errors)), home)
        if found is None:
            raise
        raise found from error


def _lies_in(error: OSError, home: Path) -> bool:
    return Path(str(error.filename)).is_relative_to(Path(home).absolute())


def disk_error(text: str, home: Path) -> Exception | None:
    """Return the sentence for an error text that tells of a full or unwritable disk of the home, else None."""
    home = Path(home).absolute()
    if any(sign in text for sign in FULL) or ("disk I/O error" in text and shutil.disk_usage(home).free < LITTLE):
        return storage_error(OSError(errno.ENOSPC, text), home)
    if any(sign in text for sign in READ_ONLY) or ("Read-only file system" in text and str(home) in text):
        return storage_error(OSError(errno.EROFS, text), home)
    return None


class _Quiet:
    """Standard error without the line that Dagster's event log prints about an error it also raises."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Pass the text on, unless it is that line."""
        return len(text) if text.startswith("Exception while writing logger call") else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def without_echo() -> Iterator[None]:
    """Keep Dagster from printing what it raises as well."""
    with contextlib.redirect_stderr(_Quiet(sys.stderr)):
        yield
