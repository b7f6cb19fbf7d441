"""The scored table as its readers get it: complete, in order, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import CUSTOMERS
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

PERIOD = "2026-05-01"


def test_every_column_of_the_contract_in_order(whole: Built) -> None:
    table = world.lake_of(whole.home).table("scores/customers", [PERIOD])
    assert list(table.columns) == [column.name for column in CUSTOMERS]


def test_one_row_for_every_known_customer(whole: Built) -> None:
    lake = world.lake_of(whole.home)
    scored = lake.table("scores/customers", [PERIOD]).execute()
    assert scored.customer_id.is_unique
    periods = [p for p in lake.partitions("clean/customers") if p <= PERIOD]
    created = set(lake.table("clean/customers", periods).customer_id.execute())
    bought = set(lake.table("clean/orders", periods).customer_id.execute())
    assert set(scored.customer_id) == created | bought
    eligible = set(lake.table("features/customers", [PERIOD]).customer_id.execute())
    assert set(scored.customer_id[scored.status == "scored"]) == eligible
    assert scored.status_reason[scored.status != "scored"].notna().all()
    assert scored.status.isin(["scored", "abstained", "extrapolated"]).all()


def test_what_is_scored_is_whole_and_within_bounds(whole: Built) -> None:
    scored = world.lake_of(whole.home).table("scores/customers", [PERIOD]).execute()
    scored = scored[scored.status == "scored"]
    assert len(scored) > 100
    assert scored.churn_probability.between(0, 1).all()
    assert scored.churn_percentile.between(0, 100).all()
    assert scored.reason_1.notna().all()
    assert (scored.expected_spend_low <= scored.expected_spend_high).all()
    at_risk = scored.value_at_risk.dropna()
    assert (at_risk >= 0).all()
    assert set(scored.horizon_end.astype(str).str[:10]) == {"2026-07-01"}


def test_the_files_for_outsiders_hold_the_same(whole: Built) -> None:
    lake = world.lake_of(whole.home)
    link = whole.home / "lake" / "scores" / "customers" / f"period={PERIOD}" / "part.parquet"
    here = lake.table("scores/customers", [PERIOD]).order_by("customer_id").execute()
    there = pd.read_parquet(link).sort_values("customer_id", ignore_index=True)
    assert list(there.customer_id) == list(here.customer_id)
    assert there.churn_probability.equals(here.churn_probability)


def test_every_format(whole: Built, tmp_path: Path) -> None:
    base = ["scores", "--home", whole.home, "--as-of", whole.through]
    for form in ("csv", "json", "parquet"):
        world.crm(*base, "--format", form, "--to", tmp_path / form)
    printed = world.crm(*base, "--format", "csv").stdout
    assert printed == (tmp_path / "csv").read_text()
    frames = [
        pd.read_csv(tmp_path / "csv", dtype={"customer_id": str}),
        pd.DataFrame(json.loads((tmp_path / "json").read_text())),
        pd.read_parquet(tmp_path / "parquet"),
    ]
    for frame in frames:
        assert list(frame.columns) == [column.name for column in CUSTOMERS]
        assert list(frame.customer_id) == list(frames[0].customer_id)
    shown = world.crm(*base).stdout
    assert "customers as of the end of 2026-05" in shown
    assert "synthetic" in shown


def test_whom_to_call_first_comes_first_and_consent_is_todays(whole: Built) -> None:
    found = world.crm("scores", "--home", whole.home, "--format", "json").stdout
    frame = pd.DataFrame(json.loads(found))
    at_risk = frame.value_at_risk.fillna(-1)
    assert at_risk.is_monotonic_decreasing
    current = world.lake_of(whole.home).table("snapshot/customers", ["current"]).execute()
    refused = set(current.customer_id[current.consent_marketing == False])  # noqa: E712 - three-valued
    assert refused
    hit = frame[frame.customer_id.isin(refused)]
    assert not hit.contactable.fillna(True).any()
    assert hit.not_contactable_reason.str.contains("consent").all()


def test_explain_tells_one_customers_story(whole: Built) -> None:
    frame = pd.DataFrame(json.loads(world.crm("scores", "--home", whole.home, "--format", "json").stdout))
    customer = frame.customer_id[0]
    told = world.crm("explain", customer, "--home", whole.home).stdout
    assert customer in told
    assert "Why: churn" in told
    assert str(frame.reason_1[0])[:20] in told


@pytest.fixture(scope="module")
def awkward(folder: Path, tiny: Built) -> Built:
    """A source whose texts and ids a spreadsheet would spoil."""
    source = shutil.copytree(folder / "tiny_source_kept", folder / "awkward")
    rows = []
    for number, customer in enumerate(["=1+1", "+49", "-7", "@sum", "007", "1e5", "2024-01-02", 'a,"b"']):
        quoted = '"' + customer.replace('"', '""') + '"'
        for day in (3, 9, 20):
            rows.append(f"x{number}-{day},{quoted},2024-02-{day:02d}T10:00:00,{10 + number}")
    with (source / "orders" / "2024-02.csv").open("a") as file:
        file.write("\n".join(rows) + "\n")
    home = world.new_home(folder / "awkward_home", world.TINY)
    done = world.crm("run", "--source", source, "--home", home, "--through", "2024-02")
    return Built(source, home, "2024-02", world.hashes(home), done.stdout)


def test_the_csv_survives_a_spreadsheet(awkward: Built) -> None:
    text = world.crm("scores", "--home", awkward.home, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    ids = {row["customer_id"] for row in rows}
    assert {"'=1+1", "'+49", "'-7", "'@sum", "007", "1e5", "2024-01-02", 'a,"b"'} <= ids
    for row in rows:
        for name, value in row.items():
            number = value.lstrip("-").replace(".", "").replace("e-", "").isdigit()
            assert number or not value.startswith(("=", "+", "-", "@", "\t", "\r")), (name, value)
        assert len(row["as_of"]) >= 10
        assert pd.Timestamp(row["as_of"]) == pd.Timestamp("2024-03-01")
    lake = world.lake_of(awkward.home)
    known = set(lake.table("scores/customers", ["2024-02-01"]).customer_id.execute())
    assert {"=1+1", "007"} <= known, "the lake itself keeps ids as they are"
