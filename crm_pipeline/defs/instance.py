"""The Dagster instance of a home: where its history lies, and keeping it in step with the lake's manifests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from crm_pipeline.database import open_to_dagster
from crm_pipeline.defs.internals import DATA_VERSION_TAG, hold_connections, quiet_instance
from crm_pipeline.home.instance import dagster_home
from crm_pipeline.home.sqlite import relax_sqlite
from crm_pipeline.lake import ALL, Graph, Lake, Manifest, is_alive, only_one
from crm_pipeline.settings import load_settings

PROCESS_TAG = "crm/process"
"""Of a run: the token of the process that carries it out (`lake.sign_of_life`)."""


def open_instance(home: Path) -> DagsterInstance:
    """Open the home's instance for runs in this process, without capturing their output."""
    settings = load_settings(home)
    open_to_dagster(settings.database_url)
    folder = dagster_home(home, settings)
    relax_sqlite()
    os.environ["DAGSTER_HOME"] = str(folder)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with only_one(folder / ".opening.lock"):  # the first to come makes the databases, which two cannot do at once
        instance = quiet_instance(folder)
    if settings.database_url:
        hold_connections(instance)
    return instance


def killed_runs(instance: DagsterInstance, home: Path) -> list[dg.DagsterRun]:
    """Return the runs that go on by the records, though their process was killed.

    A run that goes on in another container or on another host is none of them.
    """
    going = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING]))
    return [run for run in going if PROCESS_TAG in run.tags and not is_alive(home, run.tags[PROCESS_TAG])]


def close_killed_runs(instance: DagsterInstance, home: Path) -> int:
    """Report runs whose process was killed as failed, so that nothing waits for them; returns how many."""
    killed = killed_runs(instance, home)
    for run in killed:
        instance.report_run_failed(run, "The process of this run was killed; the next run of crm-pipeline found it.")
    return len(killed)


def unknown_to(
    instance: DagsterInstance, manifests: Iterable[Manifest], graph: Graph, sources: bool = True
) -> list[Manifest]:
    """Return the published partitions that the instance does not know, or knows with another content.

    Without ``sources``, raw partitions are left out: the source sync publishes them outside of runs, and the run of
    their period reports them.
    """
    by_asset: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        own = graph.own((manifest.asset, manifest.partition))
        if own and (sources or not graph.nodes[manifest.asset].source):
            by_asset.setdefault(manifest.asset, []).append(manifest)
    unknown = []
    for asset, published in by_asset.items():
        known = _known_versions(instance, dg.AssetKey(asset.split("/")), graph.nodes[asset].partitioned)
        unknown += [m for m in published if known.get(m.partition) != m.content_hash]
    return sorted(unknown, key=lambda m: (m.asset, m.partition))


def reconcile(instance: DagsterInstance, lake: Lake, graph: Graph, sources: bool = True) -> int:
    """Tell the instance of every published partition it does not know (a kill between publishing and recording).

    Returns how many were reported. ``sources`` as in `unknown_to`.
    """
    unknown = unknown_to(instance, lake.index().values(), graph, sources)
    for manifest in unknown:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                dg.AssetKey(manifest.asset.split("/")),
                partition=None if manifest.partition == ALL else manifest.partition,
                metadata={
                    "dagster/row_count": manifest.rows,
                    "content_hash": manifest.content_hash,
                    "published_at": dg.MetadataValue.timestamp(datetime.fromisoformat(manifest.published_at)),
                },
                tags={DATA_VERSION_TAG: manifest.content_hash},
            )
        )
    return len(unknown)


def _known_versions(instance: DagsterInstance, key: dg.AssetKey, partitioned: bool) -> dict[str, str]:
    if not partitioned:
        event = instance.get_latest_materialization_event(key)
        tags = event.asset_materialization.tags if event and event.asset_materialization else {}
        return {ALL: tags.get(DATA_VERSION_TAG, "")} if tags else {}
    found = instance.event_log_storage.get_latest_tags_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: tags.get(DATA_VERSION_TAG, "") for partition, tags in found.items()}
