"""Jobs by purpose, and the schedule: which period it asks for, when, and when it does not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.jobs import EVERYTHING, IN_ORDER_TAG, JOBS
from crm_pipeline.home.project import Project
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceLabels, SourceState

TABLES = {"orders": ("order_id", "customer_id", "ordered_at", "amount")}


ALL_TABLES = {name: tuple(c.name for c in contract.columns) for name, contract in CANONICAL.items()}
LABELS = {"emotion": SourceLabels("training/emotions.csv", "1", {"angry": 4, "At ease": 4})}


def built(
    home: Path, closed: bool = False, tables: dict[str, tuple[str, ...]] = TABLES, labels: Any = None, **settings: Any
) -> Built:
    """A shop in Berlin whose data go from January to May 2026."""
    (home / "crm.yaml").write_text("\n".join(f"{k}: {v}" for k, v in settings.items()))
    last = "2026-05-01" if settings.get("grain") != "week" else "2026-05-25"
    first = "2026-01-01" if settings.get("grain") != "week" else "2026-01-05"
    state = SourceState("shop", "Europe/Berlin", "EUR", tables, first, last, last, closed=closed, labels=labels or {})
    return build_defs(Project(home, load_settings(home), state), looks_at_source=True)


def asked(of: Built, moment: str) -> Any:
    """What the schedule says at a local moment."""
    schedule = of.definitions.resolve_schedule_def("period_end")
    at = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=at, repository_def=of.definitions.get_repository_def()
        )
        return schedule.evaluate_tick(context)


@pytest.mark.parametrize(("tables", "labels"), [(TABLES, {}), (ALL_TABLES, LABELS)], ids=["orders alone", "all tables"])
def test_every_asset_is_in_the_job_of_its_purpose_and_in_everything(
    tmp_path: Path, tables: dict[str, tuple[str, ...]], labels: Any
) -> None:
    definitions = built(tmp_path, tables=tables, labels=labels).definitions
    repository = definitions.get_repository_def()
    keys = {name: repository.get_job(name).asset_layer.executable_asset_keys for name in JOBS}
    parts = [keys[name] for name in ("refresh_data", "train", "score")]
    assert set().union(*parts) == keys[EVERYTHING]
    assert sum(map(len, parts)) == len(keys[EVERYTHING]), "no asset is in two of them"
    assert dg.AssetKey(["scores", "customers"]) in keys["score"]
    assert dg.AssetKey(["models", "churn", "champion"]) in keys["train"]
    assert (dg.AssetKey(["text", "messages"]) in keys["refresh_data"]) == ("messages" in tables)


def test_runs_of_jobs_go_one_at_a_time_and_not_for_ever(tmp_path: Path) -> None:
    repository = built(tmp_path, run_hours=3).definitions.get_repository_def()
    for name in JOBS:
        tags = repository.get_job(name).run_tags
        assert tags[IN_ORDER_TAG] == "true"
        assert tags["dagster/max_runtime"] == str(3 * 3600)


@pytest.mark.parametrize(
    ("moment", "settings", "period"),
    [
        ("2026-06-03 06:00", {}, "2026-05-01"),
        ("2026-06-01 06:00", {"schedule_delay_days": 0}, "2026-05-01"),
        ("2026-06-28 06:00", {"schedule_delay_days": 27}, "2026-05-01"),
        ("2026-06-03 06:00", {"grain": "week"}, "2026-05-25"),
        ("2026-06-11 06:00", {"grain": "week", "schedule_delay_days": 10}, "2026-05-25"),
    ],
)
def test_the_schedule_asks_for_the_period_that_ended_so_many_days_ago(
    tmp_path: Path, moment: str, settings: dict[str, Any], period: str
) -> None:
    requests = asked(built(tmp_path, **settings), moment).run_requests
    assert [(r.partition_key, r.tags["crm/asked_by"]) for r in requests] == [(period, "period_end")]


def test_a_week_has_one_such_day(tmp_path: Path) -> None:
    of = built(tmp_path, grain="week")
    days = [bool(asked(of, f"2026-06-{day:02d} 06:00").run_requests) for day in range(1, 15)]
    assert days == [False, False, True, False, False, False, False] * 2


def test_a_closed_source_is_not_scored_beyond_its_end(tmp_path: Path) -> None:
    found = asked(built(tmp_path, closed=True), "2026-07-03 06:00")
    assert not found.run_requests
    assert found.skip_message == "The source 'shop' is closed; it ended with 2026-05."


@pytest.mark.parametrize(
    ("settings", "cron"), [({}, "0 6 3 * *"), ({"grain": "week", "schedule_hour": 4}, "0 4 * * *")]
)
def test_it_ticks_in_the_time_zone_of_the_business(tmp_path: Path, settings: dict[str, Any], cron: str) -> None:
    schedule = built(tmp_path, **settings).definitions.resolve_schedule_def("period_end")
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "Europe/Berlin")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_the_scored_table_of_an_open_source_grows_stale(tmp_path: Path) -> None:
    specs = {s.key.to_user_string(): s for d in built(tmp_path).assets for s in d.specs}
    policy = specs["scores/customers"].freshness_policy
    assert isinstance(policy, dg.FreshnessPolicy)
    assert (policy.warn_window.days, policy.fail_window.days) == (34, 36)
    assert specs["scores/churn"].freshness_policy is None
    closed = {s.key.to_user_string(): s for d in built(tmp_path, closed=True).assets for s in d.specs}
    assert closed["scores/customers"].freshness_policy is None
