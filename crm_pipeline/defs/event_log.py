"""Where a home in SQLite keeps Dagster's events; Dagster imports this by its name in ``dagster.yaml``, and nothing else does."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage

PATIENCE = 30
"""Seconds that a statement waits for another process's to end, before it says that the database is locked."""


class EventLog(ConsolidatedSqliteEventLogStorage):
    """Dagster's event log in one SQLite file, as a home's ``dagster.yaml`` names it.

    Dagster's own makes an engine for each of some thirty statements a step, and with it compiles the statement and opens the
    file anew, which is two fifths of what a step costs. This one keeps its engine and its connections.
    """

    @cached_property
    def _engine(self) -> Any:
        return sqlalchemy.create_engine(self._conn_string, connect_args={"timeout": PATIENCE})

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        with self._engine.begin() as connection:
            yield connection
