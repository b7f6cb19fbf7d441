"""Which runs Dagster's history can do without, and their removal. The lake's old generations are `lake.garbage`'s."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from crm_pipeline.database import open_to_dagster
from crm_pipeline.defs.internals import told_of_settings
from crm_pipeline.errors import CrmError
from crm_pipeline.settings import load_settings

ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


class Pruned(NamedTuple):
    """How many runs were removed, and how many as old ones stay because what they recorded is still the newest."""

    removed: int
    kept: int


def prune_home(home: Path, days: int) -> Pruned:
    """Remove the runs of a home that ended more than ``days`` ago, as `prune_runs` does.

    Raises
    ------
    CrmError
        When the home has no history.
    """
    folder = Path(home).absolute() / "dagster"
    if not (folder / "dagster.yaml").is_file():
        raise CrmError(f"{home} holds no Dagster history: name another --home.")
    open_to_dagster(load_settings(home).database_url)
    os.environ["DAGSTER_HOME"] = str(folder)
    with told_of_settings(folder):
        opened = DagsterInstance.get()
    with opened as instance:
        return prune_runs(instance, days)


def prune_runs(instance: DagsterInstance, days: int) -> Pruned:
    """Remove runs that ended more than ``days`` ago, with their events and captured output.

    A run stays that recorded the newest materialization of some partition: its plots and links are what the UI shows.
    """

    @cache
    def newest(asset: AssetKey) -> Mapping[str, int]:
        return instance.event_log_storage.get_latest_storage_id_by_partition(
            asset, DagsterEventType.ASSET_MATERIALIZATION
        )

    @cache
    def newest_run(asset: AssetKey) -> str | None:
        entry = instance.get_latest_materialization_event(asset)
        return entry.run_id if entry else None

    def is_read(run_id: str) -> bool:
        records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
        for record in records:
            event = record.event_log_entry.dagster_event
            if event is None or event.asset_key is None:
                continue
            key, partition = event.asset_key, event.partition
            if record.storage_id == newest(key).get(partition) if partition else newest_run(key) == run_id:
                return True
        return False

    before = datetime.now(UTC) - timedelta(days=days)
    records = instance.get_run_records(RunsFilter(statuses=ENDED, created_before=before))
    old = [record.dagster_run.run_id for record in records]
    unread = [run_id for run_id in old if not is_read(run_id)]
    for run_id in unread:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return Pruned(len(unread), len(old) - len(unread))
