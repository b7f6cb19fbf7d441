"""MLflow's SQLite file and artifact folder, looked at without importing MLflow, which takes seconds. No learning here."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Where MLflow writes down absolute places of artifacts."""

MODEL = "models:/"


def any_running(database: Path) -> bool:
    """Tell whether some run is RUNNING."""
    if not database.exists():
        return False
    with _open(database) as connection:
        known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'runs'").fetchone()[0]
        return bool(known and connection.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0])


def revision(database: Path) -> str | None:
    """Return the version of a database's schema, None where none is recorded."""
    with _open(database) as connection:
        known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
        return row[0] if row else None


def running(database: Path) -> dict[str, str]:
    """Return the runs that are RUNNING, each with the token of its process (`lake.sign_of_life`), empty where it has none."""
    if not any_running(database):
        return {}
    with _open(database) as connection:
        return dict(
            connection.execute(
                "SELECT runs.run_uuid, coalesce(tags.value, '') FROM runs LEFT JOIN tags "
                "ON tags.run_uuid = runs.run_uuid AND tags.key = 'crm.process' WHERE runs.status = 'RUNNING'"
            ).fetchall()
        )


def relocate(database: Path, artifacts: Path, experiment: str) -> bool:
    """Let the store of a home that was moved or copied point to the artifacts it has now, all at once; tell whether it had to."""
    with _open(database) as connection:
        found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
        recorded, here = found[0] if found else None, artifacts.as_uri()
        if recorded in (None, here) or _same_place(recorded, artifacts):
            return False
        with connection:
            for table, column in PLACES:
                connection.execute(
                    f"UPDATE {table} SET {column} = :here || substr({column}, length(:recorded) + 1) "
                    f"WHERE substr({column} || '/', 1, length(:recorded) + 1) = :recorded || '/'",
                    {"here": here, "recorded": recorded},
                )
        return True


def lost_models(database: Path, artifacts: Path, uris: Iterable[str]) -> set[str]:
    """Return which of these models the store no longer has, in its records or as files."""
    known: set[str] = set()
    if database.exists():
        with _open(database) as connection:
            known = {row[0] for row in connection.execute("SELECT model_id FROM logged_models")}
    names = {uri: uri.removeprefix(MODEL) for uri in uris}
    there = {n for n in names.values() if n in known and (artifacts / "models" / n / "artifacts" / "MLmodel").exists()}
    return {uri for uri, name in names.items() if name not in there}


def _same_place(recorded: str, artifacts: Path) -> bool:
    """Tell whether a recorded place is this folder by another name (a link), so that nothing need be changed."""
    try:
        return os.path.samefile(url2pathname(urlsplit(recorded).path), artifacts)
    except OSError:
        return False


def _open(database: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(database, timeout=30))
