"""What a person reads in the scored table is in the source's time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.contracts.actions import CALL, LEAVE, OFFER, REMIND, RULES, WIN_BACK
from crm_pipeline.periods import Calendar
from crm_pipeline.reports import words
from crm_pipeline.transforms.columns import local_time
from crm_pipeline.transforms.scores import CHURN, DEMAND, Frame, customers
from crm_pipeline_tests.unit.features_world import fetch

FRAME = Frame(
    calendar=Calendar("month", "UTC"), first="2020-01-01", period="2020-12-01", as_of=date(2021, 1, 1),
    horizon_end=date(2021, 4, 1), label_definition="", eligibility="12 months", unit=0.01, has_cases=False,
    has_opt_outs=False, run_id="", scored_at=datetime(2021, 1, 1), release="", model_age=0,
)  # fmt: skip


def only(names: tuple[str, ...], **values: object) -> ibis.Table:
    """One customer's scores, 0.5 but for what is given."""
    said = {"customer_id": "a", "status": "scored", "status_reason": "", "features_hash": "h"}
    row = {**{key: "" if key.startswith("reason") else 0.5 for key in names}, **said, **values}
    return ibis.memtable(pd.DataFrame([row]))


def shown(last_at: datetime | None, zone: str) -> pd.Timestamp:
    return row(last_at, zone, only(CHURN), None).last_order_at


def row(
    last_at: datetime | None, zone: str, churn: ibis.Table | None, demand: ibis.Table | None, alive: float | None = None
) -> pd.Series:
    lifetime = ibis.memtable(
        pd.DataFrame(
            {
                "customer_id": ["a"],
                "last_at": pd.Series([last_at], dtype="datetime64[us]"),
                "opted_out_at": pd.Series([None], dtype="datetime64[us]"),
                "last_channel": ["web"],
                "cases_opened": [0],
                "cases_closed": [0],
            }
        )
    )
    orders = ibis.memtable(pd.DataFrame({"customer_id": ["a"], "n_orders": [1], "spend": [10]}))
    frame = replace(FRAME, calendar=Calendar("month", zone))
    known = pd.DataFrame({"customer_id": ["a"], "mbg_alive": [alive], "pareto_alive": [alive]})
    process = None if alive is None else ibis.memtable(known)
    return fetch(customers(lifetime, orders, churn, demand, frame, process=process)).iloc[0]


@pytest.mark.parametrize(
    ("utc", "zone", "local"),
    [
        (datetime(2020, 11, 30, 23, 0), "Europe/Berlin", datetime(2020, 12, 1)),
        (datetime(2020, 7, 31, 22, 0), "Europe/Berlin", datetime(2020, 8, 1)),
        (datetime(2020, 3, 1, 5, 0, 0, 250_000), "America/New_York", datetime(2020, 3, 1, 0, 0, 0, 250_000)),
        (datetime(2020, 11, 30, 23, 0), "UTC", datetime(2020, 11, 30, 23, 0)),
    ],
)
def test_the_last_order_is_in_the_time_zone_of_the_source(utc: datetime, zone: str, local: datetime) -> None:
    assert shown(utc, zone) == local


def test_one_task_alone_gives_the_table() -> None:
    found = row(datetime(2020, 11, 30), "UTC", None, only(DEMAND, value=12.5))
    assert (found.status, found.expected_spend, found.features_hash) == ("scored", 12.5, "h")
    assert pd.isna(found.churn_probability)
    found = row(datetime(2020, 11, 30), "UTC", None, only(DEMAND, status="abstained", status_reason="too few"))
    assert (found.status, found.status_reason) == ("abstained", "too few")
    found = row(datetime(2020, 11, 30), "UTC", only(CHURN, probability=0.25), None)
    assert (found.status, found.churn_probability) == ("scored", 0.25)


@pytest.mark.parametrize(
    ("alive", "worth"), [(None, 10.0), (float("nan"), 10.0), (0.8, 12.5), (0.5, 20.0), (0.01, 20.0)]
)
def test_the_value_of_who_may_be_gone_is_not_divided_by_a_small_number(alive: float | None, worth: float) -> None:
    found = row(datetime(2020, 11, 30), "UTC", only(CHURN, probability=0.97), only(DEMAND, value=10.0), alive)
    assert found.value_at_risk == pytest.approx(0.97 * worth)
    known = alive is not None and alive == alive
    assert found.still_active == alive if known else pd.isna(found.still_active)


