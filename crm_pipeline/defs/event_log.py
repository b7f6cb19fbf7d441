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
    file anew, which is two fifths of what a step costs, and asks some eight times a step whether a table is there. This one keeps
    its engine, its connections and the answers.
    """

    @cached_property
    def _engine(self) -> Any:
        return sqlalchemy.create_engine(self._conn_string, connect_args={"timeout": PATIENCE})

    @cached_property
    def _tables(self) -> set[str]:
        return set()

    def has_table(self, table_name: str) -> bool:
        """Tell whether a table is there; one that is stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        with self._engine.begin() as connection:
            yield connection
