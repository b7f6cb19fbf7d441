"""Makes the SQLite files of Dagster and MLflow fast enough for many small steps. Nothing else about storage belongs here.

Dagster opens and closes a connection per event. Each commit then waits for the disk, and each close of a file's last
connection writes its log back: measured, a quarter of a run's time. In WAL mode, ``synchronous = NORMAL`` does not
wait at commits and still cannot corrupt the file; a killed process loses nothing, a power cut may lose the last events,
which `reconcile` reports again from the manifests. One connection kept open per file spares the write-back at each close.
"""

import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

_KEPT: dict[str, sqlite3.Connection] = {}


@cache
def relax_sqlite() -> None:
    """Set this up for every SQLite file that SQLAlchemy opens in this process; calling it again does nothing."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _on_connect)


def _on_connect(connection: Any, _: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    path = next((row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main"), "")
    if path and path not in _KEPT and Path(path).exists():
        kept = sqlite3.connect(path, check_same_thread=False, timeout=30)
        kept.execute("SELECT count(*) FROM sqlite_master").fetchall()
        _KEPT[path] = kept
