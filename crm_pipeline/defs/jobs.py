"""The jobs of the code location, each with what it is for, and the schedule at a period's end. What is stale is not known here."""

from datetime import timedelta
from typing import Any

import dagster as dg

from crm_pipeline.defs.instance import reconcile
from crm_pipeline.defs.lake import LakeResource
from crm_pipeline.defs.plan import PLAN
from crm_pipeline.home.project import Project

EVERYTHING = "everything"
READ_SOURCE = "read_source"
IN_ORDER_TAG = "crm/in_order"
"""Of the runs of a job of periods: `dagster.yaml` lets one of them go at a time, so that a backfill goes period by period."""

PERIOD_TAG, ASKED_BY_TAG, REASON_TAG = "crm/period", "crm/asked_by", "crm/reason"
"""Of every run that a person did not launch in the UI: its period, who asked for it, and why; they stand under its id there."""

JOBS = {
    EVERYTHING: ((), "Everything of a period: reads what changed, cleans, trains, judges, scores, reports."),
    "refresh_data": (
        ("1_raw", "2_clean", "2_text", "2_recordings", "3_activity", "4_features"),
        "Reads what changed in the source and brings tables, texts, recordings, features and outcomes of a period up to date.",
    ),
    "train": (
        ("5_models", "6_evaluation"),
        "Trains the models of a period, judges the earlier ones, decides who scores.",
    ),
    "score": (("7_scores", "8_reports"), "Scores the customers of a period with its champions, and writes the report."),
}
"""Job to the groups of assets that it materializes (all, if none is named), and what it is for."""


def jobs(project: Project) -> list[Any]:
    """Return the job of each purpose, and the one that only reads the source."""
    tags = {
        IN_ORDER_TAG: "true",
        "dagster/max_runtime": str(int(timedelta(hours=project.settings.run_hours).total_seconds())),
    }
    of_periods = [
        dg.define_asset_job(
            name,
            (dg.AssetSelection.groups(*groups) if groups else dg.AssetSelection.all()) - dg.AssetSelection.assets(PLAN),
            description=about,
            tags=tags,
        )
        for name, (groups, about) in JOBS.items()
    ]
    return [*of_periods, read_source_job()]


def read_source_job() -> dg.JobDefinition:
    """Return the job that reads what changed in the source's files into raw tables, and builds nothing."""

    @dg.op(description="Look at the source's files; read the new and changed ones into raw tables.")
    def look(context: dg.OpExecutionContext, lake: dg.ResourceParam[LakeResource]) -> None:
        if lake.look is not None:
            context.log.info(lake.look())
            reconcile(context.instance, lake.project.lake, lake.graph())

    @dg.job(
        name=READ_SOURCE,
        description="Reads what changed in the source's files into raw tables, and builds nothing.",
    )
    def read_source() -> None:
        look()

    return read_source


def period_end(project: Project) -> dg.ScheduleDefinition:
    """Return the schedule that carries out everything of a period once it is over and late data have had their time."""
    settings, calendar = project.settings, project.calendar
    delay = timedelta(days=settings.schedule_delay_days)
    day = f"{1 + settings.schedule_delay_days} * *" if settings.grain == "month" else "* * *"

    @dg.schedule(
        name="period_end",
        job_name=EVERYTHING,
        cron_schedule=f"0 {settings.schedule_hour} {day}",
        execution_timezone=project.source.timezone,
        description=(
            f"Scores each {settings.grain} {settings.schedule_delay_days} days after its end, at {settings.schedule_hour}:00 "
            f"{project.source.timezone}: the source is read, everything of the {settings.grain} is built."
        ),
    )
    def at_period_end(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        today = context.scheduled_execution_time.date()
        period = calendar.shift(calendar.key(today - delay), -1)
        if calendar.end_date(period) + delay != today:
            return dg.SkipReason(f"No {settings.grain} ended {settings.schedule_delay_days} days ago.")
        if project.source.closed and period > project.source.last:
            return dg.SkipReason(
                f"The source '{project.source.name}' is closed; it ended with {calendar.label(project.source.last)}."
            )
        return dg.RunRequest(
            run_key=period, partition_key=period, tags={PERIOD_TAG: period, ASKED_BY_TAG: "period_end"}
        )

    return at_period_end
