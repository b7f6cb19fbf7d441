"""Carries out what is planned of one period, as one in-process Dagster run. Which period is next is not decided here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from crm_pipeline.defs.build import Built
from crm_pipeline.defs.failures import root_of, sentence_of
from crm_pipeline.defs.instance import PROCESS_TAG
from crm_pipeline.defs.jobs import ASKED_BY_TAG, PERIOD_TAG, REASON_TAG
from crm_pipeline.defs.lake import FORCE_TAG
from crm_pipeline.errors import CrmError
from crm_pipeline.home.disk import disk_error
from crm_pipeline.home.planning import Key, still_stale
from crm_pipeline.lake import ALL, Stale, sign_of_life


@dataclass
class Outcome:
    """What became of a period.

    Attributes
    ----------
    run_id : str
        Of the Dagster run; empty where all was fresh after all.
    built, reused : int
        Partitions.
    warnings : list of str
        What the checks that warn said of what was published, a sentence each.
    failure : Exception or None
        Why it failed, in a sentence; its cause is the original text.
    """

    run_id: str = ""
    built: int = 0
    reused: int = 0
    warnings: list[str] = field(default_factory=list)
    failure: Exception | None = None


def carry_out(
    built: Built, instance: dg.DagsterInstance, items: list[Stale], again: Collection[Key] = frozenset()
) -> Outcome:
    """Build the planned items of one period but those that are fresh after all; ``again`` is built though it is."""
    period, home = items[0].partition, built.project.home
    forced = [item for item in items if (item.asset, item.partition) in again]
    selected = list(dict.fromkeys([*still_stale(built.project, built.graph, items), *forced]))
    if not selected:
        return Outcome()
    steps = {spec.key: definition.keys for definition in built.assets for spec in definition.specs}
    keys = {key for item in selected for key in steps[dg.AssetKey(item.asset.split("/"))]}
    # a killed command is run again by a person, not by a daemon
    tags = {
        PROCESS_TAG: sign_of_life(home),
        PERIOD_TAG: period,
        ASKED_BY_TAG: "crm-pipeline",
        REASON_TAG: f"{items[0].asset}: {items[0].reason}",
        "dagster/max_retries": "0",
    }
    if forced:
        tags[FORCE_TAG] = ",".join(item.asset for item in forced)
    result = built.job.execute_in_process(
        instance=instance,
        partition_key=None if period == ALL else period,
        asset_selection=sorted(keys),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
        tags=tags,
    )
    outcome = Outcome(result.run_id)
    for event in result.get_asset_materialization_events():
        value = event.materialization.metadata.get("reused")
        if value is not None and value.value:
            outcome.reused += 1
        else:
            outcome.built += 1
    checks = result.get_asset_check_evaluations()
    outcome.warnings = [
        c.description or c.check_name for c in checks if not c.passed and c.severity == dg.AssetCheckSeverity.WARN
    ]
    outcome.failure = None if result.success else _failure(result, period, home)
    return outcome


def _failure(result: dg.ExecuteInProcessResult, period: str, home: Path) -> Exception:
    """Return the first step failure as the user's one sentence, with the original text kept for --debug."""
    for event in result.all_events:
        if event.is_step_failure:
            _, message = root_of(event)
            failure = disk_error(message, home) or CrmError(f"{period}: {sentence_of(event)}")
            failure.__cause__ = RuntimeError(event.step_failure_data.error_display_string)
            return failure
    return CrmError(f"{period}: the run {result.run_id} failed; see it in the Dagster UI (crm-pipeline ui).")
