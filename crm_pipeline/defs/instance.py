"""The Dagster instance of a home: where its history lies, and keeping it in step with the lake's manifests."""

from __future__ import annotations

import logging
import os
import shutil
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from crm_pipeline.defs.internals import DATA_VERSION_TAG, quiet_instance
from crm_pipeline.engine import storage_error
from crm_pipeline.home.sqlite import relax_sqlite
from crm_pipeline.lake import ALL, Graph, Lake, is_alive, only_one

PROCESS_TAG = "crm/process"
"""Of a run: the token of the process that carries it out (`lake.sign_of_life`)."""

TEMPLATE = Path(__file__).parent / "dagster.yaml"


def dagster_home(home: Path) -> Path:
    """Return the folder of the home that is DAGSTER_HOME, with its ``dagster.yaml``; made when missing."""
    folder = Path(home).absolute() / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "dagster.yaml").exists():
            temporary = folder / f".dagster.yaml.{os.getpid()}"
            shutil.copyfile(TEMPLATE, temporary)
            os.replace(temporary, folder / "dagster.yaml")
    except OSError as error:
        raise storage_error(error, Path(home)) from error
    return folder


def open_instance(home: Path) -> DagsterInstance:
    """Open the home's instance for runs in this process, without capturing their output."""
    folder = dagster_home(home)
    relax_sqlite()
    os.environ["DAGSTER_HOME"] = str(folder)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with only_one(folder / ".opening.lock"):  # the first to come makes the databases, which two cannot do at once
        return quiet_instance(folder)


def close_killed_runs(instance: DagsterInstance, home: Path) -> int:
    """Report runs whose process was killed as failed, so that nothing waits for them; returns how many.

    A run that goes on in another container or on another host is left alone.
    """
    going = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING]))
    killed = [run for run in going if PROCESS_TAG in run.tags and not is_alive(home, run.tags[PROCESS_TAG])]
    for run in killed:
        instance.report_run_failed(run, "The process of this run was killed; the next run of crm-pipeline found it.")
    return len(killed)


def reconcile(instance: DagsterInstance, lake: Lake, graph: Graph, sources: bool = True) -> int:
    """Tell the instance of every published partition it does not know (a kill between publishing and recording).

    Returns how many were reported. Without ``sources``, raw partitions are left out: the source sync publishes them
    outside of runs, and the run of their period reports them.
    """
    reported = 0
    by_asset: dict[str, dict[str, str]] = {}
    index = lake.index()
    for asset, partition in index:
        if graph.own((asset, partition)) and (sources or not graph.nodes[asset].source):
            by_asset.setdefault(asset, {})[partition] = index[asset, partition].content_hash
    for asset, hashes in by_asset.items():
        key = dg.AssetKey(asset.split("/"))
        known = _known_versions(instance, key, graph.nodes[asset].partitioned)
        for partition, digest in sorted(hashes.items()):
            if known.get(partition) != digest:
                manifest = index[asset, partition]
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        key,
                        partition=None if partition == ALL else partition,
                        metadata={
                            "dagster/row_count": manifest.rows,
                            "content_hash": digest,
                            "published_at": dg.MetadataValue.timestamp(datetime.fromisoformat(manifest.published_at)),
                        },
                        tags={DATA_VERSION_TAG: digest},
                    )
                )
                reported += 1
    return reported


def _known_versions(instance: DagsterInstance, key: dg.AssetKey, partitioned: bool) -> dict[str, str]:
    if not partitioned:
        event = instance.get_latest_materialization_event(key)
        tags = event.asset_materialization.tags if event and event.asset_materialization else {}
        return {ALL: tags.get(DATA_VERSION_TAG, "")} if tags else {}
    found = instance.event_log_storage.get_latest_tags_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: tags.get(DATA_VERSION_TAG, "") for partition, tags in found.items()}
