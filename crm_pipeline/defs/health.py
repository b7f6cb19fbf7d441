"""What the doctor says of Dagster's side of a home: runs, history, dagster.yaml. The other sides are `crm_pipeline.doctor`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from sqlalchemy.exc import SQLAlchemyError

from crm_pipeline import doctor
from crm_pipeline.database import VARIABLE, open_to_dagster
from crm_pipeline.defs.build import build_defs
from crm_pipeline.defs.instance import PROCESS_TAG, killed_runs, unknown_to
from crm_pipeline.defs.internals import quiet_instance
from crm_pipeline.doctor import Finding, lake_to_look_at, looked
from crm_pipeline.errors import CrmError
from crm_pipeline.home.instance import EVENT_LOG, IN_POSTGRESQL, TEMPLATE, is_ours, rendered
from crm_pipeline.home.project import open_project
from crm_pipeline.lake import Graph, Manifest, inspect_lake
from crm_pipeline.settings import Settings, load_settings

SILENT = 300.0
"""Seconds without a heartbeat after which the daemon counts as gone; it beats every 30."""


def examine(home: Path) -> list[Finding]:
    """Return all that is wrong with a home, Dagster's side included."""
    home = Path(home).absolute()
    folder = home / "dagster"
    found = doctor.examine(home, models=not _lies_elsewhere(home, folder / "dagster.yaml"))
    if not (home / "lake" / ".manifests").is_dir():
        return found
    if not (folder / "dagster.yaml").is_file():
        found.append(
            Finding(
                "warning",
                f"{folder} holds no dagster.yaml: Dagster's history of this home is gone.",
                f"crm-pipeline run --home {home} makes a new one and tells it of every published partition.",
            )
        )
        return list(dict.fromkeys(found))
    found += looked("dagster.yaml", home, lambda: settings_found(folder / "dagster.yaml", load_settings(home)))
    found += looked("Dagster's history", home, lambda: _history_found(home, folder))
    return list(dict.fromkeys(found))  # a server that cannot be reached is met by several looks


def settings_found(path: Path, settings: Settings) -> Iterator[Finding]:
    """Tell of settings of the program's dagster.yaml that the home's does not have; other values are the owner's choice."""
    mine, ours = _settings_of(path), yaml.safe_load(rendered(settings))
    yield from _storage_found(path, mine, settings)
    storages = ("storage",) if "storage" not in mine else ("event_log_storage",)  # told above; one storage for all
    lacking = [name for name in _paths(ours) if name[0] not in storages and not _has(mine, name)]
    if lacking:
        names = ", ".join(".".join(name) for name in lacking)
        yield Finding(
            "warning",
            f"{path} is older than this version, which also sets {names}.",
            f"Take these lines over from {TEMPLATE}. A changed event_log_storage begins an empty history: "
            "the next run tells it of every published partition.",
        )


def _settings_of(path: Path) -> Mapping[str, Any]:
    """Return what a dagster.yaml sets.

    Raises
    ------
    CrmError
        When it is no YAML, or not of settings.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise CrmError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(found, dict):
        raise CrmError(f"{path} must hold 'name: value' lines; found {type(found).__name__}.")
    return found


def _storage_found(path: Path, mine: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Tell where the history lies in another place than the setting ``database_url`` says."""
    if _is_elsewhere(mine, settings):
        yield Finding(
            "error",
            f"Dagster's history of {path.parent.parent} lies in a database, and {VARIABLE} does not say here in which.",
            f"Set {VARIABLE} as it was for the last run. A run without it begins an empty history in the home, "
            "and tells it of every published partition.",
        )
    elif settings.database_url and "storage" not in mine:
        taken = "" if is_ours(path) else f"Take over, for event_log_storage, {' '.join(IN_POSTGRESQL.split()[-6:])}. "
        yield Finding(
            "warning",
            f"{path} keeps Dagster's history in the home, though the setting database_url names a database.",
            f"{taken}The next run begins a history there, and tells it of every published partition.",
        )


