"""Planning and running: the plan of a home, carried out as one in-process Dagster run per period. No printing here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_pipeline.database import told_of_database
from crm_pipeline.defs.beside import carry_out_two_at_once, pays
from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.instance import close_killed_runs, open_instance, reconcile
from crm_pipeline.defs.period import Outcome, carry_out
from crm_pipeline.errors import CrmError
from crm_pipeline.home.disk import told_of_disk, without_echo
from crm_pipeline.home.planning import Key, next_period, plan_home, plan_range, still_stale
from crm_pipeline.home.project import Project, open_lake
from crm_pipeline.lake import ALL, Stale, collect_garbage, publish_views, repair_links
from crm_pipeline.settings import load_settings
from crm_pipeline.tracking import Tracker

Listener = Callable[[str, str, str, int], None]
Ended = Callable[[str, int, int], None]
"""Is told the label of a period that has ended, and how many of its partitions were built and reused."""


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

    def add(self, period: str, outcome: Outcome, keep_going: bool) -> None:
        """Take in what became of a period; its failure is noted, or raised unless the others are to go on."""
        self.run_ids += [outcome.run_id] if outcome.run_id else []
        self.built, self.reused = self.built + outcome.built, self.reused + outcome.reused
        self.warnings += outcome.warnings
        if outcome.failure:
            if not (keep_going and isinstance(outcome.failure, CrmError)):
                raise outcome.failure
            self.failures[period] = str(outcome.failure)


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


def execute(prepared: Prepared, keep_going: bool = False, beside: bool = False, ended: Ended | None = None) -> Summary:
    """Carry the plan out: one Dagster run per period, in order; nothing that is fresh is computed.

    With ``keep_going`` a period that fails is noted in the summary, what reads it is held, and the others go on. With
    ``beside`` a second process builds every other period where that pays (`beside.pays`). ``ended`` is told of every period.

    Raises
    ------
    CrmError
        When a period failed; what was published before stays, and the next run goes on from there.
    """
    with _told(prepared.project.home), without_echo():
        return _execute(prepared, keep_going, beside, ended)


def _execute(prepared: Prepared, keep_going: bool, beside: bool, ended: Ended | None) -> Summary:
    from crm_pipeline.home.source import begin

    started = time.perf_counter()
    built, lake = prepared.built, prepared.project.lake
    summary = Summary(prepared)
    instance = open_instance(lake.home)
    close_killed_runs(instance, lake.home)
    Tracker(lake.home).close_orphans()
    begin(prepared.project)
    repair_links(lake)
    keep_days = prepared.project.settings.keep_generations_days
    collect_garbage(lake, keep_days, prepared.sync.files, built.graph.read_as_published())
    reconcile(instance, lake, built.graph, sources=not prepared.plan)
    held, left = set[Key](), list(prepared.plan)

    def tell(items: list[Stale], outcome: Outcome) -> None:
        period = items[0].partition
        if ended is not None and outcome.run_id and not outcome.failure:
            ended(period if period == ALL else prepared.project.calendar.label(period), outcome.built, outcome.reused)

    def settle(items: list[Stale], outcome: Outcome) -> None:
        summary.add(items[0].partition, outcome, keep_going)
        if outcome.failure:
            held.update((i.asset, i.partition) for i in still_stale(prepared.project, built.graph, items))
        left[:] = [item for item in left if item not in items or (item.asset, item.partition) in held]

    if beside and not prepared.again and pays(prepared.project, left):
        for items, outcome in carry_out_two_at_once(built, instance, left, tell):
            settle(items, outcome)
    while items := next_period(built.graph, left, held):
        outcome = carry_out(built, instance, items, prepared.again.keys())
        tell(items, outcome)
        settle(items, outcome)
    summary.held = len(left)
    if summary.run_ids:
        reconcile(instance, lake, built.graph)
    publish_views(lake)
    summary.seconds = time.perf_counter() - started
    return summary
