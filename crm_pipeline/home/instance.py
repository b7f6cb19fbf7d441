"""The configuration of a home's Dagster instance: a text made from the settings. Dagster itself is not known here."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template

from crm_pipeline.database import VARIABLE
from crm_pipeline.engine import storage_error
from crm_pipeline.hashing import digest
from crm_pipeline.settings import Settings

NAME = "dagster.yaml"
TEMPLATE = Path(__file__).parent / NAME
EVENT_LOG = "EventLog"
"""The class of the event log in SQLite, in `crm_pipeline.defs.event_log`."""

IN_SQLITE = f"""\
# one file for all runs: the default writes every event twice, into a file per run and an index, and opens a connection for each
event_log_storage:
  module: crm_pipeline.defs.event_log
  class: {EVENT_LOG}
  config:
    base_dir:
      env: DAGSTER_HOME"""
IN_POSTGRESQL = f"""\
# the database of the setting database_url; the address is a secret, so it stands in the environment alone
storage:
  postgres:
    postgres_url:
      env: {VARIABLE}"""
MARK = "# written as it stands above: "
"""Begins the last line; the digest after it tells whether a person has edited the file."""

EARLIER = ("68ca027cc971e34eb05dbfad75f0fd5f",)
"""Digests of what earlier versions wrote without a mark, and which this one may replace."""


def dagster_home(home: Path, settings: Settings) -> Path:
    """Return the folder of the home that is DAGSTER_HOME, with its ``dagster.yaml`` as the settings want it.

    Raises
    ------
    CrmError
        When it cannot be written.
    """
    folder = Path(home).absolute() / "dagster"
    path, wanted = folder / NAME, rendered(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_ours(path) and (not path.exists() or path.read_text(encoding="utf-8") != wanted):
            temporary = folder / f".{NAME}.{os.getpid()}"
            temporary.write_text(wanted, encoding="utf-8")
            os.replace(temporary, path)
    except OSError as error:
        raise storage_error(error, Path(home)) from error
    return folder


def rendered(settings: Settings) -> str:
    """Return the text of ``dagster.yaml`` for these settings, its mark included."""
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        concurrent_runs=settings.concurrent_runs, storage=IN_POSTGRESQL if settings.database_url else IN_SQLITE
    )
    return f"{text}{MARK}{digest(text, 16)}\n"


def is_ours(path: Path) -> bool:
    """Tell whether a ``dagster.yaml`` is missing or stands as the program wrote it."""
    if not path.exists():
        return True
    text = path.read_text(encoding="utf-8")
    body, mark, found = text.rpartition(MARK)
    return found.strip() == digest(body, 16) if mark else digest(text, 16) in EARLIER