def _lies_elsewhere(home: Path, path: Path) -> bool:
    """Tell whether a home's records lie in a database whose address is not known here; no, where either cannot be read."""
    try:
        return path.is_file() and _is_elsewhere(_settings_of(path), load_settings(home))
    except CrmError:  # told by the looks at these two
        return False


def _is_elsewhere(mine: Mapping[str, Any], settings: Settings) -> bool:
    """Tell whether the history lies in a database whose address is not known here."""
    return not settings.database_url and mine.get("storage") == yaml.safe_load(IN_POSTGRESQL)["storage"]


def _paths(settings: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the settings one level below the top, which are those that Dagster replaces whole."""
    for name, value in settings.items():
        yield from ((name, below) for below in value) if isinstance(value, Mapping) else [(name,)]


def _has(settings: Any, name: tuple[str, ...]) -> bool:
    return not name or (isinstance(settings, Mapping) and name[0] in settings and _has(settings[name[0]], name[1:]))


def _history_found(home: Path, folder: Path) -> Iterator[Finding]:
    settings = load_settings(home)
    mine = _settings_of(folder / "dagster.yaml")
    if _is_elsewhere(mine, settings):
        return
    if mine.get("event_log_storage", {}).get("class") == EVENT_LOG and not (folder / "event_log.db").is_file():
        yield Finding(
            "warning",
            f"{folder / 'event_log.db'} is gone: Dagster's history of this home.",
            f"crm-pipeline run --home {home} begins a new one and tells it of every published partition.",
        )
        return  # opening it would make the file
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    open_to_dagster(settings.database_url)
    os.environ["DAGSTER_HOME"] = str(folder)  # dagster.yaml names its folder by it
    try:
        with quiet_instance(folder) as instance:
            yield from runs_found(instance, home)
            current = inspect_lake(lake_to_look_at(home)).current
            yield from versions_found(instance, home, list(current.values()), build_defs(open_project(home)).graph)
    except SQLAlchemyError as error:
        raise ValueError(getattr(error, "orig", None) or error) from error


def runs_found(instance: DagsterInstance, home: Path) -> Iterator[Finding]:
    """Tell of runs that wait for nobody: their process was killed, or no daemon is there to start or end them."""
    killed = killed_runs(instance, home)
    if killed:
        yield Finding(
            "warning",
            f"{len(killed)} Dagster runs are STARTED though their process was killed, first {killed[0].run_id}.",
            f"crm-pipeline run --home {home} reports them as failed and goes on from there.",
        )
    if _daemon_is_there(instance):
        return
    waiting = instance.get_runs(
        RunsFilter(statuses=[DagsterRunStatus.QUEUED, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
    )
    waiting = [run for run in waiting if PROCESS_TAG not in run.tags]
    if waiting:
        states = ", ".join(sorted({run.status.value for run in waiting}))
        yield Finding(
            "warning",
            f"{len(waiting)} runs of the UI are {states} and no daemon is there to go on with them, first {waiting[0].run_id}.",
            f"Start it: crm-pipeline ui --home {home}; it starts what is queued, and what no longer answers it ends.",
        )


def _daemon_is_there(instance: DagsterInstance) -> bool:
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return bool(beats) and max(beats) > time.time() - SILENT


def versions_found(instance: DagsterInstance, home: Path, manifests: list[Manifest], graph: Graph) -> Iterator[Finding]:
    """Tell of published partitions that the event log does not know, or knows with another content."""
    unknown = unknown_to(instance, manifests, graph, sources=False)
    if unknown:
        yield Finding(
            "warning",
            f"Dagster does not know {len(unknown):,} partitions as they are published, first {unknown[0].asset} of "
            f"{unknown[0].partition}: the UI shows them missing or stale.",
            f"crm-pipeline run --home {home} tells it of them; the lake's manifests are right.",
        )
