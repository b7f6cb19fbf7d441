"""Old runs go, but for those that recorded the newest materialization of some partition: what the UI shows stays."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.defs.pruning import Pruned, prune_home, prune_runs
from crm_pipeline.errors import CrmError
from crm_pipeline.home.instance import dagster_home
from crm_pipeline.settings import Settings

PERIODS = ["2026-05-01", "2026-06-01"]


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(PERIODS))
def monthly() -> None:
    """An asset with periods."""


@dg.asset
def whole() -> None:
    """An asset without."""


@dg.asset
def broken() -> None:
    """One that never publishes."""
    raise CrmError("nothing to be done")


def newest(instance: dg.DagsterInstance) -> dict[object, object]:
    """What the UI shows of every partition: the run of its newest materialization."""
    records = instance.event_log_storage.get_latest_storage_id_by_partition(
        monthly.key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    last = instance.get_latest_materialization_event(whole.key)
    return {**records, "whole": last.run_id if last else None}


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([*PERIODS, "whole", "broken"]), min_size=1, max_size=6))
def test_what_is_newest_stays_and_every_other_old_run_goes(ran: list[str]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for what in ran:
            asset = {"whole": whole, "broken": broken}.get(what, monthly)
            period = what if what in PERIODS else None
            dg.materialize([asset], instance=instance, partition_key=period, raise_on_error=False)
        before = newest(instance)
        assert prune_runs(instance, 1) == Pruned(0, 0), "none is as old as that"
        read = len(set(ran) - {"broken"})
        assert prune_runs(instance, 0) == Pruned(len(ran) - read, read)
        assert newest(instance) == before
        assert len(instance.get_runs()) == read


def test_a_run_at_work_stays() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        create_run_for_test(instance, job_name="j", status=dg.DagsterRunStatus.STARTED)
        assert prune_runs(instance, 0) == Pruned(0, 0)


def test_a_folder_without_history_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CrmError, match="no Dagster history"):
        prune_home(tmp_path, 400)


def test_a_dagster_yaml_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    path = dagster_home(tmp_path, Settings()) / "dagster.yaml"
    path.write_text("storage: [\n")
    with pytest.raises(CrmError, match=r"dagster\.yaml cannot be used .*: mend it, or remove it"):
        prune_home(tmp_path, 400)
