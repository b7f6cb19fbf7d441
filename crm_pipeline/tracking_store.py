"""MLflow's tables (a SQLite file, or a PostgreSQL schema) and artifacts, looked at without importing MLflow, which takes seconds."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from crm_pipeline.database import connected

PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Where MLflow writes down absolute places of artifacts."""

MODEL = "models:/"

Database = Path | str
"""A SQLite file, or the address of a PostgreSQL schema (`database.mlflow_url`)."""


class Tables:
    """An open database in one transaction: SQL that SQLite and PostgreSQL both know, with ``:name`` parameters."""

    def __init__(self, execute: Callable[[str, dict[str, Any]], Any], catalog: str) -> None:
        self._execute, self._catalog = execute, catalog

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """Return what a query finds."""
        return list(self._execute(sql, parameters).fetchall())

    def change(self, sql: str, **parameters: Any) -> None:
        """Carry out a statement."""
        self._execute(sql, parameters)

    def has(self, table: str) -> bool:
        """Tell whether there is such a table."""
        return bool(self.rows(self._catalog, table=table)[0][0])


def any_running(database: Database) -> bool:
    """Tell whether some run is RUNNING."""
    with _open(database) as tables:
        return tables.has("runs") and tables.rows("SELECT count(*) FROM runs WHERE status = 'RUNNING'")[0][0] > 0


def revision(database: Database) -> str | None:
    """Return the version of a database's schema, None where none is recorded."""
    with _open(database) as tables:
        found = tables.rows("SELECT version_num FROM alembic_version") if tables.has("alembic_version") else []
        return found[0][0] if found else None


def running(database: Database) -> dict[str, str]:
    """Return the runs that are RUNNING, each with the token of its process (`lake.sign_of_life`), empty where it has none."""
    if not any_running(database):
        return {}
    with _open(database) as tables:
        found = tables.rows(
            "SELECT runs.run_uuid, coalesce(tags.value, '') FROM runs LEFT JOIN tags "
            "ON tags.run_uuid = runs.run_uuid AND tags.key = 'crm.process' WHERE runs.status = 'RUNNING'"
        )
        return {row[0]: row[1] for row in found}


def relocate(database: Database, artifacts: Path, experiment: str) -> bool:
    """Let the store of a home that was moved or copied point to the artifacts it has now, all at once; tell whether it had to."""
    with _open(database) as tables:
        if not tables.has("experiments"):
            return False
        found = tables.rows("SELECT artifact_location FROM experiments WHERE name = :name", name=experiment)
        recorded, here = found[0][0] if found else None, artifacts.as_uri()
        if recorded in (None, here) or _same_place(recorded, artifacts):
            return False
        for table, column in PLACES:
            tables.change(
                f"UPDATE {table} SET {column} = :here || substr({column}, length(:recorded) + 1) "
                f"WHERE substr({column} || '/', 1, length(:recorded) + 1) = :recorded || '/'",
                here=here,
                recorded=recorded,
            )
        return True


def lost_models(database: Database, artifacts: Path, uris: Iterable[str]) -> set[str]:
    """Return which of these models the store no longer has, in its records or as files."""
    with _open(database) as tables:
        records = tables.rows("SELECT model_id FROM logged_models") if tables.has("logged_models") else []
    known = {row[0] for row in records}
    names = {uri: uri.removeprefix(MODEL) for uri in uris}
    there = {n for n in names.values() if n in known and (artifacts / "models" / n / "artifacts" / "MLmodel").exists()}
    return {uri for uri, name in names.items() if name not in there}


def _same_place(recorded: str, artifacts: Path) -> bool:
    """Tell whether a recorded place is this folder by another name (a link), so that nothing need be changed."""
    try:
        return os.path.samefile(url2pathname(urlsplit(recorded).path), artifacts)
    except OSError:
        return False


@contextlib.contextmanager
def _open(database: Database) -> Iterator[Tables]:
    if isinstance(database, str):
        with connected(database) as server:
            yield Tables(
                lambda sql, given: server.exec_driver_sql(re.sub(r":(\w+)", r"%(\1)s", sql), given),
                "SELECT to_regclass(:table) IS NOT NULL",
            )
        return
    # a file that is not there must not be made by looking at it
    with contextlib.closing(sqlite3.connect(database if database.exists() else ":memory:", timeout=30)) as file, file:
        yield Tables(file.execute, "SELECT count(*) FROM sqlite_master WHERE name = :table")
