"""What is said when a disk or the memory limit ends a write. Nothing is written or retried here."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import duckdb

from crm_pipeline.errors import CrmError


def storage_error(error: Exception, where: Path) -> Exception:
    """Turn what the system says of a disk, or an exceeded memory limit, into one sentence; return other errors unchanged."""
    text = str(error)
    number = getattr(error, "errno", None)
    full = any(sign in text for sign in ("No space left", "ot enough disk space", "max_temp_directory_size"))
    if number in (errno.ENOSPC, errno.EDQUOT) or full:
        there = next(p for p in (where, *where.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free // 2**20
        return CrmError(
            f"The disk of {where} is full ({free} MB free): free some space and run again; "
            "everything published before is kept."
        )
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) or "Read-only file system" in text:
        return CrmError(
            f"{where} cannot be written (read-only, or not permitted): choose another --home or mend its rights."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return CrmError(f"The memory limit was reached while writing {where}: raise memory_limit (CRM_MEMORY_LIMIT).")
    if isinstance(error, OSError):
        why = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        return CrmError(f"{where} cannot be used ({why}): choose another --home, or mend it.")
    return error
