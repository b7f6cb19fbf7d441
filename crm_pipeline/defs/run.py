"""Planning and running: the plan of a home, carried out as one in-process Dagster run per period. No printing here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from crm_pipeline.database import told_of_database
from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.failures import root_of, sentence_of
from crm_pipeline.defs.instance import PROCESS_TAG, close_killed_runs, open_instance, reconcile
from crm_pipeline.defs.jobs import ASKED_BY_TAG, PERIOD_TAG, REASON_TAG
from crm_pipeline.defs.lake import FORCE_TAG
from crm_pipeline.errors import CrmError
from crm_pipeline.home.disk import disk_error, told_of_disk, without_echo
from crm_pipeline.home.planning import Key, next_period, plan_home, plan_range, still_stale
from crm_pipeline.home.project import Project, open_lake
from crm_pipeline.lake import ALL, Stale, collect_garbage, publish_views, sign_of_life
from crm_pipeline.settings import load_settings
from crm_pipeline.tracking import Tracker

Listener = Callable[[str, str, str, int], None]


@dataclass
class Prepared:
    """A home whose source was synced, with its plan."""

    built: Built
    sync: Any
    through: str
    targets: list[str]
    plan: list[Stale]
    again: dict[Key, str]

    @property
    def project(self) -> Project:
        """The home."""
        return self.built.project


@dataclass
class Summary:
    """What a run did.

    Attributes
    ----------
    failures : dict of str to str
        Period to why it failed.
    held : int
        Partitions left as they are, because what they read could not be built.
    warnings : list of str
        What the checks that warn said of what was published, a sentence each.
    """

    prepared: Prepared
    built: int = 0
    reused: int = 0
    seconds: float = 0.0
    run_ids: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    held: int = 0
    warnings: list[str] = field(default_factory=list)


def prepare(
    source: Path,
    home: Path,
    files: Path | None = None,
    through: str | None = None,
    periods: int = 1,
    listener: Listener | None = None,
    force: bool = False,
) -> Prepared:
    """Sync the source into the home and plan what the last ``periods`` periods through ``through`` need.

    ``force`` plans all assets of these periods, fresh or not.

    Raises
    ------
    UsageError, CrmError
        One sentence about the source, the home or the period.
    """
    with _told(home):
        return _prepare(source, home, files, through, periods, listener, force)


@contextmanager
def _told(home: Path) -> Iterator[None]:
    """Say in one sentence what a disk or a database server refuses."""
    with told_of_disk(home), told_of_database(load_settings(home).database_url):
        yield


def _prepare(
    source: Path,
    home: Path,
    files: Path | None,
    through: str | None,
    periods: int,
    listener: Listener | None,
    force: bool,
) -> Prepared:
    built, report = _opened(source, home, files, listener)
    return Prepared(built, report, *plan_home(built.project, built.graph, through, periods, force))


def prepare_backfill(
    source: Path,
    home: Path,
    files: Path | None,
    first: str,
    last: str | None,
    *,
    select: Sequence[str] = (),
    listener: Listener | None = None,
    force: bool = False,
) -> Prepared:
    """Sync the source into the home and plan a backfill of the periods from ``first`` through ``last`` (`plan_range`).

    Raises
    ------
    UsageError, CrmError
        One sentence about the source, the home, a period or a pattern.
    """
    with _told(home):
        built, report = _opened(source, home, files, listener)
        return Prepared(built, report, *plan_range(built.project, built.graph, first, last, select, force))


def _opened(source: Path, home: Path, files: Path | None, listener: Listener | None) -> tuple[Built, Any]:
    """Return the definitions of a home whose source was just looked at, and what the sync found."""
    from crm_pipeline.home.source import look_at_source
    from crm_pipeline.sources.spec import load_source

    settings = load_settings(home)
    loaded = load_source(source, files)
    lake = open_lake(home, settings)
    report = look_at_source(loaded, lake, settings)
    project = Project(lake.home, settings, report.state, listener)
    project.__dict__["lake"] = lake
    return build_defs(project), report


def execute(prepared: Prepared, keep_going: bool = False) -> Summary:
    """Carry the plan out: one Dagster run per period, in order; nothing that is fresh is computed.

    With ``keep_going`` a period that fails is noted in the summary, what reads it is held, and the others go on.

    Raises
    ------
    CrmError
        When a period failed; what was published before stays, and the next run goes on from there.
    """
    with _told(prepared.project.home), without_echo():
        return _execute(prepared, keep_going)


def _execute(prepared: Prepared, keep_going: bool) -> Summary:
    from crm_pipeline.home.source import begin

    started = time.perf_counter()
    built, lake = prepared.built, prepared.project.lake
    summary = Summary(prepared)
    instance = open_instance(lake.home)
    close_killed_runs(instance, lake.home)
    Tracker(lake.home).close_orphans()
    begin(prepared.project)
    lake.repair_links()
    keep_days = prepared.project.settings.keep_generations_days
    collect_garbage(lake, keep_days, prepared.sync.files, built.graph.read_as_published())
    reconcile(instance, lake, built.graph, sources=not prepared.plan)
    held: set[Key] = set()
    left = list(prepared.plan)
    while items := next_period(built.graph, left, held):
        try:
            _run_period(prepared, summary, instance, items)
        except CrmError as error:
            if not keep_going:
                raise
            summary.failures[items[0].partition] = str(error)
            held |= {(i.asset, i.partition) for i in still_stale(prepared.project, built.graph, items)}
        left = [item for item in left if item not in items or (item.asset, item.partition) in held]
    summary.held = len(left)
    if summary.run_ids:
        reconcile(instance, lake, built.graph)
    publish_views(lake)
    summary.seconds = time.perf_counter() - started
    return summary


def _run_period(prepared: Prepared, summary: Summary, instance: dg.DagsterInstance, items: list[Stale]) -> None:
    built, period = prepared.built, items[0].partition
    again = [item for item in items if (item.asset, item.partition) in prepared.again]
    selected = list(dict.fromkeys([*still_stale(built.project, built.graph, items), *again]))
    if not selected:
        return
    steps = {spec.key: definition.keys for definition in built.assets for spec in definition.specs}
    keys = {key for item in selected for key in steps[dg.AssetKey(item.asset.split("/"))]}
    # a killed command is run again by a person, not by a daemon
    tags = {
        PROCESS_TAG: sign_of_life(built.project.home),
        PERIOD_TAG: period,
        ASKED_BY_TAG: "crm-pipeline",
        REASON_TAG: f"{items[0].asset}: {items[0].reason}",
        "dagster/max_retries": "0",
    }
    if again:
        tags[FORCE_TAG] = ",".join(item.asset for item in again)
    result = built.job.execute_in_process(
        instance=instance,
        partition_key=None if period == ALL else period,
        asset_selection=sorted(keys),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
        tags=tags,
    )
    summary.run_ids.append(result.run_id)
    for event in result.get_asset_materialization_events():
        value = event.materialization.metadata.get("reused")
        if value is not None and value.value:
            summary.reused += 1
        else:
            summary.built += 1
    checks = result.get_asset_check_evaluations()
    summary.warnings += [
        c.description or c.check_name for c in checks if not c.passed and c.severity == dg.AssetCheckSeverity.WARN
    ]
    if not result.success:
        raise _failure(result, period, built.project.home)


def _failure(result: dg.ExecuteInProcessResult, period: str, home: Path) -> Exception:
    """Return the first step failure as the user's one sentence, with the original text kept for --debug."""
    for event in result.all_events:
        if event.is_step_failure:
            _, message = root_of(event)
            failure = disk_error(message, home) or CrmError(f"{period}: {sentence_of(event)}")
            failure.__cause__ = RuntimeError(event.step_failure_data.error_display_string)
            return failure
    return CrmError(f"{period}: the run {result.run_id} failed; see it in the Dagster UI (crm-pipeline ui).")
