"""The sensor that carries a data fix through: sees changed source files, and asks for what the plan names, period by period.

What is stale and what comes next is decided in `home.planning`.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from crm_pipeline.defs.instance import close_killed_runs
from crm_pipeline.defs.jobs import ASKED_BY_TAG, EVERYTHING, PERIOD_TAG, READ_SOURCE, REASON_TAG
from crm_pipeline.defs.lake import FORCE_TAG
from crm_pipeline.defs.plan import PLAN, shown
from crm_pipeline.errors import CrmError
from crm_pipeline.hashing import digest
from crm_pipeline.home.planning import Key, fingerprint, next_period, plan_home
from crm_pipeline.lake import ALL, Stale

if TYPE_CHECKING:
    from crm_pipeline.defs.build import Built

# Dagster hands a sensor on with a parameter in beta that nobody gave, and warns of it whenever definitions are resolved
warnings.filterwarnings("ignore", message=".*owners.*SensorDefinition", category=dg.BetaWarning)

NAME = "after_a_data_fix"
PLAN_TAG = "crm/plan"
ATTEMPTS = 2
"""How often the same work is asked for before it is held as failed; new content, code or settings make it other work."""

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def after_a_data_fix(built: "Built", jobs: Iterable[Any]) -> dg.SensorDefinition:
    """Return the sensor: one run at a time, the earliest stale period first, until nothing is stale.

    A period that failed `ATTEMPTS` times is held, with all that reads it; the others go on.
    """

    @dg.sensor(
        name=NAME,
        jobs=[job for job in jobs if job.name in (EVERYTHING, READ_SOURCE)],
        minimum_interval_seconds=15,
        description=(
            "After a data fix: looks at the source's files by content, has what changed read, and then has rebuilt what the plan names: "
            "the earliest stale period first, one run a period, one at a time, until nothing is stale. Unchanged content ends the wave. "
            f"What failed {ATTEMPTS} times waits, with all that reads it, until its inputs, the code or the settings change."
        ),
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        close_killed_runs(context.instance, built.project.home)
        if context.instance.get_runs_count(RunsFilter(statuses=UNFINISHED)):
            return _skipped(context, "A run is going: what it leaves stale is asked for after it.")
        try:
            return _read(context, built) or _rebuild(context, built)
        except CrmError as error:
            return _skipped(context, str(error))

    return look


def _read(context: dg.SensorEvaluationContext, built: "Built") -> dg.SensorResult | None:
    """Ask for the source to be read, when files of it are new, changed or gone."""
    from crm_pipeline.home.source import pending_files

    changed = pending_files(built.project)
    if not changed:
        built.take_over()
        return None
    key, told = digest(repr(changed), 8), _few([f"{file.name} is {file.what}" for file in changed])
    attempt = _attempts(context, key)
    if attempt >= ATTEMPTS:
        return _skipped(
            context, f"Reading the source failed {attempt} times, see the runs tagged {PLAN_TAG}={key}: {told}."
        )
    tags = {ASKED_BY_TAG: NAME, PLAN_TAG: key, REASON_TAG: told}
    return dg.SensorResult([dg.RunRequest(f"{key}-{attempt}", job_name=READ_SOURCE, tags=tags)], cursor=context.cursor)


def _skipped(context: dg.SensorEvaluationContext, why: str) -> dg.SensorResult:
    """Ask for nothing; which plan was seen last stays known."""
    return dg.SensorResult(skip_reason=why, cursor=context.cursor)


def _rebuild(context: dg.SensorEvaluationContext, built: "Built") -> dg.SensorResult:
    """Ask for the earliest period of the plan that is not held."""
    project, graph = built.project, built.graph
    planned = plan_home(project, graph)
    index = project.lake.index()
    seen = digest(repr(planned.plan), 8)
    events = [] if context.cursor == seen else [dg.AssetObservation(PLAN, metadata=shown(planned.plan))]
    held: set[Key] = set()
    failed: list[str] = []
    while items := next_period(graph, planned.plan, held):
        work = fingerprint(graph, items, index)
        attempt = _attempts(context, work)
        if attempt < ATTEMPTS:
            again = [i.asset for i in items if (i.asset, i.partition) in planned.again]
            return dg.SensorResult(
                [_request(items, f"{work}-{attempt}", work, again)], cursor=seen, asset_events=events
            )
        held |= {(item.asset, item.partition) for item in items}
        period = items[0].partition
        failed.append(f"{ALL if period == ALL else project.calendar.label(period)} ({PLAN_TAG}={work})")
    why = (
        f"Failed {ATTEMPTS} times and held, with all that reads it: {_few(failed)}. Mend it, or launch it by hand."
        if failed
        else f"Nothing is stale through {project.calendar.label(planned.through)}."
    )
    return dg.SensorResult(skip_reason=why, cursor=seen, asset_events=events)


def _request(items: Sequence[Stale], run_key: str, work: str, again: list[str]) -> dg.RunRequest:
    first = items[0]
    tags = {
        ASKED_BY_TAG: NAME,
        PLAN_TAG: work,
        REASON_TAG: f"{first.asset}: {first.reason}",
        PERIOD_TAG: first.partition,
    }
    return dg.RunRequest(
        run_key,
        job_name=EVERYTHING,
        partition_key=None if first.partition == ALL else first.partition,
        asset_selection=[dg.AssetKey(item.asset.split("/")) for item in items],
        tags={**tags, FORCE_TAG: ",".join(again)} if again else tags,
    )


def _attempts(context: dg.SensorEvaluationContext, key: str) -> int:
    """Return how often this work was asked for and not done."""
    ended = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    return context.instance.get_runs_count(RunsFilter(tags={PLAN_TAG: key}, statuses=ended))


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
