"""The PostgreSQL server of a home whose settings name one: its addresses, and whether it can be used. No table is known here."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crm_pipeline.errors import CrmError, UsageError, chain

VARIABLE = "CRM_DATABASE_URL"
"""Where the setting stands in the environment, and where a home's ``dagster.yaml`` reads the address from."""

SCHEMA = "mlflow"
"""MLflow's tables lie apart: Dagster, too, has a table ``runs`` and a table ``alembic_version``."""

PATIENCE = 10
"""Seconds in which a server must answer, unless the address says otherwise."""

MAKING = 20_111
"""Key of the server's lock under which the schema is made."""


def dagster_url(setting: str) -> str:
    """Return the address of Dagster's tables: that of the setting, with its driver by name, which SQLAlchemy 2.1 needs."""
    return str(_parsed(setting).render_as_string(hide_password=False))


def mlflow_url(setting: str) -> str:
    """Return the address of MLflow's tables: a schema of their own in the same database."""
    url = _parsed(setting)
    options = url.query.get("options", "")
    given = " ".join([options] if isinstance(options, str) else options)
    own = url.update_query_dict({"options": f"{given} -csearch_path={SCHEMA}".strip()})
    return str(own.render_as_string(hide_password=False))


def open_to_dagster(setting: str) -> None:
    """See that Dagster can use the database, and put its address where ``dagster.yaml`` reads it; without a setting nothing.

    Raises
    ------
    UsageError, CrmError
        When the driver is not installed; when the database cannot be used.
    """
    if not setting:
        return
    with connected(dagster_url(setting)):
        os.environ[VARIABLE] = dagster_url(setting)


def make_schema(setting: str) -> None:
    """Make MLflow's schema where it is missing; any number of processes may do so at once.

    Raises
    ------
    UsageError, CrmError
        As `open_to_dagster`.
    """
    with connected(dagster_url(setting)) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MAKING})")
        known = connection.exec_driver_sql(f"SELECT 1 FROM pg_namespace WHERE nspname = '{SCHEMA}'").fetchall()
        if not known:  # who may not make schemas can be given one
            connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """Connect to a database in one transaction.

    Raises
    ------
    UsageError
        When the driver is not installed.
    CrmError
        When the server cannot be reached, refuses, or a statement fails. No password stands in it.
    """
    _need_driver()
    import sqlalchemy

    parsed = _parsed(url)
    if "connect_timeout" not in parsed.query:
        parsed = parsed.update_query_dict({"connect_timeout": str(PATIENCE)})
    engine = sqlalchemy.create_engine(parsed, poolclass=sqlalchemy.pool.NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        raise _cannot_be_used(url, error) from error
    except ValueError as error:  # what no server can be asked with, such as a null character in a password
        raise UsageError(f"The setting database_url ({VARIABLE}) cannot be used: {error}.") from error


@contextmanager
def told_of_database(setting: str) -> Iterator[None]:
    """Turn an error that comes from the database of the setting, whoever met it, into one sentence; others pass unchanged."""
    try:
        yield
    except CrmError:
        raise
    except Exception as error:
        if not setting:
            raise
        from sqlalchemy.exc import DBAPIError

        found = next((e for e in chain(error) if isinstance(e, DBAPIError)), None)
        if found is None:
            raise
        raise _cannot_be_used(setting, found) from error


def _cannot_be_used(url: str, error: Any) -> CrmError:
    said = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return CrmError(
        f"The database {name_of(url)} cannot be used ({said[0]}): see that its server runs, that the setting database_url "
        f"({VARIABLE}) names it, and that its user may make tables and schemas there (best: owns it)."
    )


def name_of(url: str) -> str:
    """Return how a person knows a database: host, port and name, without user and password."""
    parsed = _parsed(url)
    return f"{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database}"


def _need_driver() -> None:
    missing = [name for name in ("psycopg2", "dagster_postgres") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"The setting database_url ({VARIABLE}) needs {' and '.join(missing)}: pip install --editable '.[postgres]' in the clone."
        )


def _parsed(url: str) -> Any:
    from sqlalchemy.engine import make_url

    return make_url(url).set(drivername="postgresql+psycopg2")
