"""When people are told: a run of this code location failed, or a check did not pass. The words and the way are `crm_pipeline.alerts`."""

from __future__ import annotations

import os

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus

from crm_pipeline.alerts import Trouble, has_target, message, send
from crm_pipeline.defs.failures import sentence_of
from crm_pipeline.defs.jobs import PERIOD_TAG
from crm_pipeline.home.project import Project

WILL_RETRY = "dagster/will_retry"
"""Tag of a failed run that Dagster starts again: only the last attempt is worth a message."""


def alert_sensors(project: Project) -> list[dg.SensorDefinition]:
    """Return the sensors that tell of failed runs and of checks that did not pass; on by default where a target is set."""
    on = has_target(project.settings)
    status = dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED

    @dg.run_failure_sensor(
        default_status=status,
        description="Tells people (alert_webhook, alert_email) of a failed run: what, why, where, what was kept, what to do.",
    )
    def tell_of_failed_runs(context: dg.RunFailureSensorContext) -> None:
        """Send one message per failed run."""
        if context.dagster_run.tags.get(WILL_RETRY) != "true":
            _tell(context, project, failure_of(context, project))

    @dg.run_status_sensor(
        run_status=DagsterRunStatus.SUCCESS,
        default_status=status,
        description="Tells people of a check that did not pass in a run that went on: one that warns, or that was asked for alone.",
    )
    def tell_of_failed_checks(context: dg.RunStatusSensorContext) -> None:
        """Send one message per check that did not pass."""
        for trouble in failed_checks_of(context, project):
            _tell(context, project, trouble)

    return [tell_of_failed_runs, tell_of_failed_checks]


def failure_of(context: dg.RunFailureSensorContext, project: Project) -> Trouble:
    """Return what a failed run is to tell: its first failed step, or what Dagster says of the run."""
    run, steps = context.dagster_run, context.get_step_failure_events()
    said = sentence_of(steps[0]) if steps else context.failure_event.message or "the run ended without a word"
    what = f"{(steps[0].step_key or run.job_name)} (job {run.job_name})" if steps else f"The job {run.job_name}"
    return Trouble(what, _period(run), said, _link(run), project.home)


def failed_checks_of(context: dg.RunStatusSensorContext, project: Project) -> list[Trouble]:
    """Return what the checks that did not pass in a run are to tell."""
    run = context.dagster_run
    records = context.instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [r.event_log_entry.dagster_event for r in records]
    checks = [event.asset_check_evaluation_data for event in events if event]
    return [
        Trouble(
            check.asset_key.to_user_string(),
            str(check.metadata["partition"].value) if "partition" in check.metadata else _period(run),
            _said(check),
            _link(run),
            project.home,
            published=True,
        )
        for check in checks
        if not check.passed
    ]


def _said(check: dg.AssetCheckEvaluation) -> str:
    failures = check.metadata.get("failures")
    listed = failures.value if failures is not None else None
    first = str(listed[0]) if isinstance(listed, list) and listed else check.description or "no reason was recorded"
    return f"its check '{check.check_name}' ({check.severity.value}) did not pass: {first}."


def _period(run: dg.DagsterRun) -> str:
    return run.tags.get("dagster/partition", run.tags.get(PERIOD_TAG, ""))


def _link(run: dg.DagsterRun) -> str:
    return f"{os.environ.get('CRM_DAGSTER_UI', 'http://127.0.0.1:3000')}/runs/{run.run_id}"


def _tell(context: dg.RunStatusSensorContext, project: Project, trouble: Trouble) -> None:
    for undelivered in send(project.settings, *message(trouble)):
        context.log.warning(undelivered)