@pytest.mark.parametrize(
    ("risk", "alive", "action"),
    [
        (0.9, 0.9, REMIND),
        (0.9, None, REMIND),
        (0.9, 0.1, WIN_BACK),
        (0.5, 0.1, WIN_BACK),
        (0.5, 0.9, LEAVE),
        (0.1, 0.1, LEAVE),
    ],
)
def test_nobody_likely_active_is_won_back_and_nobody_gone_and_at_risk_is_left_alone(
    risk: float, alive: float | None, action: str
) -> None:
    found = row(datetime(2020, 11, 30), "UTC", only(CHURN, probability=risk), only(DEMAND, value=10.0), alive)
    assert found.recommended_action == action, "alone, nobody is in the top by value at risk"
    assert action in {rule.action for rule in RULES}


def test_who_has_much_value_at_risk_is_worth_a_persons_time() -> None:
    lifetime = pd.DataFrame({"customer_id": list("abcde"), "last_channel": "web", "cases_opened": 0, "cases_closed": 0})
    days = {name: pd.Series([None] * 5, dtype="datetime64[us]") for name in ("last_at", "opted_out_at")}
    many = {"customer_id": list("abcde"), "status": "scored", "status_reason": "", "features_hash": "h"}
    churn = pd.DataFrame(
        {**dict.fromkeys(CHURN, ""), **many, "probability": [0.9, 0.5, 0.9, 0.5, 0.1], "percentile": 1.0}
    )
    # the last spends most, and little of it is at risk: nothing to call for
    demand = pd.DataFrame({**dict.fromkeys(DEMAND, 0.5), **many, "value": [20.0, 30.0, 1.0, 2.0, 40.0]})
    orders = pd.DataFrame({"customer_id": list("abcde"), "n_orders": 1, "spend": 10})
    tables = [ibis.memtable(frame) for frame in (lifetime.assign(**days), orders, churn, demand)]
    found = fetch(customers(*tables, FRAME)).set_index("customer_id").recommended_action
    assert dict(found) == {"a": CALL, "b": OFFER, "c": REMIND, "d": LEAVE, "e": LEAVE}


def test_a_row_without_a_demand_score_says_why() -> None:
    at, churn = datetime(2020, 11, 30), only(CHURN, probability=0.25)
    found = row(
        at, "UTC", churn, only(DEMAND, status="abstained", status_reason="3 rows with an order", value=float("nan"))
    )
    assert (found.status, found.status_reason) == ("scored", "no demand score: 3 rows with an order")
    assert pd.isna(row(at, "UTC", churn, only(DEMAND)).status_reason)
    assert pd.isna(row(at, "UTC", churn, None).status_reason)


def test_no_last_order_stays_null() -> None:
    assert pd.isna(shown(None, "Europe/Berlin"))


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    st.lists(st.integers(0, 366 * 3 * 86_400 - 1), min_size=20, max_size=20),
)
def test_local_time_follows_the_zone_over_years(zone: str, seconds: list[int]) -> None:
    calendar = Calendar("month", zone)
    start = calendar.start("2018-01-01")
    instants = [min(start + timedelta(seconds=s), calendar.as_of("2020-12-01")) for s in seconds]
    table = ibis.memtable(pd.DataFrame({"at": pd.Series(instants, dtype="datetime64[us]")}))
    made = fetch(table.select(at=local_time(table["at"], "2018-01-01", "2020-12-01", calendar)))["at"]
    utc = ZoneInfo("UTC")
    assert list(made) == [at.replace(tzinfo=utc).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in instants]


def test_the_day_of_publication_is_a_local_day() -> None:
    assert words.local_day("2024-11-30T23:30:00+00:00", "Europe/Berlin") == "2024-12-01"
    assert words.local_day(pd.Timestamp("2024-11-30 23:30"), "Europe/Berlin") == "2024-12-01"
    assert words.local_day(None, "Europe/Berlin") == words.DASH
